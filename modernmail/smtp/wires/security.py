"""TLS for both wires: the context; the name to greet with; and what an open session offers."""

from __future__ import annotations

from ...errors import ConfigurationError
from .failures import error_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from ..extensions import Extensions
    from ..settings import Settings


def tls_context(settings: Settings) -> ssl.SSLContext:
    """Return a client context: TLS 1.2 or later, certificate and host name (by subjectAltName) verified unless `verify=off`."""
    import ssl

    try:
        context = ssl.create_default_context(cafile=settings.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"ca: {settings.ca!r} cannot be used as a file of certificates: {error_text(error)}"
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # RFC 9525 2: the common name is words for people, and an authority's limits on names do not bind it
    context.hostname_checks_common_name = False
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def ehlo_name(settings: Settings, address: str | None) -> str:
    """Return the name to greet with: the one set, the FQDN when it is one, otherwise an address literal (RFC 5321 4.1.3)."""
    if settings.ehlo is not None:
        return settings.ehlo
    name = _fqdn()
    if name:
        return name
    if not address:
        return "[127.0.0.1]"
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def is_looked_up(settings: Settings) -> bool:
    """Return whether `ehlo_name` will answer at once; the first time it asks the resolver, which may take long."""
    return settings.ehlo is not None or bool(_names)


_names: list[str] = []


def _fqdn() -> str:
    """Return this host's FQDN, looked up once in the life of the process; "" when it has none."""
    if not _names:
        import socket

        name = socket.getfqdn().rstrip(".")
        labels = name.split(".")
        is_name = (
            len(labels) > 1
            and name.isascii()
            # no "_": that is no letter of a domain (RFC 5321 4.1.2), and Exim refuses such a greeting
            and all(label and label.replace("-", "").isalnum() for label in labels)
        )
        _names.append(name if is_name and not labels[-1].isdecimal() and labels[0] != "localhost" else "")
    return _names[0]


def session_facts(extensions: Extensions, channel: Any) -> dict[str, Any]:
    """Return what a session offers as plain values; `channel` is its SSL socket or object, None without TLS."""
    facts: dict[str, Any] = {
        "greeting": extensions.greeting,
        "extensions": dict(extensions.offered),
        "auth": list(extensions.auth),
        "max_size": extensions.max_size or None,
        "tls": None,
        "tls_verified": False,
        "certificate_expires": None,
    }
    if channel is not None:
        facts["tls"] = channel.version()
        facts["tls_verified"] = channel.context.verify_mode.name == "CERT_REQUIRED"
        certificate = channel.getpeercert()
        if certificate:
            facts["certificate_expires"] = certificate.get("notAfter")
    return facts
