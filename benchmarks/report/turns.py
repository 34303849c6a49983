"""Contenders that take turns, so that a moment in which the machine is somebody else's falls on all alike."""

from __future__ import annotations

import gc
import random
import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Figures:
    """What one unit cost each contender in each round, in seconds."""

    def __init__(self, rounds: Mapping[str, list[float]]) -> None:
        self.rounds = dict(rounds)

    def __contains__(self, name: str) -> bool:
        return name in self.rounds

    def median(self, name: str) -> float:
        """Return the median of a contender."""
        return statistics.median(self.rounds[name])

    def ratio(self, name: str, peer: str) -> float:
        """Return how many times faster than the peer: the median of the ratios within each round."""
        pairs = zip(self.rounds[name], self.rounds[peer], strict=True)
        return statistics.median(theirs / mine for mine, theirs in pairs)


def in_turns(turns: Mapping[str, Callable[[], float]], rounds: int, warm: float = 0.0) -> Figures:
    """Let all take turns for `warm` seconds without counting, once at least, then so many rounds, in another order each time.

    A turn returns the seconds that one unit took in it. What is compiled while it runs, as V8 does, is slow until then.
    """
    names = list(turns)
    for name in names:
        until = time.monotonic() + warm
        turns[name]()
        while time.monotonic() < until:
            turns[name]()
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        random.Random(number).shuffle(names)
        for name in names:
            found[name].append(turns[name]())
    return Figures(found)


def timed(
    step: Callable[[], object], count: int = 1, clock: Callable[[], float] = time.perf_counter
) -> Callable[[], float]:
    """Return a turn: one call of `step`, which does `count` units."""
    return lambda: seconds(step, clock) / count


def seconds(step: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long a step took, on a wall clock or another."""
    gc.collect()
    began = clock()
    step()
    return clock() - began


def time_of(taken: float) -> str:
    """Return a time in a unit that suits it."""
    if taken < 1e-3:
        return f"{taken * 1e6:.1f} µs"
    if taken < 0.1:
        return f"{taken * 1e3:.2f} ms"
    return f"{taken * 1e3:.0f} ms" if taken < 10 else f"{taken:.1f} s"
