"""The IO seam under asyncio: `AsyncioIO`.

`seam` says what it is; its blocking form is in `runtime`.

Rules of the file: a task suspends, the loop is never blocked; asyncio is imported where it is used, since sync programs import
this file too.
"""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

from ..errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Coroutine
    from typing import Any, TypeVar

    from ..insight.subscribers import Teller
    from .seam import CommitPoint, Lock, Signal

    E = TypeVar("E", bound=BaseException | None)
    T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the event loop of asyncio that runs here, or raise `ConfigurationError`: trio has none."""
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "no event loop of asyncio runs here, which this needs: in a program of trio's, send in a thread: "
            "await trio.to_thread.run_sync(mailer.send, message)"
        ) from None


class AsyncioIO:
    """The seam for programs under asyncio: it suspends the task and never blocks the loop."""

    __slots__ = ("commit_point",)
    is_async = True
    meanwhile: Callable[[], None] | None = None
    tell: Teller | None = None
    now = staticmethod(time.monotonic)

    def __init__(self, commit_point: CommitPoint | None = None) -> None:
        self.commit_point = commit_point

    async def sleep(self, seconds: float) -> None:
        """Suspend the task for this many seconds."""
        import asyncio

        await asyncio.sleep(seconds)

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Return `function(*args)`, called in a thread of the loop's pool."""
        import asyncio

        return await asyncio.to_thread(function, *args)

    def lock(self) -> Lock:
        """Return a lock between tasks of one loop."""
        import asyncio

        return asyncio.Lock()

    def signal(self) -> Signal:
        """Return a signal for a task of this loop."""
        return _LoopSignal()

    async def at_exit(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Call `function` once when this loop is shut down; asking again for the same one changes nothing."""
        import asyncio

        loop = asyncio.get_running_loop()
        guards = _guards.get(loop)
        if guards is None:
            # A generator knows its loop, so that a loop which was not shut down would never be collected.
            # By `keyrefs`, which copies in one step: the loops of other threads come and go meanwhile.
            for reference in _guards.keyrefs():
                other = reference()
                if other is not None and other.is_closed():
                    _guards.pop(other, None)
            guards = _guards[loop] = {}
        if function not in guards:
            # `asyncio.run` closes the async generators it knows, inside the loop: the one hook there is at its end.
            guards[function] = guard = _guard(function, guards)
            await anext(guard)

    async def to_the_end(
        self, coroutine: Coroutine[Any, Any, T], error: E, hurry: Callable[[], None] | None = None
    ) -> tuple[T, E | asyncio.CancelledError]:
        """Return what it returns, and what to raise: `error`, or a cancellation that came meanwhile; then it is hurried.

        One cancellation is enough: another that was left behind would hit who has caught the first.
        """
        import asyncio

        if asyncio._get_running_loop() is None:
            return await coroutine, error  # a program of trio's, which `running_loop` has refused
        task = asyncio.ensure_future(coroutine)
        told: E | asyncio.CancelledError = error
        while not task.done():
            if hurry is not None and isinstance(told, asyncio.CancelledError):
                hurry()
                hurry = None
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as cancellation:
                if not isinstance(told, asyncio.CancelledError):
                    told = cancellation
        return task.result(), told


class _LoopSignal:
    __slots__ = ("_future", "_loop")

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    def set(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._done)

    def _done(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self, seconds: float) -> bool:
        import asyncio

        done, _ = await asyncio.wait((self._future,), timeout=seconds)
        return bool(done)


async def _guard(
    function: Callable[[], Coroutine[Any, Any, None]], guards: dict[Any, Any]
) -> AsyncIterator[None]:
    try:
        yield
    finally:
        guards.pop(function, None)
        await function()


_guards: WeakKeyDictionary[Any, dict[Callable[[], Coroutine[Any, Any, None]], AsyncIterator[None]]] = (
    WeakKeyDictionary()
)
