"""Several streams of receipts as one: how `asend_many` uses several connections.

Rules of the file: each stream is driven by a task of its own and pulls from the shared source; receipts come as they
complete, and a stream pauses while more of them wait to be taken than there are streams; an exception of one ends all.
"""

from __future__ import annotations

import asyncio
from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..receipt import Receipt
    from .backend import Receipts


class FanOut:
    """The receipts of several streams, in the order they complete."""

    __slots__ = ("_arrived", "_error", "_ready", "_room", "_running", "_streams", "_tasks")

    def __init__(self, streams: Sequence[Receipts]) -> None:
        self._streams = streams
        self._ready: deque[Receipt] = deque()
        self._tasks: list[asyncio.Task[None]] | None = None
        self._running = 0
        self._error: BaseException | None = None
        self._arrived: asyncio.Future[None] | None = None  # the taker waits for a receipt
        self._room: list[asyncio.Future[None]] = []  # streams that wait until receipts are taken

    async def _drive(self, stream: Receipts) -> None:
        most = len(self._streams)
        try:
            while (receipt := await stream.next()) is not None:
                self._ready.append(receipt)
                self._wake()
                if len(self._ready) > most:
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
            await self._arrived
        receipt = self._ready.popleft()
        if self._room and not self._ready:
            for room in self._room:
                if not room.done():
                    room.set_result(None)
            self._room.clear()
        return receipt

    async def close(self) -> list[Receipt]:
        """Cancel what runs and return every receipt not taken."""
        tasks = [task for task in self._tasks or () if not task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)
        receipts = list(self._ready)
        self._ready.clear()
        for stream in self._streams:
            receipts += await stream.close()
        return receipts
