"""CaptureServer: an SMTP server that keeps every mail and delivers none.

It listens on loopback; any other address takes a user and a password. The session is in `protocol.py`.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from modernmail.errors import ConfigurationError

from .content import Incoming
from .guesses import Guesses
from .thread import in_thread

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Collection, Iterator, Mapping
    from types import TracebackType

    from .mail import CapturedMail
    from .protocol import CaptureProtocol
    from .store import Store

    Refuse = Callable[[str], bool | str] | Collection[str]
    Credentials = Mapping[str, str] | Callable[[str, str], bool]

_QUICKLY_READ = 256 * 1024  # octets; to read a larger mail takes longer than others on the loop should wait


class CaptureServer:
    """An SMTP server on `host`:`port` that keeps what it is sent in `store`; port 0 takes a free one.

    `async with` it on a running loop; `with CaptureServer.threaded(store)` gives it a thread and a loop
    of its own.

    `refuse` names recipients to turn away: a set of addresses, or a callable that returns False (take it),
    True (550) or the reply line to give. `credentials` are users and their passwords, or a callable `(user,
    password)`; with them AUTH is demanded, under TLS when `tls` is given: after STARTTLS, or with `implicit_tls`
    from the first octet. `max_size` is in octets, `timeout`
    in seconds of silence. `max_incoming` octets are taken in at once from all senders together; what is more
    gets 452. Raises `ConfigurationError` for a host that is not loopback without credentials, a port that is
    taken, or a missing `inbox` extra.

    >>> import smtplib
    >>> from modernmail.inbox import MemoryStore
    >>> store = MemoryStore()
    >>> with CaptureServer.threaded(store) as server, smtplib.SMTP(server.host, server.port) as client:
    ...     _ = client.sendmail("shop@example.com", ["zoe@example.com"], "Subject: Hi\\r\\n\\r\\nHello\\r\\n")
    >>> [mail.recipients for mail in store]
    [('zoe@example.com',)]
    """

    def __init__(
        self,
        store: Store,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        hostname: str = "inbox.localhost",
        refuse: Refuse = (),
        credentials: Credentials | None = None,
        tls: ssl.SSLContext | None = None,
        require_tls: bool = False,
        implicit_tls: bool = False,
        max_size: int = 64 * 1024 * 1024,
        max_incoming: int = 256 * 1024 * 1024,
        max_recipients: int = 1000,
        max_connections: int = 200,
        timeout: float = 300.0,
    ) -> None:
        if credentials is None and not is_loopback(host):
            raise ConfigurationError(
                f"host: {host!r} can be reached from outside: "
                f"pass credentials={{user: password}}, or listen on 127.0.0.1"
            )
        if (require_tls or implicit_tls) and tls is None:
            name = "require_tls" if require_tls else "implicit_tls"
            raise ConfigurationError(f"{name}: there is no tls context to offer")
        self.store = store
        self.host = "127.0.0.1" if host == "localhost" else host  # two families would take two free ports
        self.port = port
        self.hostname = hostname
        self.refuse = refuse
        self.credentials = credentials
        self.tls = tls
        self.require_tls = require_tls
        self.implicit_tls = implicit_tls
        self.max_size = max_size
        self.incoming = Incoming(max(max_incoming, max_size + 5))  # one mail of that size always fits
        self.max_recipients = max_recipients
        self.max_connections = max_connections
        self.timeout = timeout
        self.guesses = Guesses()
        self._sessions: set[CaptureProtocol] = set()
        self._server: asyncio.Server | None = None
        self._writer: ThreadPoolExecutor | None = None

    @property
    def url(self) -> str:
        """Where to send: `smtp://127.0.0.1:PORT`, or `smtps://…` with `implicit_tls`; never with a password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'smtps' if self.implicit_tls else 'smtp'}://{host}:{self.port}"

    # -- life

    async def start(self) -> None:
        """Listen, on the running loop."""
        protocol = _protocol_class()
        self.guesses = Guesses()  # of this loop
        loop = asyncio.get_running_loop()
        try:
            tls = self.tls if self.implicit_tls else None
            self._server = await loop.create_server(
                lambda: protocol(self, loop), self.host, self.port, ssl=tls
            )
        except OSError as error:
            raise cannot_listen(self.host, self.port, error) from error
        if self.store.blocks:
            self._writer = ThreadPoolExecutor(1, "modernmail-inbox")
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening and end every session; what was answered 250 is in the store."""
        if self._server is None:
            return
        self._server.close()
        ending = [task for session in tuple(self._sessions) if (task := session.end()) is not None]
        await asyncio.gather(*ending, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @classmethod
    @contextmanager
    def threaded(cls, store: Store, host: str = "127.0.0.1", port: int = 0, **options: Any) -> Iterator[Self]:
        """Run a server in a thread with its own loop; leaving the block closes it and joins the thread."""
        server = cls(store, host, port, **options)
        with in_thread(server, "modernmail-capture"):
            yield server

    # -- what the sessions ask

    def admit(self, session: CaptureProtocol) -> bool:
        """Return whether there is room for `session`, and count it."""
        if session not in self._sessions and len(self._sessions) >= self.max_connections:
            return False
        self._sessions.add(session)
        return True

    def forget(self, session: CaptureProtocol) -> None:
        """Count `session` no more."""
        self._sessions.discard(session)

    def knows(self, user: str, password: str) -> bool:
        """Return whether these are credentials of this server."""
        if self.credentials is None:
            return False
        if callable(self.credentials):
            return self.credentials(user, password)
        expected = self.credentials.get(user)
        return expected is not None and _same(expected, password)

    def refusal_of(self, recipient: str) -> str | None:
        """Return the reply that turns `recipient` away, or None to take it."""
        verdict = self.refuse(recipient) if callable(self.refuse) else recipient in self.refuse
        if isinstance(verdict, str):
            return verdict
        return f"550 5.1.1 <{recipient}>: this recipient is refused here" if verdict else None

    async def keep(self, mail: CapturedMail) -> None:
        """Put `mail` in the store; an OSError means that it is not there."""
        if self._writer is None and mail.size <= _QUICKLY_READ:
            self.store.add(mail)
        else:
            await asyncio.get_running_loop().run_in_executor(self._writer, self.store.add, mail)


def cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    """Return the error for an address that cannot be had."""
    if error.errno and error.errno > 0:
        reason = os.strerror(error.errno)
    else:  # a look-up has numbers of its own, and create_server adds the address
        reason = (error.strerror or str(error)).partition(" (while ")[0]
    advice = "; port 0 takes a free one" if error.errno == errno.EADDRINUSE else ""
    return ConfigurationError(f"cannot listen on {host}:{port}: {reason}{advice}")


def is_loopback(host: str) -> bool:
    """Return whether `host` means this machine alone: `localhost` or a loopback literal; no look-up.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("mail.example.com")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _same(expected: str, given: str) -> bool:
    import hmac

    return hmac.compare_digest(expected.encode(), given.encode())


def _protocol_class() -> type[CaptureProtocol]:
    try:
        from .protocol import CaptureProtocol
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"the capture server needs {error.name}: pip install 'modernmail[inbox]'"
        ) from error
    return CaptureProtocol
