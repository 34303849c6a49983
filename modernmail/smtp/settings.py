"""How a server is to be talked to: `Settings`, checked once, when a mailer is built.

The URL parser and callers make it; the wires, the pool and the choreography read it.
"""

from __future__ import annotations

from ..errors import ConfigurationError, InvalidAddress
from ..frozen import Frozen
from ..grammar.domain import domain_ascii
from .credentials import check_login, check_mechanism

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, Literal

    TLS = Literal["implicit", "required", "opportunistic", "off"]
    TokenProvider = Callable[[], str | Awaitable[str]]

LOOPBACK = ("localhost", "::1")


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or literal alone: no name is looked up.

    >>> is_loopback("localhost"), is_loopback("127.8.0.1"), is_loopback("127.0.0.1.example.com")
    (True, True, False)
    """
    name = host.lower().rstrip(".")
    if name in LOOPBACK:
        return True
    parts = name.split(".")
    return (
        len(parts) == 4
        and parts[0] == "127"
        and all(part.isdecimal() and part.isascii() and int(part) < 256 for part in parts)
    )


def _check_name(ehlo: str) -> None:
    """Raise `ConfigurationError` unless it is what EHLO takes: a domain in ASCII, or an address literal (RFC 5321 4.1.1.1)."""
    try:
        is_sendable = domain_ascii(ehlo) == ehlo
    except InvalidAddress as error:
        raise ConfigurationError(f"ehlo={ehlo!r}: {error.reason}") from None
    if not is_sendable:
        raise ConfigurationError(f"ehlo={ehlo!r}: must be in ASCII, {domain_ascii(ehlo)!r}")


class Settings(Frozen):
    """Host, security, credentials, limits and times of one SMTP server.

    Times are seconds. `timeout` bounds connecting and each ordinary reply, `final_timeout` the reply to the content
    (RFC 5321 4.5.3.2.6 asks for ten minutes), `deadline` one whole send when set. `pool` is the number of connections.
    `is_lmtp` speaks LMTP (RFC 2033), `socket_path` connects to a Unix socket instead of host and port. `auth` is the one
    mechanism to log in by, `ignore` the extensions that are not used though offered.
    """

    __slots__ = (
        "auth", "ca", "chunking", "deadline", "ehlo", "final_timeout", "host", "idle", "ignore", "is_lmtp", "is_loopback",
        "max_messages", "max_recipients", "password", "pool", "port", "socket_path", "timeout", "tls", "token", "username",
        "verify", "window",
    )  # fmt: skip
    host: str
    port: int
    tls: TLS
    verify: bool
    ca: str | None
    username: str | None
    password: str | None
    token: TokenProvider | None
    auth: str | None
    ignore: tuple[str, ...]
    ehlo: str | None
    timeout: float
    final_timeout: float
    deadline: float | None
    pool: int
    max_messages: int
    idle: float
    max_recipients: int
    chunking: bool
    window: int
    is_loopback: bool
    is_lmtp: bool
    socket_path: str | None

    def __init__(
        self,
        host: str,
        port: int | None = None,
        *,
        tls: TLS | None = None,
        verify: bool = True,
        ca: str | None = None,
        username: str | None = None,
        password: str | None = None,
        token: TokenProvider | None = None,
        auth: str | None = None,
        ignore: tuple[str, ...] = (),
        ehlo: str | None = None,
        timeout: float = 30.0,
        final_timeout: float = 600.0,
        deadline: float | None = None,
        pool: int = 1,
        max_messages: int = 100_000,
        idle: float = 60.0,
        max_recipients: int = 100,
        chunking: bool = False,
        window: int = 1,
        is_lmtp: bool = False,
        socket_path: str | None = None,
    ) -> None:
        loopback = socket_path is not None or is_loopback(host)
        if tls is None:
            tls = "off" if loopback else "required"
            explicit_off = False
        else:
            explicit_off = tls == "off"
        if port is None:
            port = 24 if is_lmtp else 465 if tls == "implicit" else 25 if loopback else 587
        if username is not None and password is None and token is None:
            raise ConfigurationError(
                "a username needs a password (smtp://user:password@host) or a token provider"
            )
        if password is not None and username is None:
            raise ConfigurationError("a password needs a username (smtp://user:password@host)")
        if token is not None and username is None:
            raise ConfigurationError("a token provider needs a username: whose token it is")
        if password is not None and token is not None:
            raise ConfigurationError("give a password or a token provider, not both")
        if username is not None and tls == "off" and not explicit_off:
            # Nothing was said about TLS and the host is this machine: the password still wants TLS.
            tls = "opportunistic"
        check_login(username, password)
        if auth is not None:
            check_mechanism(auth, is_token=token is not None, is_password=password is not None)
        if ehlo is not None:
            _check_name(ehlo)
        values: dict[str, Any] = {
            "host": host, "port": port, "tls": tls, "verify": verify, "ca": ca, "username": username, "password": password,
            "token": token, "auth": auth, "ignore": ignore, "ehlo": ehlo, "timeout": timeout,
            "final_timeout": final_timeout, "deadline": deadline, "pool": pool, "max_messages": max_messages, "idle": idle,
            "max_recipients": max_recipients, "chunking": chunking, "window": window, "is_loopback": loopback, "is_lmtp": is_lmtp,
            "socket_path": socket_path,
        }  # fmt: skip
        put = object.__setattr__
        for name, value in values.items():
            put(self, name, value)

    @property
    def where(self) -> str:
        """What errors call the server: host and port, or the path of its socket."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.socket_path or f"{host}:{self.port}"

    def __repr__(self) -> str:
        return f"<Settings {self.where} tls={self.tls}>"
