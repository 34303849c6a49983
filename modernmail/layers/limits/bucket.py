"""The arithmetic of a token bucket: pure, and the same in memory, in SQLite and in the script for Redis.

A bucket refills at `rate` tokens a second up to `capacity`; a mail takes its `cost`. One that costs more than the
capacity takes it from a full bucket and leaves a debt, so that the rate holds in the long run.
"""

from __future__ import annotations

from time import monotonic

from ...frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class LimitStore(Protocol):
        """Where tokens are kept. `is_local` says that `take` never blocks."""

        is_local: bool

        def take(self, name: str, limit: Limit, cost: int) -> float:
            """Take `cost` tokens of the bucket `name` and return 0; when they are not there, the seconds until they are."""
            ...


# Wake-ups come late by some milliseconds: what they lose of the rate within this time is made up for.
_LATENESS = 0.005


class Limit(Frozen):
    """`number` tokens for each `period` seconds, `burst` of them at once: then `rate` a second, up to `capacity`.

    >>> limit = Limit(100, 1.0)
    >>> limit.rate, limit.capacity
    (100.0, 1.5)
    """

    __slots__ = ("burst", "capacity", "number", "period", "rate")
    number: int
    period: float
    burst: int
    rate: float
    capacity: float

    def __init__(self, number: int, period: float, burst: int = 1) -> None:
        put = object.__setattr__
        rate = number / period
        put(self, "number", number)
        put(self, "period", period)
        put(self, "burst", burst)
        put(self, "rate", rate)
        put(self, "capacity", burst + rate * _LATENESS)

    def __repr__(self) -> str:
        return f"<Limit {self.number} in {self.period:g} s, {self.burst} at once>"


def taken(limit: Limit, tokens: float, elapsed: float, cost: int) -> tuple[float, float]:
    """Return the tokens that are left, and how many seconds to wait: 0.0 when `cost` of them were taken.

    `elapsed` are the seconds since there were `tokens`; a clock that went back counts as none.

    >>> limit = Limit(10, 1.0)
    >>> taken(limit, 1.0, 0.0, 1)
    (0.0, 0.0)
    >>> tokens, wait = taken(limit, 0.0, 0.05, 1)
    >>> round(tokens, 3), round(wait, 3)
    (0.5, 0.05)
    """
    if elapsed > 0:
        tokens += elapsed * limit.rate
    capacity = limit.capacity
    # Comparisons: `min` would be half of what an idle limit costs.
    if tokens > capacity:
        tokens = capacity
    if tokens >= cost or tokens >= capacity:
        return tokens - cost, 0.0
    return tokens, (min(capacity, cost) - tokens) / limit.rate


class _Bucket:
    """How many tokens there were, and when."""

    __slots__ = ("at", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens = tokens
        self.at = at


class MemoryLimits:
    """Tokens in this process: the rate is held by all mailers that share the layer."""

    is_local = True

    def __init__(self) -> None:
        self._buckets: dict[str, _Bucket] = {}

    def take(self, name: str, limit: Limit, cost: int) -> float:
        """Take tokens, or return the seconds until they are there. The layer's lock is held."""
        return self.taker(name, limit)(cost)

    def taker(self, name: str, limit: Limit) -> Callable[[int], float]:
        """Return `take` for one bucket: what the layer calls for each mail."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(limit.capacity, monotonic())

        rate, capacity = limit.rate, limit.capacity

        def take(cost: int) -> float:
            # `taken`, without the price of calling it, and of a clock that may go back.
            now = monotonic()
            tokens = bucket.tokens + (now - bucket.at) * rate
            bucket.at = now
            if tokens > capacity:
                tokens = capacity
            if tokens >= cost or tokens >= capacity:
                bucket.tokens = tokens - cost
                return 0.0
            bucket.tokens = tokens
            return (min(capacity, cost) - tokens) / rate

        return take

    def __repr__(self) -> str:
        return "<MemoryLimits>"
