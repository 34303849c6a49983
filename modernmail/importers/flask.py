"""The configuration of Flask-Mail and of Flask-Mailman: `MAIL_*`."""

from __future__ import annotations

from ..backends.url import backend_from_url
from ..errors import ConfigurationError
from .server import CLIENT_CERTIFICATE, Allowed, Imported, Server, security_of, switch, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..backends.backend import Backend

_PLAIN = {"console": "console:", "locmem": "memory:", "dummy": "null:"}


def imported(config: Mapping[str, Any], *, allowed: Allowed) -> Imported:
    """Return what `app.config` describes."""
    config = getattr(config, "config", config)  # the application itself; its `get` is a route
    if not hasattr(config, "get"):
        raise ConfigurationError(f"config: must be app.config, not {type(config).__name__}")
    return Imported(_backend(config, allowed), _sender(config.get("MAIL_DEFAULT_SENDER")))


def _backend(config: Mapping[str, Any], allowed: Allowed) -> Backend:
    is_testing = switch("TESTING", config.get("TESTING"))
    kind = _kind(config.get("MAIL_BACKEND"))
    if switch("MAIL_SUPPRESS_SEND", config.get("MAIL_SUPPRESS_SEND", is_testing)):
        return backend_from_url("memory:" if is_testing else "null:")
    if kind in _PLAIN:
        return backend_from_url(_PLAIN[kind])
    if kind == "file":
        from ..backends.file import FileBackend

        if not config.get("MAIL_FILE_PATH"):
            raise ConfigurationError("MAIL_FILE_PATH: the folder is missing")
        return FileBackend(config["MAIL_FILE_PATH"])
    for name in ("MAIL_SSL_CERTFILE", "MAIL_SSL_KEYFILE"):
        unsupported(name, config.get(name), CLIENT_CERTIFICATE)
    return Server(
        config.get("MAIL_SERVER", "localhost"),
        config.get("MAIL_PORT") or 25,
        security_of(
            ("MAIL_USE_TLS", config.get("MAIL_USE_TLS")), ("MAIL_USE_SSL", config.get("MAIL_USE_SSL"))
        ),
        host_setting="MAIL_SERVER",
        port_setting="MAIL_PORT",
        security_settings="MAIL_USE_TLS and MAIL_USE_SSL are off",
        username=config.get("MAIL_USERNAME"),
        password=config.get("MAIL_PASSWORD"),
        timeout=config.get("MAIL_TIMEOUT"),
        max_messages=config.get("MAIL_MAX_EMAILS"),
    ).backend(allowed)


def _kind(path: object) -> str:
    """Return the last name of Flask-Mailman's backend: it may be a name, a module or a class there."""
    if path is None:
        return "smtp"
    name = str(path).removeprefix("flask_mailman.backends.").removesuffix(".EmailBackend")
    if name not in (*_PLAIN, "file", "smtp"):
        raise ConfigurationError(
            f"MAIL_BACKEND={path!r}: is none of Flask-Mailman's own: give its server as a URL, smtp://…, to Mailer()"
        )
    return name


def _sender(sender: object) -> object:
    """Return the sender, which may be a pair of name and address."""
    if isinstance(sender, (tuple, list)) and len(sender) == 2:
        from ..address import Address

        return Address(name=sender[0] or "", addr_spec=sender[1])
    return sender
