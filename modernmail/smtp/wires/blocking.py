"""The wire for sync programs: a socket that smtplib opened, and the replies that come over it.

`blocking_opening.py` makes it; the pipeline speaks over it. Nothing here suspends.

Rules of the file: each wait has a deadline for its whole, not for each read, so a server that drips cannot hold us; what
is kept of replies is bounded by the reader. What is too large for the kernel to take at once is written while replies are
read. Any exception in an exchange closes the socket. The socket itself never waits, `poll` does: a timeout of the socket
would cost a system call to set and another in front of each send.
"""

from __future__ import annotations

import os
import ssl
from math import inf
from time import monotonic
from weakref import finalize

from ..patience import FAREWELL
from ..replies import BLOCK, ReplyReader, WireFault, closing
from .failures import error_text
from .readiness import READ, WRITE, readiness
from .security import session_facts
from .tls_socket import TLSSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from typing import Any

    from ...reply import Reply
    from ..extensions import Extensions
    from ..outgoing import Outgoing
    from ..patience import Patience
    from ..settings import Settings

_IDLE_BLOCKS = 4  # of what TLS sends for itself while nothing is asked: more is a flood
_LAST_WORDS = 0.1  # seconds for what the server said before it closed
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class BlockingWire:
    """A socket that was opened and authenticated, and the replies that come over it."""

    def __init__(self, sock: socket.socket | TLSSocket, extensions: Extensions, settings: Settings) -> None:
        self.extensions = extensions
        self.is_broken = False
        self.is_fresh = True
        self.is_tls = isinstance(sock, TLSSocket)
        self.is_verified = self.is_tls and settings.verify
        self.needs_reset = False
        self.replies: list[Reply] = []
        self.served = 0
        self.last_used = monotonic()
        self._sock = sock
        self._send = sock.send
        self._recv = sock.recv
        self._reader = ReplyReader()
        self._timeout = settings.timeout
        self._pid = os.getpid()
        # Not __del__: in a cycle of garbage the socket's own comes first, and warns.
        finalize(self, sock.close)
        sock.settimeout(0)
        self._poll = readiness(sock.fileno(), READ)
        self._poll_both = readiness(sock.fileno(), READ | WRITE)

    async def exchange(
        self,
        data: bytes | Outgoing,
        count: int,
        patience: Patience,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[Reply]:
        """Write, then return `count` replies, each within its patience."""
        replies: list[Reply] = []
        self.replies = replies
        reader = self._reader
        reader.begin()
        try:
            if isinstance(data, bytes):
                self._write(data, count, patience)
            else:
                self._write_reading(data, count, patience)
            if meanwhile is not None:
                meanwhile()
            if len(replies) < count:
                self._read(count, patience)
        except BaseException:
            self.is_broken = True
            self._sock.close()
            raise
        if len(replies) > count or not reader.is_empty:
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
        if not self._is_silent():
            self.is_broken = True
            self._last_words()
            self._sock.close()
            raise WireFault("closed", "the server spoke unasked, or closed the connection")

    def _is_silent(self) -> bool:
        """Return whether nothing has arrived; what TLS sends for itself is nothing."""
        for _ in range(_IDLE_BLOCKS):
            if not self._poll(0):
                return True
            if not self.is_tls:
                return False
            try:
                self._reader.feed(self._recv(BLOCK), self.replies)
            except ssl.SSLWantReadError:
                continue
            except (OSError, WireFault):
                return False
            return False
        return False

    def _write(self, data: bytes, count: int, patience: Patience) -> None:
        """Write octets, nearly always at once."""
        try:
            sent = self._send(data)
        except _NOT_NOW:
            sent = 0
        except OSError as error:
            self._last_words()
            raise WireFault("closed", f"the connection broke: {error_text(error)}") from error
        if sent < len(data):
            self._write_reading(memoryview(data)[sent:], count, patience)

    def _write_reading(self, data: memoryview | Outgoing, count: int, patience: Patience) -> None:
        """Write block by block, each within the ordinary timeout, and read what arrives meanwhile."""
        outgoing = None if isinstance(data, memoryview) else data
        blocks: Iterable[bytes | memoryview] = (data,) if isinstance(data, memoryview) else data
        replies = self.replies
        try:
            for block in blocks:
                now = monotonic()
                deadline = min(now + self._timeout, patience.until(len(replies), now))
                view = memoryview(block)
                while view:
                    poll = self._poll_both
                    try:
                        view = view[self._send(view) :]
                    except ssl.SSLWantReadError:
                        # TLS 1.2 is agreed on anew: the server's word comes first, and there is room to write all along.
                        poll = self._poll
                    except _NOT_NOW:
                        pass
                    if not view and (outgoing is None or not self._poll(0)):
                        break
                    left = deadline - monotonic()
                    if left <= 0:
                        raise WireFault("timeout", patience.stuck(len(replies), self._timeout))
                    for _, event in poll(left * 1000 + 1):
                        if event & ~WRITE:
                            self._read_some()  # once: who floods must not hold us here past the deadline
                    if outgoing is not None and not outgoing.is_ended and len(replies) > outgoing.early:
                        # It answers to the content; what follows answers nothing.
                        del replies[outgoing.early + 1 :]
                        raise WireFault("closed", "the server answered before the content was complete")
                    if len(replies) > count:
                        del replies[count:]
                        raise WireFault("protocol", "the server said more than it was asked")
        except OSError as error:
            self._last_words()
            raise WireFault("closed", f"the connection broke: {error_text(error)}") from error

    def _read_some(self) -> None:
        """Read once, without waiting: a whole record of TLS, so that a poll tells of what is left. A 421 ends the session."""
        try:
            data = self._recv(BLOCK)
        except _NOT_NOW:
            return
        if not data:
            raise WireFault("closed", "the server closed the connection")
        reader = self._reader
        reader.feed(data, self.replies)
        if reader.is_closing:
            raise closing(self.replies)

    def _last_words(self) -> None:
        """Read what the server said before it closed: the reason is often there."""
        until = monotonic() + _LAST_WORDS
        try:
            while (left := until - monotonic()) > 0:
                self._sock.settimeout(left)
                data = self._sock.recv(BLOCK)
                if not data:
                    return
                self._reader.feed(data, self.replies)
        except (OSError, WireFault):
            return

    def _read(self, count: int, patience: Patience) -> None:
        """Read until there are so many replies, each within its patience."""
        replies = self.replies
        have = len(replies)
        now = monotonic()
        deadline = patience.due(have, now)
        try:
            while True:
                left = deadline - now
                if self._poll(left * 1000 + 1 if left > 0 else 1):
                    self._read_some()
                got = len(replies)
                if got >= count:
                    return
                now = monotonic()
                if got > have:
                    have = got
                    deadline = patience.due(have, now)
                if now >= deadline:
                    raise WireFault("timeout", patience.late(have))
        except OSError as error:
            raise WireFault("closed", f"the connection broke: {error_text(error)}") from error

    def facts(self) -> dict[str, Any]:
        """Return what the session offers, as plain values."""
        return session_facts(self.extensions, self._sock.tls if isinstance(self._sock, TLSSocket) else None)

    def is_usable(self) -> bool:
        """Return whether it is open, of this process, and silent."""
        if self.is_broken or self._pid != os.getpid():
            return False
        return self._is_silent()

    async def close(self, *, polite: bool, until: float = inf) -> None:
        """Close; a QUIT that fails changes nothing. A wire of another process is only let go, without QUIT."""
        sock = self._sock
        left = min(FAREWELL, until - monotonic())
        try:
            if polite and left > 0 and not self.is_broken and self._pid == os.getpid():
                sock.settimeout(left)
                sock.sendall(b"QUIT\r\n")
                sock.recv(BLOCK)
        except OSError:
            pass
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Let go of it without a word to the server; in a child process that closes the child's copy alone."""
        self.is_broken = True
        self._sock.close()
