"""What a delivery needs of the world besides its wire: `IO`, and the locks and signals that it makes.

Rules of the file: it is for type checkers alone, and nothing imports it at run time; `runtime` has the blocking form, `aio` the
one under asyncio.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Coroutine
    from types import TracebackType
    from typing import Any, Protocol, TypeVar

    from ..insight.subscribers import Teller
    from ..parcel import Parcel

    E = TypeVar("E", bound=BaseException | None)
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
        def meanwhile(self) -> Callable[[], None] | None:
            """What to do while the reply to a content is on its way; it must not raise."""
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

        async def to_the_end(
            self, coroutine: Coroutine[Any, Any, T], error: E, hurry: Callable[[], None] | None = None
        ) -> tuple[T, E | asyncio.CancelledError]:
            """Return what it returns, which runs to its end whoever cancels it meanwhile, and what the caller raises then.

            That is `error`, what ends the caller, or a cancellation that came meanwhile; `hurry` is called when it is one.
            """
            ...
