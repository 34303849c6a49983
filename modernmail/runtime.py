"""How the same code runs in sync and in async programs: `run_blocking`, and the IO seam in its two forms.

Everything above this floor that waits is an `async def` over an `IO`. Under asyncio it is awaited; in a sync program
`run_blocking` runs it to its end without an event loop, because `BlockingIO` never suspends.

Rules of the file: an `IO` holds no state of a delivery, except the commit point that its owner gave it and whom to tell; no other
module of the library asks which of the two it runs under, except the edges that open sockets.
"""

from __future__ import annotations

import time
from weakref import WeakKeyDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
    from types import TracebackType
    from typing import Any, Protocol, TypeVar

    from .insight.subscribers import Teller
    from .parcel import Parcel

    T = TypeVar("T")
    CommitPoint = Callable[[Parcel], Awaitable[None]]

    class Lock(Protocol):
        """A mutual exclusion that is entered with `async with` on both edges."""

        async def __aenter__(self) -> object: ...
        async def __aexit__(
            self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
        ) -> bool | None: ...

    class Signal(Protocol):
        """Something one waiter waits for, once; it may be set from another thread."""

        def set(self) -> None:
            """Let the waiter go on."""
            ...

        async def wait(self, seconds: float) -> bool:
            """Wait; return False when the time ran out first."""
            ...

    class IO(Protocol):
        """What a delivery needs of the world besides its wire."""

        @property
        def is_async(self) -> bool:
            """Whether an event loop runs."""
            ...

        @property
        def commit_point(self) -> CommitPoint | None:
            """What to await just before the content is ended; None for nothing."""
            ...

        @property
        def tell(self) -> Teller | None:
            """Whom to tell of events; None when nobody listens."""
            ...

        def now(self) -> float:
            """Return seconds of a clock that never goes back."""
            ...

        async def sleep(self, seconds: float) -> None:
            """Let this much time pass."""
            ...

        async def run(self, function: Callable[..., T], *args: Any) -> T:
            """Return `function(*args)`, which may block."""
            ...

        def lock(self) -> Lock:
            """Return a new lock."""
            ...

        def signal(self) -> Signal:
            """Return a new signal."""
            ...

        async def at_exit(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
            """Call this when the event loop that runs now is shut down."""
            ...

        async def to_the_end(self, coroutine: Coroutine[Any, Any, T]) -> T:
            """Return what it returns: it runs to its end, whoever wants to cancel it meanwhile."""
            ...


def run_blocking(coroutine: Coroutine[object, None, T]) -> T:
    """Return the result of a coroutine that never suspends.

    Raises `RuntimeError` when it does suspend: something in it awaited an event loop that is not there.

    >>> async def answer(): return 42
    >>> run_blocking(answer())
    42
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise RuntimeError(
        f"{coroutine!r} suspended in a sync call; use the async form of this method under asyncio"
    )


class _ThreadLock:
    """A `threading.Lock` entered with `async with`; it blocks, so it never suspends."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        import threading

        self._lock = threading.Lock()

    async def __aenter__(self) -> None:
        self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


class _ThreadSignal:
    __slots__ = ("_event",)

    def __init__(self) -> None:
        import threading

        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)


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


class BlockingIO:
    """The seam for sync programs: it blocks the calling thread and never suspends."""

    __slots__ = ("commit_point",)
    is_async = False
    tell: Teller | None = None
    now = staticmethod(time.monotonic)

    def __init__(self, commit_point: CommitPoint | None = None) -> None:
        self.commit_point = commit_point

    async def sleep(self, seconds: float) -> None:
        """Block for this many seconds."""
        time.sleep(seconds)  # noqa: ASYNC251  # no event loop runs here

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """Return `function(*args)`, called here."""
        return function(*args)

    def lock(self) -> Lock:
        """Return a lock between threads."""
        return _ThreadLock()

    def signal(self) -> Signal:
        """Return a signal between threads."""
        return _ThreadSignal()

    async def at_exit(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do nothing: what is open closes itself when it is let go."""

    async def to_the_end(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what it returns."""
        return await coroutine


class AsyncioIO:
    """The seam for programs under asyncio: it suspends the task and never blocks the loop."""

    __slots__ = ("commit_point",)
    is_async = True
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
            for other in [other for other in list(_guards) if other.is_closed()]:
                _guards.pop(other, None)
            guards = _guards[loop] = {}
        if function not in guards:
            # `asyncio.run` closes the async generators it knows, inside the loop: the one hook there is at its end.
            guards[function] = guard = _guard(function, guards)
            await anext(guard)

    async def to_the_end(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what it returns; a cancellation that comes meanwhile is delivered at the caller's next await."""
        import asyncio

        task = asyncio.ensure_future(coroutine)
        is_cancelled = False
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError:
                is_cancelled = True
        current = asyncio.current_task()
        if is_cancelled and current is not None:
            current.uncancel()
            current.cancel()
        return task.result()


class TellingIO:
    """Another `IO`, and somebody to tell of events: what a sending has while somebody listens."""

    __slots__ = (
        "at_exit", "commit_point", "is_async", "lock", "now", "run", "signal", "sleep", "tell", "to_the_end",
    )  # fmt: skip

    def __init__(self, io: IO, tell: Teller) -> None:
        self.tell: Teller | None = tell
        self.commit_point = io.commit_point
        self.is_async = io.is_async
        self.now = io.now
        self.sleep = io.sleep
        self.run: Any = io.run
        self.lock = io.lock
        self.signal = io.signal
        self.at_exit = io.at_exit
        self.to_the_end: Any = io.to_the_end


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
