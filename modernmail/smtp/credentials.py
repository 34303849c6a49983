"""What a user name and a password may hold, and by which mechanism they may go: `Settings` asks when it is made.

Rules of the file: SASL separates its fields by NUL (RFC 4616 2) and by 0x01 (RFC 7628 3.1), so that a control character
would be a field of its own: it is refused, never sent. No message shows what was given.
"""

from __future__ import annotations

from ..errors import ConfigurationError

PASSWORDS = ("PLAIN", "LOGIN", "CRAM-MD5")  # mechanisms, in the order of preference
TOKENS = ("OAUTHBEARER", "XOAUTH2")


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


def check_mechanism(auth: str, *, is_token: bool, is_password: bool) -> None:
    """Raise `ConfigurationError` for a mechanism that we do not speak, or that what was given is not for.

    >>> check_mechanism("NTLM", is_token=False, is_password=True)
    Traceback (most recent call last):
    modernmail.errors.ConfigurationError: auth='NTLM': must be PLAIN, LOGIN, CRAM-MD5, OAUTHBEARER or XOAUTH2
    """
    if auth not in (*PASSWORDS, *TOKENS):
        names = ", ".join((*PASSWORDS, *TOKENS[:-1]))
        raise ConfigurationError(f"auth={auth!r}: must be {names} or {TOKENS[-1]}")
    if auth in TOKENS and not is_token:
        raise ConfigurationError(f"auth={auth!r} needs a token provider")
    if auth in PASSWORDS and not is_password:
        raise ConfigurationError(f"auth={auth!r} needs a user and a password")
