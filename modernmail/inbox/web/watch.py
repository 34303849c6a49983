"""Watch: one look at the store for all that wait for a change of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from modernmail.inbox.store import Store

log = logging.getLogger("modernmail.inbox")

_INTERVAL = 0.1  # seconds; another process may write to the same folder, and tells nobody


class Watch:
    """Tells any number of tasks when the store changed, or when something about a mail did (`tell`)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: set[asyncio.Queue[str | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._ended = False

    @contextlib.asynccontextmanager
    async def listen(self) -> AsyncIterator[asyncio.Queue[str | None]]:
        """Give a queue of what happens: `"changed"`, `"blocked ID"`, and None at the end."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=100)
        self._waiting.add(queue)
        try:
            if self._ended:
                queue.put_nowait(None)
            elif self._task is None:
                # What happens from here on is told: whoever listens looks at the store after this.
                version = await asyncio.to_thread(lambda: self._store.version)
                if self._task is None and not self._ended:
                    self._task = asyncio.create_task(self._look(version))
            yield queue
        finally:
            self._waiting.discard(queue)
            if not self._waiting and self._task is not None:
                self._task.cancel()
                self._task = None

    def tell(self, event: str) -> None:
        """Give everybody `event`; who does not keep up misses some, and hears of the next."""
        for queue in self._waiting:
            if not queue.full():
                queue.put_nowait(event)

    async def end(self) -> None:
        """Let all that listen go."""
        self._ended = True
        for queue in self._waiting:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _look(self, version: tuple[int, int]) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            try:
                now = await asyncio.to_thread(lambda: self._store.version)
            except sqlite3.Error as error:  # a disk in trouble: who listens goes on listening
                log.warning("the inbox cannot be looked at: %s", error)
                continue
            if now != version:
                version = now
                self.tell("changed")
