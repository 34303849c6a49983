"""Several streams of receipts as one: how `asend_many` uses several connections.

Rules of the file: each stream is driven by a task of its own and pulls from the shared source; receipts come as they
complete, and a stream pauses while more of them wait to be taken than there are streams; an exception of one ends all. Who
stops early lets each stream end the mail that is on its way, for else it would be unknown what became of it; who is cancelled
does not wait.
"""

from __future__ import annotations

import asyncio
from collections import deque

from .backend import hurry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..receipt import Receipt
    from .backend import Receipts


class FanOut:
    """The receipts of several streams, in the order they complete; `close` waits for them so many seconds at most."""

    __slots__ = (
        "_arrived", "_error", "_is_cancelled", "_is_closing", "_left", "_patience", "_ready", "_room", "_running", "_streams",
        "_tasks",
    )  # fmt: skip

    def __init__(self, streams: Sequence[Receipts], *, patience: float = 30.0) -> None:
        self._streams = streams
        self._patience = patience
        self._is_closing = False
        self._is_cancelled = False
        self._ready: deque[Receipt] = deque()
        self._left: list[Receipt] = []  # of streams that were closed
        self._tasks: list[asyncio.Task[None]] | None = None
        self._running = 0
        self._error: BaseException | None = None
        self._arrived: asyncio.Future[None] | None = None  # the taker waits for a receipt
        self._room: list[asyncio.Future[None]] = []  # streams that wait until receipts are taken

    @property
    def is_under_way(self) -> bool:
        """Whether a mail of any of them may be on its way."""
        return any(getattr(stream, "is_under_way", True) for stream in self._streams)

    async def _drive(self, stream: Receipts) -> None:
        most = len(self._streams)
        try:
            while not self._is_closing and (receipt := await stream.next()) is not None:
                self._ready.append(receipt)
                self._wake()
                if len(self._ready) > most and not self._is_closing:
                    room = asyncio.get_running_loop().create_future()
                    self._room.append(room)
                    await room
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001  # handed to the taker, who raises it
            self._error = error
        finally:
            self._running -= 1
            self._wake()
        if self._is_closing or self._error is not None:
            self._left += await stream.close()  # another stream may wait for its connection

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)

    async def next(self) -> Receipt | None:
        """Return the next receipt of any stream; None when all have ended."""
        if self._tasks is None:
            self._running = len(self._streams)
            self._tasks = [asyncio.create_task(self._drive(stream)) for stream in self._streams]
        while not self._ready:
            if self._error is not None:
                raise self._error
            if not self._running:
                return None
            self._arrived = asyncio.get_running_loop().create_future()
            try:
                await self._arrived
            except asyncio.CancelledError:
                self._is_cancelled = True
                raise
        receipt = self._ready.popleft()
        if self._room and not self._ready:
            self._make_room()
        return receipt

    def _make_room(self) -> None:
        """Let the streams go on that wait until receipts are taken."""
        for room in self._room:
            if not room.done():
                room.set_result(None)
        self._room.clear()

    def hurry(self) -> None:
        """Let `close` wait for nothing: whoever closes was cancelled."""
        self._is_cancelled = True
        for stream in self._streams:
            hurry(stream)
        if self._is_closing:
            for task in self._tasks or ():
                if not task.get_loop().is_closed():
                    task.cancel()

    async def close(self) -> list[Receipt]:
        """Let the mails that are on their way end, cancel those that take too long, and return every receipt not taken."""
        self._is_closing = True
        self._make_room()
        for task, stream in zip(self._tasks or (), self._streams, strict=False):
            if not getattr(stream, "is_under_way", True) and not task.get_loop().is_closed():
                task.cancel()  # it waits for a connection still: nothing of its mail is sent
        # A loop that was closed in the middle runs no task to its end; what is open is closed all the same.
        tasks = [task for task in self._tasks or () if not task.done() and not task.get_loop().is_closed()]
        try:
            if tasks and not self._is_cancelled:
                await asyncio.wait(tasks, timeout=self._patience)
        except asyncio.CancelledError:
            self._left += await self._ended(tasks)  # for whoever closes it again
            raise
        return await self._ended(tasks)

    async def _ended(self, tasks: list[asyncio.Task[None]]) -> list[Receipt]:
        """Cancel what still runs and return every receipt not taken."""
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        receipts = [*self._ready, *self._left]
        self._ready.clear()
        self._left.clear()
        for stream in self._streams:
            receipts += await stream.close()
        return receipts
