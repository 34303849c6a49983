"""What `aio:` runs tasks on: `Shift`, one loop's queue and its workers.

Rules of the file: a job that raises ends nothing but itself; what a loop that ends leaves is logged, once.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from typing import TYPE_CHECKING

from modernmail.errors import QueueFull

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Job = Callable[[], Awaitable[float | None]]

logger = logging.getLogger("modernmail.tasks")


class Shift:
    """What one loop has queued, and up to `workers` asyncio tasks that work it off: a `Crew` under asyncio.

    The queue holds at most `size` jobs; who waits for a place does so for `wait` seconds, and `close` for what is queued
    for `drain`.
    """

    def __init__(self, name: str, *, workers: int, size: int, wait: float, drain: float) -> None:
        self._name = name
        self._most = workers
        self._size = size
        self._wait = wait
        self._drain = drain
        self._order = itertools.count()
        self._queue: asyncio.PriorityQueue[tuple[int, int, str, Job]] = asyncio.PriorityQueue()
        self._room = asyncio.Event()
        self._quiet = asyncio.Event()
        self._unfinished: dict[int, str] = {}
        self._workers: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        """True when there is no place in the queue."""
        return self._queue.qsize() >= self._size

    async def wait_for_place(self) -> None:
        """Return when there is a place, or raise `QueueFull` after the backend's `wait`."""
        try:
            async with asyncio.timeout(self._wait):
                while self.is_full:
                    self._room.clear()
                    await self._room.wait()
        except TimeoutError:
            raise QueueFull(
                f"{self._name}: {self._size} tasks are queued, and no place came free in {self._wait} s"
            ) from None

    def submit(self, job: Job, label: str, *, priority: int = 0) -> None:
        """Queue a job, and start one more worker when all are busy."""
        order = next(self._order)
        self._unfinished[order] = label
        self._queue.put_nowait((-priority, order, label, job))
        if len(self._workers) < min(self._most, len(self._unfinished)):
            worker = asyncio.create_task(self._work(), name="modernmail-worker")
            self._workers.add(worker)
            worker.add_done_callback(self._gone)

    async def close(self) -> None:
        """Wait until all is done, at most `drain` seconds, then end the workers."""
        try:
            async with asyncio.timeout(self._drain):
                while self._unfinished:
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            pass  # what is left is logged as the last worker goes
        workers = list(self._workers)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            priority, order, label, job = await self._queue.get()
            self._room.set()
            try:
                delay = await job()
            except Exception:
                logger.exception("%s: %s broke its worker's step", self._name, label)
                delay = None
            if delay is not None:
                entry = (priority, order, label, job)
                asyncio.get_running_loop().call_later(delay, self._queue.put_nowait, entry)
                continue
            del self._unfinished[order]
            if not self._unfinished:
                self._quiet.set()

    def _gone(self, worker: asyncio.Task[None]) -> None:
        """Log what a loop that ends, or `close`, left unfinished, once: when the last worker goes."""
        self._workers.discard(worker)
        if not self._workers and self._unfinished:
            lost = ", ".join(self._unfinished.values())
            count = len(self._unfinished)
            logger.error("%s: %d unfinished when the loop ended, and lost: %s", self._name, count, lost)
            self._unfinished.clear()
