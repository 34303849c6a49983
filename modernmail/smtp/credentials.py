"""What a user name and a password may hold: `Settings` asks when it is made.

Rules of the file: SASL separates its fields by NUL (RFC 4616 2) and by 0x01 (RFC 7628 3.1), so that a control character
would be a field of its own: it is refused, never sent. No message shows what was given.
"""

from __future__ import annotations

from ..errors import ConfigurationError


def check_login(username: object, password: object) -> None:
    """Raise `ConfigurationError` for a user name or a password that no mechanism can carry (RFC 4013 2.3).

    >>> check_login("zoe", "secret\\n")
    Traceback (most recent call last):
    modernmail.errors.ConfigurationError: the password holds a control character, such as a line break at its end
    """
    for what, text in (("username", username), ("password", password)):
        if text is None:
            continue
        if not isinstance(text, str):
            hint = ": pass its get_secret_value()" if hasattr(text, "get_secret_value") else ""
            raise ConfigurationError(f"the {what} must be a str, not {type(text).__name__}{hint}")
        if any(char < " " or char == "\x7f" for char in text):
            raise ConfigurationError(f"the {what} holds a control character, such as a line break at its end")
        if any("\ud800" <= char <= "\udfff" for char in text):
            raise ConfigurationError(f"the {what} holds a lone surrogate, which UTF-8 has no octets for")
