"""How a wire for sync programs is opened: smtplib connects, greets and starts TLS, and hands its socket over.

The pool calls `open_blocking`. Nothing here suspends.

Rules of the file: smtplib reads with our reader, so that greeting and EHLO are bounded like everything after them; no step
takes longer than the timeout, and none goes past the moment given.
"""

from __future__ import annotations

import smtplib
import socket
from functools import partial
from time import monotonic

from ...errors import SecurityFailed
from ..opening import open_session
from ..patience import late
from ..replies import BLOCK, ReplyReader, WireFault
from .blocking import BlockingWire
from .failures import opening_failure
from .others import Others
from .race import connect
from .resolving import addresses, asked
from .security import ehlo_name, is_looked_up
from .tls_socket import TLSSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from ...reply import Reply
    from ..settings import Settings


class _Client(smtplib.SMTP):
    """smtplib with our reader, so that greeting and EHLO are bounded like everything after them."""

    def __init__(
        self, settings: Settings, context: ssl.SSLContext | None, until: float, others: Others
    ) -> None:
        self.bounds = settings
        self.context = context
        self.until = until
        self.others = others
        self.reader = ReplyReader(may_end_in_refusal=True)
        self.pending: list[Reply] = []
        self.last: Reply | None = None
        super().__init__(timeout=settings.timeout, local_hostname="localhost")
        if settings.is_lmtp:
            self.ehlo_msg = "LHLO"  # RFC 2033 4.1

    def left(self) -> float:
        """Return the seconds that the step which begins now may take. Raises `WireFault` when there are none."""
        left = min(self.bounds.timeout, self.until - monotonic())
        if left <= 0:
            raise WireFault("timeout", late(self.bounds.deadline or 0.0))
        return left

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect within the timeout altogether, however many addresses the host has."""
        if self.bounds.socket_path is not None:
            return _unix_socket(self.bounds.socket_path, self.left())
        until = monotonic() + self.left()
        sock, address = connect(self.others.left(addresses(host, port, until)), until)
        try:
            self.others.connects(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.bounds.tls != "implicit":
                return sock
            return self.under_tls(sock, until - monotonic())
        except BaseException:
            sock.close()
            raise

    def under_tls(self, sock: socket.socket, seconds: float) -> socket.socket:
        """Return the socket under TLS."""
        assert self.context is not None
        # It has the methods that smtplib calls.
        return TLSSocket(sock, self.context, self.bounds.host, seconds)  # type: ignore[return-value]

    def send(self, s: Any) -> None:
        """Write within the timeout."""
        if self.sock is not None:
            self.sock.settimeout(self.left())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply, read within the timeout as a whole."""
        deadline = monotonic() + self.left()
        while not self.pending:
            sock = self.sock
            left = deadline - monotonic()
            if sock is None or left <= 0:
                raise TimeoutError("timed out")
            sock.settimeout(left)
            data = sock.recv(BLOCK)
            if not data:
                raise WireFault("closed", "the server closed the connection")
            self.reader.feed(data, self.pending)
        reply = self.pending.pop(0)
        if self.pending or not self.reader.is_empty:
            raise WireFault("protocol", "the server said more than it was asked")
        self.last = reply
        return reply.code, b"\n".join(reply.lines)


def _unix_socket(path: str, timeout: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


class _Opener:
    """smtplib behind the contract of `open_session`."""

    def __init__(
        self, settings: Settings, context: ssl.SSLContext | None, until: float, others: Others
    ) -> None:
        self._settings = settings
        self.said = others.said.copy()
        self.client = _Client(settings, context, until, others)
        self.is_tls = settings.tls == "implicit"

    async def connect(self) -> Reply:
        if not is_looked_up(self._settings):
            asked(partial(ehlo_name, self._settings, None), monotonic() + self.client.left())
        self.client.connect(self._settings.host, self._settings.port)
        sock = self.client.sock
        assert sock is not None
        is_unix = self._settings.socket_path is not None
        self.client.local_hostname = ehlo_name(self._settings, None if is_unix else sock.getsockname()[0])
        return self._reply()

    def _reply(self) -> Reply:
        reply = self.client.last
        assert reply is not None
        return reply

    async def ehlo(self) -> Reply:
        self.client.ehlo()
        return self._reply()

    async def helo(self) -> Reply:
        self.client.helo()
        return self._reply()

    async def start_tls(self) -> None:
        client = self.client
        try:
            reply = await self.command("STARTTLS")
        except WireFault as fault:
            raise SecurityFailed(f"STARTTLS failed: {fault.reason}", is_transient=True) from fault
        if reply.code != 220:
            raise SecurityFailed(
                f"STARTTLS was offered and refused: {reply}", reply=reply, is_transient=reply.code < 500
            )
        assert client.sock is not None
        client.sock = client.under_tls(client.sock, client.left())
        self.is_tls = True

    async def command(self, line: str) -> Reply:
        self.client.docmd(line)
        return self._reply()

    async def token(self) -> str:
        provider = self._settings.token
        assert provider is not None
        token = provider()
        if hasattr(token, "__await__"):
            if hasattr(token, "close"):
                token.close()  # a coroutine that nobody awaits warns
            raise SecurityFailed(
                "the token provider is async: use it with the async methods, or give a sync one"
            )
        return token


async def open_blocking(settings: Settings, context: ssl.SSLContext | None, until: float) -> BlockingWire:
    """Return an open, authenticated wire, before the moment `until`.

    Raises `ConnectFailed`, `SecurityFailed` or `AuthenticationFailed`; nothing is left open then.
    """
    return await Others(settings.timeout).opened(partial(_opened, settings, context, until))


async def _opened(
    settings: Settings, context: ssl.SSLContext | None, until: float, others: Others
) -> BlockingWire:
    opener = _Opener(settings, context, until, others)
    try:
        extensions = await open_session(opener, settings)
        sock = opener.client.sock
        assert sock is not None
        wire = BlockingWire(sock, extensions, settings)
        opener.client.sock = opener.client.file = None  # the wire's now
        return wire
    except Exception as error:
        is_late = isinstance(error, TimeoutError) and monotonic() >= until
        found = WireFault("timeout", late(settings.deadline or 0.0)) if is_late else error
        failure = opening_failure(found, settings, smtplib.SMTPException, opener.said)
        if failure is error:
            raise
        raise failure from error
    finally:
        opener.client.close()
