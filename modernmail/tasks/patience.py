"""How a worker waits where a layer says wait: `Patience`, until it is told to stop.

A rate of some mails an hour has a hand wait for minutes, in which nothing is on its way: a stop need not wait for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modernmail.runtime import BlockingIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail.runtime import CommitPoint


class Stopped(Exception):
    """It is time to go: what waits is given back."""


class Patience(BlockingIO):
    """The seam for a worker's hand; `wait` waits for so many seconds, and is true as soon as it is time to stop."""

    __slots__ = ("_wait",)

    def __init__(
        self, commit_point: CommitPoint, meanwhile: Callable[[], None], wait: Callable[[float], bool]
    ) -> None:
        super().__init__(commit_point, meanwhile)
        self._wait = wait

    async def sleep(self, seconds: float) -> None:
        """Block for this many seconds. Raises `Stopped`."""
        if self._wait(seconds):
            raise Stopped
