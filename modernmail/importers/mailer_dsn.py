"""`MAILER_DSN` as Symfony's mailer reads it: `smtps` is implicit TLS, and so is `smtp` without a port."""

from __future__ import annotations

from ..backends.composite import CompositeURL
from ..backends.url import backend_from_url
from ..errors import ConfigurationError
from ..smtp.settings import is_loopback
from .server import Allowed, Imported, Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..backends.backend import Backend
    from ..layers.layer import Layer
    from .server import Security

_TRUE, _FALSE = ("1", "true", "on", "yes"), ("0", "false", "off", "no", "")
_OPTIONS = (
    "auto_tls", "local_domain", "max_per_second", "ping_threshold", "require_tls", "restart_threshold", "verify_peer",
)  # fmt: skip
_PERIOD = 60.0  # seconds, Symfony's default


def imported(dsn: str | None, *, allowed: Allowed) -> Imported:
    """Return what a DSN describes; None stands for the environment variable `MAILER_DSN`."""
    if dsn is None:
        import os

        dsn = os.environ.get("MAILER_DSN")
    if not isinstance(dsn, str) or not dsn or not dsn.isprintable():
        raise ConfigurationError("MAILER_DSN: is not set, or is no DSN")
    layers: list[Layer] = []
    return Imported(_backend(dsn, allowed, layers, is_alone=True), None, tuple(layers))


def _backend(dsn: str, allowed: Allowed, layers: list[Layer], *, is_alone: bool) -> Backend:
    if CompositeURL.matches(dsn):
        return _composite(CompositeURL(dsn), allowed, layers)
    from urllib.parse import parse_qsl, unquote, urlsplit

    try:
        parts = urlsplit(dsn)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(
            "MAILER_DSN: is malformed: encode special characters in user name and password"
        ) from None
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "null":
        return backend_from_url("null:")
    if parts.scheme in ("sendmail", "native"):
        return _sendmail(options)
    if parts.scheme not in ("smtp", "smtps"):
        raise ConfigurationError(
            f"MAILER_DSN: {parts.scheme}:// has no counterpart; there are smtp, smtps, sendmail, native, null, failover(…) and "
            "roundrobin(…): give the SMTP server of your provider"
        )
    for name in options:
        if name not in _OPTIONS:
            raise ConfigurationError(
                f"MAILER_DSN: the option {name!r} has no counterpart; there are {', '.join(_OPTIONS)}"
            )
    if "max_per_second" in options:
        if not is_alone:
            raise ConfigurationError(
                "MAILER_DSN: max_per_second inside of failover(…) or roundrobin(…): pass layers=[RateLimit(…)] instead"
            )
        layers.append(_limit(options["max_per_second"]))
    security = _security(parts.scheme, host, port, options)
    server = Server(
        host,
        port or (465 if security == "implicit" else 25),
        security,
        host_setting="MAILER_DSN: host",
        port_setting="MAILER_DSN: port",
        security_settings="MAILER_DSN: auto_tls is off",
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        verify=_is_on(options, "verify_peer", default=True),
        verify_setting="MAILER_DSN: verify_peer is off",
        ehlo=options.get("local_domain") or None,
        max_messages=options.get("restart_threshold"),
        idle=options.get("ping_threshold"),
    )
    return server.backend(allowed)


def _security(scheme: str, host: str, port: int | None, options: dict[str, str]) -> Security:
    if scheme == "smtps" or port == 465 or (port is None and host != "localhost"):
        return "implicit"
    if _is_on(options, "require_tls", default=False):
        return "starttls"
    # STARTTLS when it is offered: to another machine that is asked for, since who can take the offer away reads all.
    return "none" if is_loopback(host) or not _is_on(options, "auto_tls", default=True) else "starttls"


def _composite(url: CompositeURL, allowed: Allowed, layers: list[Layer]) -> Backend:
    from ..backends.failover import Failover
    from ..backends.roundrobin import RoundRobin

    kinds = {"failover": Failover, "roundrobin": RoundRobin}
    if url.scheme not in kinds:
        raise ConfigurationError(f"MAILER_DSN: {url.scheme}(…) is none of failover(…) and roundrobin(…)")
    url.refuse_options(("retry_period",))
    text = url.options.get("retry_period", str(_PERIOD))
    if not text.replace(".", "", 1).isdecimal():
        raise ConfigurationError(f"MAILER_DSN: retry_period={text!r}: must be seconds")
    members = [_backend(member, allowed, layers, is_alone=False) for member in url.members]
    return kinds[url.scheme](members, retry_period=float(text))


def _sendmail(options: dict[str, str]) -> Backend:
    """Return the local program; its arguments are ours to choose."""
    from ..backends.sendmail import PROGRAM, SendmailBackend

    command = options.pop("command", PROGRAM).split()
    for name in options:
        raise ConfigurationError(f"MAILER_DSN: the option {name!r} has no counterpart; there is command")
    return SendmailBackend(command[0] if command else PROGRAM)


def _limit(text: str) -> Layer:
    from ..layers.ratelimit import RateLimit

    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.0001 <= rate <= 1_000_000:
        raise ConfigurationError(f"MAILER_DSN: max_per_second={text!r}: must be a number, more than 0")
    return RateLimit(f"{rate:.0f}/s" if rate == int(rate) else f"{round(rate * 3600)}/h")


def _is_on(options: dict[str, str], name: str, *, default: bool) -> bool:
    text = options.get(name)
    if text is None:
        return default
    if text.lower() not in (*_TRUE, *_FALSE):
        raise ConfigurationError(f"MAILER_DSN: {name}={text!r}: must be 1 or 0")
    return text.lower() in _TRUE
