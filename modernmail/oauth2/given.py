"""What a provider is given, checked; each check raises `ConfigurationError`, which names the argument.

Rules of the file: a text that may be secret is never shown.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from ..smtp.settings import is_loopback


def required(argument: str, value: object) -> str:
    """Return a text that is not empty. Raises `ConfigurationError`, which does not show it."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ConfigurationError(f"{argument}: must be a str of printable characters, and not empty")
    return value


def checked_url(token_url: object, *, http_on_loopback: bool) -> str:
    """Return the host, and the port if it names one, of an endpoint that secrets may go to."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(token_url) if isinstance(token_url, str) else None
        host = "" if parts is None else parts.hostname or ""
        port = None if parts is None else parts.port
    except ValueError:
        parts, host, port = None, "", None
    if (
        parts is None
        or not host
        or parts.username is not None
        or parts.password is not None
        or parts.fragment
    ):
        raise ConfigurationError("token_url: must be an https URL without user and fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and http_on_loopback and is_loopback(host)):
        raise ConfigurationError(
            f"token_url: must be https, since secrets go there, and {host} is asked by {parts.scheme}"
            " (http_on_loopback=True is for an endpoint on this machine, in tests)"
        )
    return host if port is None else f"{host}:{port}"


def seconds(argument: str, value: object, *, least: float) -> float:
    """Return a number of seconds: `least` or more, and a day at most."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= 86400:
        raise ConfigurationError(
            f"{argument}={value!r}: must be seconds, {least:g} or more and at most 86400"
        )
    return float(value)
