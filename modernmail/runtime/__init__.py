"""How the same code runs in sync and in async programs: `run_blocking`, and the blocking form of the IO seam.

Everything above this floor that waits is an `async def` over an `IO`. Under asyncio it is awaited; in a sync program
`run_blocking` runs it to its end without an event loop, because `BlockingIO` never suspends.

`seam` says what an `IO` is; its asyncio form is in `aio`.

Rules of the file: an `IO` holds no state of a delivery, except what its owner gave it: the commit point, what to do
meanwhile, and whom to tell; no other module of the library asks which of the two it runs under, except the edges that open
sockets.
"""

from __future__ import annotations

import time

from .aio import AsyncioIO as AsyncioIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeVar

    from ..insight.subscribers import Teller
    from .seam import IO as IO
    from .seam import CommitPoint as CommitPoint
    from .seam import Lock as Lock
    from .seam import Signal as Signal

    E = TypeVar("E", bound=BaseException | None)
    T = TypeVar("T")


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


class BlockingIO:
    """The seam for sync programs: it blocks the calling thread and never suspends."""

    __slots__ = ("commit_point", "meanwhile")
    is_async = False
    tell: Teller | None = None
    now = staticmethod(time.monotonic)

    def __init__(
        self, commit_point: CommitPoint | None = None, meanwhile: Callable[[], None] | None = None
    ) -> None:
        self.commit_point = commit_point
        self.meanwhile = meanwhile

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

    async def to_the_end(
        self, coroutine: Coroutine[Any, Any, T], error: E, hurry: Callable[[], None] | None = None
    ) -> tuple[T, E]:
        """Return what it returns, and the error."""
        return await coroutine, error


class TellingIO:
    """Another `IO`, and somebody to tell of events: what a sending has while somebody listens."""

    __slots__ = (
        "at_exit", "commit_point", "is_async", "lock", "meanwhile", "now", "run", "signal", "sleep", "tell", "to_the_end",
    )  # fmt: skip

    def __init__(self, io: IO, tell: Teller) -> None:
        self.tell: Teller | None = tell
        self.commit_point = io.commit_point
        self.meanwhile = io.meanwhile
        self.is_async = io.is_async
        self.now = io.now
        self.sleep = io.sleep
        self.run: Any = io.run
        self.lock = io.lock
        self.signal = io.signal
        self.at_exit = io.at_exit
        self.to_the_end: Any = io.to_the_end
