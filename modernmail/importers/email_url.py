"""`EMAIL_URL` as dj-email-url and django-environ read it: there `smtps` means STARTTLS, and `smtp` no TLS at all."""

from __future__ import annotations

from ..backends.url import backend_from_url
from ..errors import ConfigurationError
from .server import Allowed, Imported, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .server import Security

# Each scheme of either library: what it asks for, and the port when none is given.
_SECURITY: dict[str, tuple[Security, int]] = {
    "smtp": ("none", 25),
    "smtps": ("starttls", 25),
    "smtp+tls": ("starttls", 25),
    "smtp+ssl": ("implicit", 465),
    "submission": ("starttls", 587),
    "submit": ("starttls", 587),
}
_PLAIN = {
    "console": "console:", "consolemail": "console:", "memory": "memory:", "memorymail": "memory:", "dummy": "null:",
    "dummymail": "null:",
}  # fmt: skip
_FILES = ("file", "filemail")
_TRUE, _FALSE = ("1", "y", "yes", "t", "true", "on"), ("0", "n", "no", "f", "false", "off", "")
_SWITCHES = {"ssl": "implicit", "email_use_ssl": "implicit", "tls": "starttls", "email_use_tls": "starttls"}


def imported(url: str | None, *, allowed: Allowed) -> Imported:
    """Return what a URL describes; None stands for the environment variable `EMAIL_URL`."""
    from urllib.parse import parse_qsl, unquote, urlsplit

    if url is None:
        import os

        url = os.environ.get("EMAIL_URL")
    if not isinstance(url, str) or not url or not url.isprintable():
        raise ConfigurationError("EMAIL_URL: is not set, or is no URL")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = parts.hostname
    except ValueError:
        raise ConfigurationError(
            "EMAIL_URL: is malformed: encode / ? # [ ] in user name and password"
        ) from None
    options = {name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)}
    sender = options.pop("_default_from_email", None)
    options.pop("_server_email", None)  # the sender of Django's own mail to admins
    if parts.scheme in _PLAIN:
        return Imported(backend_from_url(_PLAIN[parts.scheme]), sender)
    if parts.scheme in _FILES:
        from ..backends.file import FileBackend

        return Imported(FileBackend(unquote(parts.path[1:]) or "."), sender)
    if parts.scheme not in _SECURITY:
        there_are = ", ".join(sorted((*_SECURITY, *_PLAIN, *_FILES)))
        raise ConfigurationError(f"EMAIL_URL: there is no scheme {parts.scheme!r}; there are {there_are}")
    security, usual = _SECURITY[parts.scheme]
    for name, asked in _SWITCHES.items():
        if name in options and _is_on(name, options.pop(name)):
            security, usual = asked, 465 if asked == "implicit" else usual  # type: ignore[assignment]
    timeout = options.pop("timeout", None)
    for name in options:
        raise ConfigurationError(
            f"EMAIL_URL: the option {name!r} has no counterpart; give the server as a URL of ours"
        )
    server = Server(
        host or "localhost",
        port or usual,
        security,
        host_setting="EMAIL_URL: host",
        port_setting="EMAIL_URL: port",
        security_settings=f"EMAIL_URL: {parts.scheme}:// without tls=True is no TLS",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        timeout=timeout,
    )
    return Imported(server.backend(allowed), sender)


def _is_on(name: str, text: str) -> bool:
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ConfigurationError(f"EMAIL_URL: {name}={text!r}: must be True or False")
    return text.lower() in _TRUE
