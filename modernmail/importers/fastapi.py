"""The `ConnectionConfig` of fastapi-mail."""

from __future__ import annotations

from ..backends.url import backend_from_url
from ..errors import ConfigurationError
from .server import Allowed, Imported, Server, security_of, switch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def imported(config: object, *, allowed: Allowed) -> Imported:
    """Return what a `ConnectionConfig`, or a mapping of its names, describes."""
    get: Callable[[str, Any], Any]
    if hasattr(config, "keys"):
        get = config.get  # type: ignore[attr-defined]
    else:

        def get(name: str, default: Any) -> Any:
            return getattr(config, name, default)

    if get("MAIL_SERVER", None) is None:
        raise ConfigurationError("config: must be a ConnectionConfig of fastapi-mail: it has no MAIL_SERVER")
    sender = get("MAIL_FROM", None)
    if sender and get("MAIL_FROM_NAME", None):
        from ..address import Address

        sender = Address(name=get("MAIL_FROM_NAME", ""), addr_spec=str(sender))
    if switch("SUPPRESS_SEND", get("SUPPRESS_SEND", 0)):
        return Imported(backend_from_url("null:"), sender)
    is_known = switch("USE_CREDENTIALS", get("USE_CREDENTIALS", True))
    password = get("MAIL_PASSWORD", None)
    server = Server(
        get("MAIL_SERVER", None),
        get("MAIL_PORT", None),
        security_of(
            ("MAIL_STARTTLS", get("MAIL_STARTTLS", None)), ("MAIL_SSL_TLS", get("MAIL_SSL_TLS", None))
        ),
        host_setting="MAIL_SERVER",
        port_setting="MAIL_PORT",
        security_settings="MAIL_STARTTLS and MAIL_SSL_TLS are off",
        username=get("MAIL_USERNAME", None) if is_known else None,
        password=password.get_secret_value() if hasattr(password, "get_secret_value") else password,
        verify=switch("VALIDATE_CERTS", get("VALIDATE_CERTS", True)),
        verify_setting="VALIDATE_CERTS is off",
        timeout=get("TIMEOUT", None),
        ehlo=get("LOCAL_HOSTNAME", None),
        ca=get("CERT_BUNDLE", None),
    )
    return Imported(server.backend(allowed), sender)
