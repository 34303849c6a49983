"""The wire for programs under asyncio: a transport that aiosmtplib opened, and the replies that come over it.

`aio_opening.py` makes it; the pipeline speaks over it.

Rules of the file: one exchange at a time; one timer a wire watches its deadline, whatever arrives; octets that nobody
waits for close it. Any exception in an exchange, a cancellation too, aborts the transport.
"""

from __future__ import annotations

import asyncio
import os
from math import inf
from time import monotonic

from ..patience import FAREWELL, Patience
from ..replies import BLOCK, ReplyReader, WireFault, closing
from .failures import error_text
from .security import session_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ...reply import Reply
    from ..extensions import Extensions
    from ..outgoing import Outgoing
    from ..settings import Settings

_HIGH_WATER = 262144  # octets that wait in the transport before a streamed content pauses
_TURN = 1048576  # octets after which other tasks have a turn, though the server takes all
_ORDINARY = Patience(FAREWELL)
_running_loop = asyncio._get_running_loop  # None without one: what is collected may be so anywhere


class AsyncioWire(asyncio.BufferedProtocol):
    """A transport that was opened and authenticated, and the replies that come over it."""

    def __init__(self, transport: asyncio.Transport, extensions: Extensions, settings: Settings) -> None:
        self.extensions = extensions
        self.is_broken = False
        self.is_fresh = True
        self.is_tls = transport.get_extra_info("sslcontext") is not None
        self.is_verified = self.is_tls and settings.verify
        self.needs_reset = False
        self.replies: list[Reply] = []
        self.served = 0
        self.last_used = monotonic()
        self._transport = transport
        self._reader = ReplyReader()
        self._timeout = settings.timeout
        self._pid = os.getpid()
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._outgoing: Outgoing | None = None
        self._count = 0
        self._seen = 0
        self._fault: WireFault | None = None
        self._deadline = 0.0
        self._patience = _ORDINARY
        self._timer: asyncio.TimerHandle | None = None
        self._next_look = 0.0
        self._is_paused = False
        self._resumed: asyncio.Future[None] | None = None
        # An ordinary protocol is given a new 256 KiB object for each read: mapping it costs more than all the rest.
        # A view: asyncio's TLS slices what it reads into, and a slice of a bytearray would be a copy.
        self._buffer = memoryview(bytearray(BLOCK))
        transport.set_write_buffer_limits(_HIGH_WATER)
        transport.set_protocol(self)

    # -- what the pipeline calls -------------------------------------------------------------------------------

    async def exchange(
        self,
        data: bytes | Outgoing,
        count: int,
        patience: Patience,
        meanwhile: Callable[[], None] | None = None,
    ) -> list[Reply]:
        """Write, then return `count` replies, each within its patience."""
        replies = self.replies = []
        self._reader.begin()
        self._seen = 0
        self._count = count
        self._patience = patience
        try:
            if self._fault is not None:
                raise self._fault
            waiter = self._waiter = asyncio.Future(loop=self._loop) if count else None
            if isinstance(data, bytes):
                self._transport.write(data)
            else:
                await self._write(data)
            if meanwhile is not None:
                meanwhile()
            if waiter is not None:
                deadline = self._deadline = patience.due(self._seen, monotonic())
                if self._timer is None or deadline < self._next_look:
                    self._watch()
                await waiter
            return replies
        except BaseException:
            self._break()
            raise
        finally:
            self._waiter = None

    def check(self) -> None:
        """Raise `WireFault`, the wire closed, when it is broken or the server has spoken unasked."""
        if self._fault is not None:
            raise self._fault
        self.replies = []

    async def _write(self, outgoing: Outgoing) -> None:
        """Write blocks as fast as the peer takes them, each within the ordinary timeout."""
        self._outgoing = outgoing
        blocks = iter(outgoing)
        written = 0
        try:
            while True:
                if self._fault is not None:
                    raise self._fault  # before the next block is taken: taking the last one marks the mail as sent
                block = next(blocks, None)
                if block is None:
                    return
                self._transport.write(block)
                written += len(block)
                if self._is_paused:
                    await self._room()
                elif written > _TURN:
                    written = 0
                    await asyncio.sleep(0)
        finally:
            self._outgoing = None
            # The fault is kept, and with it this frame: a file that is streamed would stay open until the collector runs.
            blocks.close()

    async def _room(self) -> None:
        """Wait until the transport takes more."""
        now = monotonic()
        until = min(now + self._timeout, self._patience.until(self._seen, now))
        resumed = self._resumed = self._loop.create_future()
        try:
            async with asyncio.timeout(until - now):
                await resumed
        except TimeoutError as error:
            raise WireFault("timeout", self._patience.stuck(self._seen, self._timeout)) from error
        finally:
            self._resumed = None

    def facts(self) -> dict[str, Any]:
        """Return what the session offers, as plain values."""
        return session_facts(self.extensions, self._transport.get_extra_info("ssl_object"))

    def is_usable(self) -> bool:
        """Return whether it is open, of this process and loop, and silent."""
        return (
            not self.is_broken
            and self._fault is None
            and self._pid == os.getpid()
            and self._loop is _running_loop()
            and not self._transport.is_closing()
        )

    async def close(self, *, polite: bool, until: float = inf) -> None:
        """Close; a QUIT that fails changes nothing. A wire of another process or loop is only let go, without QUIT."""
        if self._pid != os.getpid() or self._loop.is_closed() or self._loop is not _running_loop():
            self.abandon()
            return
        try:
            left = min(FAREWELL, until - monotonic())
            if polite and left > 0 and self.is_usable():
                await self.exchange(b"QUIT\r\n", 1, Patience(left))
        except WireFault:
            pass
        finally:
            self.is_broken = True
            self._stop_watching()
            # close() would wait, perhaps for ever: until the peer takes what was written, and under TLS for its close_notify.
            self._transport.abort()

    def abandon(self) -> None:
        """Let go of a wire whose loop or process may not be ours: close the socket at most."""
        self.is_broken = True
        if self._pid != os.getpid() or self._loop.is_closed():
            _let_go(self._transport)
        else:
            self._loop.call_soon_threadsafe(self._transport.abort)

    # -- what the loop calls -----------------------------------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the transport reads into."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Read replies; wake the exchange when all of them are there."""
        data = bytes(self._buffer[:nbytes])
        waiter, outgoing = self._waiter, self._outgoing
        replies, reader = self.replies, self._reader
        if outgoing is None and (waiter is None or waiter.done()):
            self._spoke_unasked(data)
            return
        try:
            reader.feed(data, replies)
        except WireFault as fault:
            self._fail(fault)
            return
        got = len(replies)
        is_all = got == self._count and reader.is_empty and not reader.is_closing
        if is_all and waiter is not None and outgoing is None:
            # Nearly always: all that was asked for, and nothing else.
            self._seen = got
            waiter.set_result(None)
            return
        if got == self._seen:
            return
        if reader.is_closing:
            self._fail(closing(replies))
            return
        if outgoing is not None and not outgoing.is_ended and got > outgoing.early:
            # What it answers to is the content; whatever follows answers nothing.
            del replies[outgoing.early + 1 :]
            self._fail(WireFault("closed", "the server answered before the content was complete"))
            return
        self._seen = got
        if got < self._count:
            if outgoing is None:
                self._deadline = self._patience.due(got, monotonic())
                if self._deadline < self._next_look:
                    self._watch()
        else:
            if got > self._count or not reader.is_empty:
                # Bytes nobody asked for: what was read stands, the wire is not used again.
                del replies[self._count :]
                self.is_broken = True
                self._fault = WireFault("protocol", "the server said more than it was asked")
                self._transport.abort()
            if waiter is not None and not waiter.done():
                waiter.set_result(None)  # the last thing done here: the task may go on at once

    def _spoke_unasked(self, data: bytes) -> None:
        """Octets nobody waits for: replies are kept, as the reason; whatever it is the wire is not used again.

        In an exchange that is being cancelled they pair with nothing, and those that came before stand.
        """
        replies: list[Reply] = []
        try:
            self._reader.feed(data, replies)
        except WireFault:
            replies = []
        if self._fault is None and self._waiter is None:
            self.replies = replies
        self._fail(WireFault("closed", "the server spoke unasked"))

    def eof_received(self) -> bool:
        """The server closed its side."""
        self._fail(WireFault("closed", "the server closed the connection"))
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        reason = "the connection is closed" if error is None else f"the connection broke: {error_text(error)}"
        self._fail(WireFault("closed", reason))
        self._stop_watching()

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """The transport has room."""
        self._is_paused = False
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)

    def _fail(self, fault: WireFault) -> None:
        if self._fault is None:
            self._fault = fault
        self.is_broken = True
        waiter = self._waiter if self._outgoing is None else self._resumed
        if waiter is not None and not waiter.done():
            waiter.set_exception(self._fault)
        if not self._transport.is_closing():
            self._transport.abort()

    def _break(self) -> None:
        self.is_broken = True
        self._stop_watching()
        if self._loop.is_closed():
            _let_go(self._transport)  # a task of that loop, which nobody ended, is collected
        else:
            self._transport.abort()

    def _watch(self) -> None:
        """Look at the deadline when it may have come: cheaper than a timer for each reply."""
        self._stop_watching()
        if self._waiter is None or self._waiter.done() or self._outgoing is not None:
            return
        left = self._deadline - monotonic()
        if left <= 0:
            self._fail(WireFault("timeout", self._patience.late(self._seen)))
            return
        self._next_look = self._deadline
        self._timer = self._loop.call_later(left, self._watch)

    def _stop_watching(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _let_go(transport: Any) -> None:
    """Close the socket of a transport whose loop is closed, or another process's, and can do nothing for it any more.

    asyncio has no word for that: the attributes are those that its transports look at when they are collected, to warn
    of what was not closed. A loop of another make closes its transports' sockets itself.
    """
    tls = getattr(transport, "_ssl_protocol", None)
    if tls is not None:
        transport._closed = True
        transport = tls._transport
    sock = getattr(transport, "_sock", None)
    if sock is not None:
        transport._sock = None
        sock.close()
