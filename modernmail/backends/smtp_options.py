"""The options of `smtp://`, `smtps://` and `lmtp://` as `Settings`: each with its own words when it is wrong."""

from __future__ import annotations

from ..errors import ConfigurationError, InvalidAddress
from ..grammar.domain import domain_ascii
from ..smtp.settings import Settings
from .backendurl import MALFORMED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .backendurl import BackendURL

OPTIONS = (
    "auth", "ca", "chunking", "deadline", "ehlo", "final_timeout", "idle", "ignore", "max_messages", "max_recipients", "pool",
    "timeout", "tls", "verify", "window",
)  # fmt: skip
_LMTP_OPTIONS = tuple(option for option in OPTIONS if option not in ("chunking", "window"))


def settings_from(url: BackendURL) -> Settings:
    """Return the settings that a URL spells. Raises `ConfigurationError`, naming the option."""
    is_lmtp = url.scheme == "lmtp"
    if url.username is None and url.port is not None and any(map(_may_be_login, url.options.items())):
        # Before anything shows a name or a value: smtp://user:12?secret=x@host has these in its password.
        raise ConfigurationError(MALFORMED)
    url.refuse_options(_LMTP_OPTIONS if is_lmtp else OPTIONS)
    is_socket = is_lmtp and not url.host and url.path not in ("", "/")
    if not url.host and not is_socket:
        or_socket = ", or a socket, such as lmtp:///run/dovecot/lmtp" if is_lmtp else ""
        raise ConfigurationError(
            f"{url.scheme}:// needs a host, such as {url.scheme}://mail.example.com{or_socket}"
        )
    if url.path not in ("", "/") and not is_socket:
        raise ConfigurationError(f"{url.scheme}:// takes no path{' beside a host' if is_lmtp else ''}")
    if url.port == 0:
        raise ConfigurationError("port 0 is none: a server listens on one from 1 to 65535")
    options = url.options
    values: dict[str, Any] = {}
    for name in ("timeout", "final_timeout", "deadline", "idle"):
        if name in options:
            values[name] = _seconds(name, options[name])
    for name in ("pool", "max_messages", "max_recipients", "window"):
        if name in options:
            values[name] = _whole(name, options[name])
    for name in ("verify", "chunking"):
        if name in options:
            values[name] = _switch(name, options[name])
    if "ca" in options:
        values["ca"] = _file(options["ca"])
    if "auth" in options:
        values["auth"] = options["auth"].upper()
    if "ignore" in options:
        values["ignore"] = _keywords(options["ignore"])
    if "ehlo" in options:
        values["ehlo"] = _ehlo(options["ehlo"])
    tls: Any = options.get("tls")
    if url.scheme == "smtps":
        if tls is not None:
            raise ConfigurationError("smtps:// is TLS from the first octet: it takes no option tls")
        tls = "implicit"
        if url.port in (587, 25):
            import warnings

            # Elsewhere smtps may mean STARTTLS on 587; here it is RFC 8314 implicit TLS.
            warnings.warn(
                f"smtps:// speaks TLS from the first octet, and port {url.port} usually expects STARTTLS: use smtp://",
                UserWarning,
                stacklevel=5,
            )
    elif tls not in (None, "required", "opportunistic", "off"):
        raise ConfigurationError(f"tls={tls!r}: must be required, opportunistic or off")
    return Settings(
        "localhost" if is_socket else _host(url.host),
        url.port,
        tls=tls,
        username=url.username or None,
        password=url.password or None,
        token=url.token,
        is_lmtp=is_lmtp,
        socket_path=url.path if is_socket else None,
        **values,
    )


def _may_be_login(option: tuple[str, str]) -> bool:
    """Return whether an `@` stands in an option, where that can only be the name of a file."""
    name, value = option
    return "@" in value and not (name == "ca" and _is_file(value))


def _host(text: str) -> str:
    if ":" in text:
        return text  # an IPv6 literal
    if "," in text or ";" in text:
        raise ConfigurationError(
            f"the host {text!r} is none: of several hosts each has a URL, failover(smtp://a smtp://b)"
        )
    try:
        if text.rpartition(".")[2].isdecimal():
            return domain_ascii(f"[{text}]")[1:-1]
        # The resolver may know names that end in no top-level domain, such as `mailpit.team-2` in a cluster.
        return domain_ascii(f"{text}{_INSIDE}")[: -len(_INSIDE)]
    except InvalidAddress as error:
        raise ConfigurationError(f"the host {text!r} is none: {error.reason}") from None


_INSIDE = ".internal"


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 86400:
        raise ConfigurationError(f"{name}={text!r}: must be seconds, more than 0 and at most 86400")
    return value


def _whole(name: str, text: str) -> int:
    if not (text.isdecimal() and text.isascii() and 0 < int(text) <= 1_000_000):
        raise ConfigurationError(f"{name}={text!r}: must be a whole number from 1 to 1000000")
    return int(text)


def _switch(name: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise ConfigurationError(f"{name}={text!r}: must be on or off")
    return text == "on"


def _file(text: str) -> str:
    if not _is_file(text):
        raise ConfigurationError(f"ca={text!r}: there is no such file of certificates")
    return text


def _is_file(text: str) -> bool:
    from pathlib import Path

    return Path(text).is_file()


def _keywords(text: str) -> tuple[str, ...]:
    """Return the extensions that a list names (RFC 5321 4.1.1.1: letters, digits and hyphens)."""
    keywords = tuple(text.upper().split(","))
    for keyword in keywords:
        if not (keyword.isascii() and keyword.replace("-", "").isalnum()):
            raise ConfigurationError(f"ignore={text!r}: must be extensions, such as PIPELINING,SIZE")
        if keyword in ("AUTH", "STARTTLS"):
            raise ConfigurationError(
                f"ignore={text!r}: {keyword} cannot be ignored: leave the user out, or say tls=off, where that is meant"
            )
    return keywords


def _ehlo(text: str) -> str:
    try:
        return domain_ascii(text)
    except InvalidAddress as error:
        raise ConfigurationError(f"ehlo={text!r}: {error.reason}") from None
