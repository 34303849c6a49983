"""The wire for sync programs: opened by smtplib, then its socket is ours.

The pool opens it; the pipeline speaks over it. Nothing here suspends.

Rules of the file: each wait has a deadline for its whole, not for each read, so a server that drips cannot hold us; what
is kept of replies is bounded by the reader. Any exception in an exchange closes the socket.
"""

from __future__ import annotations

import errno
import os
import select
import smtplib
import socket
import ssl
from time import monotonic
from weakref import finalize

from ...errors import ConnectFailed, DeliveryError, SecurityFailed
from ..opening import open_session
from ..replies import ReplyReader, WireFault
from .security import ehlo_name, session_facts, tls_context, tls_reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from ...receipt import Reply
    from ..extensions import Extensions
    from ..settings import Settings

_BLOCK = 16384
_FAREWELL = 0.5  # seconds that QUIT may take


class BlockingWire:
    """A socket that was opened and authenticated, and the replies that come over it."""

    def __init__(self, sock: socket.socket, extensions: Extensions, settings: Settings) -> None:
        self.extensions = extensions
        self.is_broken = False
        self.is_fresh = True
        self.is_tls = isinstance(sock, ssl.SSLSocket)
        self.is_verified = self.is_tls and settings.verify
        self.needs_reset = False
        self.replies: list[Reply] = []
        self.served = 0
        self.last_used = monotonic()
        self._sock = sock
        self._reader = ReplyReader()
        self._timeout = settings.timeout
        self._pid = os.getpid()
        # Not __del__: in a cycle of garbage the socket's own comes first, and warns.
        finalize(self, _let_go, sock, self._pid)
        sock.settimeout(self._timeout)
        poll = select.poll()
        poll.register(sock, select.POLLIN)
        self._poll = poll.poll

    async def exchange(
        self, data: bytes | Iterable[bytes], count: int, patience: float | Sequence[float]
    ) -> list[Reply]:
        """Write, then return `count` replies, the first (or each) within `patience` seconds."""
        replies: list[Reply] = []
        self.replies = replies
        try:
            self._write(data)
            if count:
                self._read(replies, count, patience)
        except BaseException:
            self.is_broken = True
            self._sock.close()
            raise
        if not self._reader.is_empty or len(replies) > count:
            # Bytes nobody asked for: what was read stands, the wire is not used again.
            self.is_broken = True
            self._sock.close()
            del replies[count:]
        return replies

    def check(self) -> None:
        """Raise `WireFault`, the wire closed, when it is broken or the server has spoken unasked."""
        self.replies = []
        if self.is_broken:
            raise WireFault("closed", "the connection is closed")
        if self._poll(0):
            self.is_broken = True
            self._last_words()
            self._sock.close()
            raise WireFault("closed", "the server spoke unasked, or closed the connection")

    def _write(self, data: bytes | Iterable[bytes]) -> None:
        sock = self._sock
        try:
            if isinstance(data, bytes):
                sock.sendall(data)
            else:
                for chunk in data:
                    sock.sendall(chunk)
        except TimeoutError as error:
            raise WireFault("timeout", f"the server took no data for {self._timeout:g} s") from error
        except OSError as error:
            self._last_words()
            raise WireFault("closed", f"the connection broke: {error.strerror or error}") from error

    def _last_words(self) -> None:
        """Read what the server said before it closed: the reason is often there."""
        try:
            self._sock.settimeout(0.1)
            while data := self._sock.recv(_BLOCK):
                self._reader.feed(data, self.replies)
        except (OSError, WireFault):
            return

    def _read(self, replies: list[Reply], count: int, patiences: float | Sequence[float]) -> None:
        sock, reader = self._sock, self._reader
        each = () if isinstance(patiences, (float, int)) else patiences
        patience = patiences if isinstance(patiences, (float, int)) else patiences[0]
        deadline = monotonic() + patience
        left = patience
        have = 0
        try:
            while True:
                if left != self._timeout:
                    sock.settimeout(left)
                data = sock.recv(_BLOCK)
                if not data:
                    raise WireFault("closed", "the server closed the connection")
                reader.feed(data, replies)
                got = len(replies)
                if got > have:
                    for at in range(have, got):
                        if replies[at].code == 421:
                            del replies[at + 1 :]
                            raise WireFault("closed", f"the server closes the session: {replies[at]}")
                    if got >= count:
                        if left != self._timeout:
                            sock.settimeout(self._timeout)
                        return
                    have = got
                    patience = each[got] if each else self._timeout
                    deadline = monotonic() + patience
                left = deadline - monotonic()
                if left <= 0:
                    raise WireFault("timeout", "no complete reply in time")
        except TimeoutError as error:
            raise WireFault("timeout", f"no reply within {patience:g} s") from error
        except OSError as error:
            raise WireFault("closed", f"the connection broke: {error.strerror or error}") from error

    def facts(self) -> dict[str, Any]:
        """Return what the session offers, as plain values."""
        return session_facts(self.extensions, self._sock if self.is_tls else None)

    def is_usable(self) -> bool:
        """Return whether it is open, of this process, and silent."""
        if self.is_broken or self._pid != os.getpid():
            return False
        return not self._poll(0)

    async def close(self, *, polite: bool) -> None:
        """Close; a QUIT that fails changes nothing. A wire of another process is only let go, without QUIT."""
        sock = self._sock
        try:
            if polite and not self.is_broken and self._pid == os.getpid():
                sock.settimeout(_FAREWELL)
                sock.sendall(b"QUIT\r\n")
                sock.recv(_BLOCK)
        except OSError:
            pass
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of it without a word to the server; the socket of another process stays that process's."""
        self.is_broken = True
        _let_go(self._sock, self._pid)


def _let_go(sock: socket.socket, pid: int) -> None:
    if pid == os.getpid():
        sock.close()
    else:
        sock.detach()


class _TLSSocket(ssl.SSLSocket):
    """SSLSocket, which forgets to close itself when the peer is gone before the handshake begins."""

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        try:
            return super().recv(buflen, flags)
        except OSError as error:
            if self._sslobj is None and error.errno not in (errno.ENOTCONN, errno.EINVAL):  # type: ignore[attr-defined]
                self.close()
            raise


def _closing(context: ssl.SSLContext) -> ssl.SSLContext:
    context.sslsocket_class = _TLSSocket
    return context


class _Client(smtplib.SMTP):
    """smtplib with our reader, so that greeting and EHLO are bounded like everything after them."""

    def __init__(self, settings: Settings) -> None:
        self.bounds = settings
        self.reader = ReplyReader()
        self.pending: list[Reply] = []
        self.last: Reply | None = None
        super().__init__(timeout=settings.timeout, local_hostname="localhost")
        if settings.is_lmtp:
            self.ehlo_msg = "LHLO"  # RFC 2033 4.1

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Connect within the timeout altogether, however many addresses the host has."""
        if self.bounds.socket_path is not None:
            return _unix_socket(self.bounds.socket_path, timeout)
        deadline = monotonic() + timeout
        failure: OSError | None = None
        for family, kind, protocol, _, where in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
            left = deadline - monotonic()
            if left <= 0:
                break
            sock = socket.socket(family, kind, protocol)
            try:
                sock.settimeout(left)
                sock.connect(where)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(timeout)
                if self.bounds.tls == "implicit":
                    return _closing(tls_context(self.bounds)).wrap_socket(sock, server_hostname=host)
            except OSError as error:
                sock.close()
                if isinstance(error, ssl.SSLError):
                    raise
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise failure or TimeoutError("timed out")

    def getreply(self) -> tuple[int, bytes]:
        """Return the next reply, read within the timeout as a whole."""
        deadline = monotonic() + self.bounds.timeout
        while not self.pending:
            sock = self.sock
            left = deadline - monotonic()
            if sock is None or left <= 0:
                raise TimeoutError("timed out")
            sock.settimeout(left)
            data = sock.recv(_BLOCK)
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

    def __init__(self, settings: Settings, context: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._context = context
        self.client = _Client(settings)
        self.is_tls = settings.tls == "implicit"

    async def connect(self) -> Reply:
        self.client._host = self._settings.host  # type: ignore[attr-defined]  # what STARTTLS verifies
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
        try:
            self.client.starttls(context=_closing(self._context or tls_context(self._settings)))
        except smtplib.SMTPResponseException as error:
            raise SecurityFailed(
                f"STARTTLS was offered and refused: {self._reply()}",
                reply=self._reply(),
                is_transient=error.smtp_code < 500,
            ) from error
        except WireFault as fault:
            raise SecurityFailed(f"STARTTLS failed: {fault.reason}", is_transient=True) from fault
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


async def open_blocking(settings: Settings, context: ssl.SSLContext | None = None) -> BlockingWire:
    """Return an open, authenticated wire.

    Raises `ConnectFailed`, `SecurityFailed` or `AuthenticationFailed`; nothing is left open then.
    """
    opener = _Opener(settings, context)
    where = settings.where
    try:
        try:
            extensions = await open_session(opener, settings)
        except DeliveryError:
            raise
        except ssl.SSLError as error:
            raise SecurityFailed(f"TLS with {where} failed: {tls_reason(error)}") from error
        except WireFault as fault:
            raise ConnectFailed(f"{where}: {fault.reason}", is_transient=fault.kind != "protocol") from fault
        except TimeoutError as error:
            raise ConnectFailed(
                f"{where}: no answer within {settings.timeout:g} s", is_transient=True
            ) from error
        except (OSError, smtplib.SMTPException) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ConnectFailed(f"{where}: {reason}", is_transient=True) from error
        sock = opener.client.sock
        assert sock is not None
        opener.client.sock = None
        opener.client.file = None
        return BlockingWire(sock, extensions, settings)
    finally:
        opener.client.close()
