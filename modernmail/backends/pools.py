"""The pools of one backend: one for sync callers, and one for each event loop.

Rules of the file: a wire under asyncio belongs to its loop, so a pool does; a loop that was closed leaves nothing, and holds
up nobody: what was open in it is let go when the pools are asked for the next time.
"""

from __future__ import annotations

from threading import Lock
from weakref import WeakKeyDictionary

from ..forks import after_fork
from ..runtime.aio import running_loop
from .pool import Pool

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from ..runtime import IO
    from ..smtp.settings import Settings
    from ..smtp.wire import Wire

    Opening = Callable[[float], Awaitable[Wire]]


class Pools:
    """Gives each caller the pool that its wires may come from."""

    def __init__(self, settings: Settings, *, open_blocking: Opening, open_async: Opening) -> None:
        self._settings = settings
        self._open_async = open_async
        self._lock = Lock()
        self._blocking = Pool(settings, open_blocking)
        self._of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Pool] = WeakKeyDictionary()
        after_fork(self, Pools._in_child)

    def of(self, io: IO) -> Pool:
        """Return the pool for this caller: its event loop's, or the one of all threads without one."""
        if not io.is_async:
            return self._blocking
        loop = running_loop()
        found = self._of_loops.get(loop)
        if found is None:
            with self._lock:
                self._sweep()
                found = self._of_loops[loop] = Pool(self._settings, self._open_async)
        return found

    def _sweep(self) -> None:
        """Let go of what closed loops have left open."""
        for loop, pool in self._known():
            if loop.is_closed():
                pool.abandon()
                self._of_loops.pop(loop, None)

    def _known(self) -> list[tuple[asyncio.AbstractEventLoop, Pool]]:
        # By `keyrefs`, which copies in one step: a loop of another thread may go at any moment.
        loops = [loop for reference in self._of_loops.keyrefs() if (loop := reference()) is not None]
        return [(loop, pool) for loop in loops if (pool := self._of_loops.get(loop)) is not None]

    def _in_child(self) -> None:
        """Begin anew in a child process; a lock that another thread of the parent held is held by nobody here."""
        self._lock = Lock()
        for pool in (self._blocking, *(pool for _, pool in self._known())):
            pool.after_fork()

    async def close(self, io: IO) -> None:
        """Drain and close this caller's pool, and let go of what closed loops have left open."""
        with self._lock:
            self._sweep()
        if io.is_async:
            import asyncio

            loop = asyncio._get_running_loop()  # None in a program of trio's, which has opened nothing
            pool = None if loop is None else self._of_loops.get(loop)
            if pool is not None:
                await pool.close(io)
        else:
            await self._blocking.close(None if _loop_runs() else io)


def _loop_runs() -> bool:
    """Return whether an event loop runs in this thread, which must not be held up until other threads are done."""
    import sys

    asyncio = sys.modules.get("asyncio")
    return asyncio is not None and asyncio._get_running_loop() is not None
