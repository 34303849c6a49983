"""The two ways in which everything runs: blocking, where nothing may suspend, and under asyncio. Time is made up.

Rules of the file: a sleep is over after a millisecond, and the clock says that it was as long as it should be; whoever
sleeps that must not is found.
"""

from __future__ import annotations

import asyncio
import time

from modernmail.runtime import AsyncioIO, BlockingIO, run_blocking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any, TypeVar

    from modernmail.runtime import IO, CommitPoint

    T = TypeVar("T")

MODES = ("sync", "async")
_MOST_SLEEPS = 10_000
_TICK = 0.001  # seconds: others get their turn


class _Clock:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.sleeps = 0
        self.may_sleep = False

    def passed(self, seconds: float) -> None:
        assert self.may_sleep, (
            "nothing in a layer or a backend sleeps: it says how long, and the mailer waits"
        )
        self.sleeps += 1
        assert self.sleeps < _MOST_SLEEPS, f"it did not end within {_MOST_SLEEPS} waits"
        self.ahead += max(0.0, seconds)


class _Blocking(BlockingIO):
    __slots__ = ("clock",)

    def __init__(self, clock: _Clock, commit_point: CommitPoint | None) -> None:
        super().__init__(commit_point)
        self.clock = clock

    def now(self) -> float:
        return BlockingIO.now() + self.clock.ahead

    async def sleep(self, seconds: float) -> None:
        self.clock.passed(seconds)
        time.sleep(min(seconds, _TICK))  # noqa: ASYNC251  # no event loop runs here


class _Asyncio(AsyncioIO):
    __slots__ = ("clock",)

    def __init__(self, clock: _Clock, commit_point: CommitPoint | None) -> None:
        super().__init__(commit_point)
        self.clock = clock

    def now(self) -> float:
        return AsyncioIO.now() + self.clock.ahead

    async def sleep(self, seconds: float) -> None:
        self.clock.passed(seconds)
        await asyncio.sleep(min(seconds, _TICK))


def run(
    mode: str,
    work: Callable[[IO], Coroutine[Any, Any, T]],
    *,
    commit_point: CommitPoint | None = None,
    may_sleep: bool = False,
) -> T:
    """Return the result of `work(io)`, run in this mode; a sync run that suspends is an `AssertionError`."""
    clock = _Clock()
    clock.may_sleep = may_sleep
    if mode == "async":
        return asyncio.run(work(_Asyncio(clock, commit_point)))
    try:
        return run_blocking(work(_Blocking(clock, commit_point)))
    except RuntimeError as error:
        if "suspended" not in str(error) and "no running event loop" not in str(error):
            raise
        raise AssertionError(
            "it waits in a sync program, where no event loop runs: wait by `io` alone"
        ) from error
