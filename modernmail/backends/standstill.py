"""Who would wait for himself: one place more than a pool has, for a mail that its holders may be waiting for.

A sending holds its place while its receipts are gone through and its messages are made; a mail that is sent from there, and
waited for, would wait for ever. `pool.py` asks.

Rules of the file: there is one place more at a time, or one for each sending that its own caller waits for; nobody who is
being served is held up for it.
"""

from __future__ import annotations

from threading import get_ident
from weakref import WeakKeyDictionary

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Any, Protocol

    from ..runtime import IO

    class Stream(Protocol):
        """One that sends over wires of the pool; `turns` is odd while a mail of it is on its way."""

        turns: int


PATIENCE = 1.0  # seconds


def caller_of(io: IO) -> int:
    """Return a number for the thread, or under asyncio for the task, that runs now; 0 where there is none."""
    if not io.is_async:
        return get_ident()
    import asyncio

    task = asyncio.current_task()
    return 0 if task is None else id(task)


def waits_for_itself(holder: Any, held: Collection[Any]) -> bool:
    """Return whether a place is held by another sending of the same caller, who cannot go on with it meanwhile."""
    caller = getattr(holder, "caller", 0)
    others = [one for one in list(held) if getattr(one, "caller", None) == caller]
    return bool(caller) and any(one.parcels is not holder.parcels for one in others)


class Standstill:
    """How long the sendings that hold a place have been standing still: no receipt of theirs was asked for.

    Whoever should ask may wait for a mail that another task or thread sends, and that waits for the place.
    """

    def __init__(self) -> None:
        self._since: WeakKeyDictionary[Stream, tuple[int, float]] = WeakKeyDictionary()

    def look(self, held: Collection[Any], now: float) -> None:
        """Look at who holds a place while somebody waits for one."""
        for stream in _standing(held):
            turns, _ = self._since.get(stream, (None, now))
            if turns != stream.turns:
                self._since[stream] = (stream.turns, now)

    def places(self, held: Collection[Any], now: float) -> int:
        """Return how many places there are more than the pool has: one while a sending stands still, from `PATIENCE` on."""
        for stream in _standing(held):
            turns, since = self._since.get(stream, (None, now))
            if turns == stream.turns and now - since >= PATIENCE:
                return 1
        return 0


def _standing(held: Collection[Any]) -> list[Stream]:
    """Return the sendings that nobody drives now."""
    # A copy, made in one step: another thread, or a sending that the collector drops just here, may free its place.
    return [one for one in list(held) if not getattr(one, "turns", 1) & 1]
