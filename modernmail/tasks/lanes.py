"""Which jobs a worker may take now: `Lanes`, one for tasks and one for the mail of each mailer.

A lane is left alone while its mailer is paused, or has all the streams it can use. How many mails a hand takes from it
follows from how long one takes: a stint of work, so that other hands and other workers find some too.

Rules of the file: one hand at a time asks what may be taken; what comes of it is reported by all of them.
"""

from __future__ import annotations

import time
from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from .sqlite.backend import LANE

if TYPE_CHECKING:
    from .sqlite.pause import Pause, Pauses

STINT = 0.5  # seconds of work that a hand takes at a time
LONG_STINT = 5.0  # seconds after which it gives the rest back: each takes longer than it seemed, as where a rate is kept


class Lanes:
    """The lanes of one worker; `most` is how many mails a hand may take at a time."""

    def __init__(self, pauses: Pauses, most: int) -> None:
        self._pauses = pauses
        self._most = most
        self._hands: Counter[str] = Counter()
        self._limits: dict[str, int] = {}
        self._proved: set[str] = set()  # whose mailers have had a connection
        self._pace: dict[str, float] = {}  # seconds for a mail, lately
        self._paused: dict[str, Pause] = {}
        self._connected: set[tuple[str, str]] = set()  # lane and claim of each hand that has a connection
        self._last: dict[str, float] = {}  # when a hand was last done that had one

    @property
    def is_busy(self) -> bool:
        """True while a hand works in some lane."""
        return any(self._hands.values())

    def closed(self) -> list[str]:
        """Return the lanes that nothing is to be taken from now; asked where nobody else can close one, before `at_most`."""
        self._paused = {pause.lane: pause for pause in self._pauses.all()}
        now = time.time()
        full = [lane for lane, hands in self._hands.items() if hands >= self._limit(lane)]
        return [*full, *(lane for lane, pause in self._paused.items() if not pause.is_over(now))]

    def _limit(self, lane: str) -> float:
        """Return how many hands may be in a lane: one, until it has shown that its mailer can log in."""
        if lane == LANE:
            return inf
        return self._limits.get(lane, 1) if lane in self._proved else 1

    def at_most(self, lane: str) -> int:
        """Return how many jobs to take from a lane; of a paused mailer's one, to see whether it is well again."""
        if lane == LANE:
            return 1
        if lane in self._paused:
            return 1 if self._pauses.may_probe(lane) else 0
        # The first claim is for one mail, and tells how long one takes.
        return max(1, min(self._most, int(STINT / self._pace.get(lane, STINT))))

    def enter(self, lane: str) -> None:
        """Count a hand that works in a lane from now on."""
        self._hands[lane] += 1

    def leave(self, lane: str) -> None:
        """Count it no more."""
        self._hands[lane] -= 1

    def limit(self, lane: str, hands: int) -> None:
        """Let no more hands into a lane at once than can be of use there."""
        self._limits[lane] = hands

    def prove(self, lane: str) -> None:
        """Let further hands into a lane: its mailer has connected and logged in."""
        self._proved.add(lane)

    def connected(self, lane: str, claim: str) -> None:
        """Take it down that a hand's mailer has a connection, for as long as it works on a claim."""
        self._connected.add((lane, claim))

    def ended(self, lane: str, claim: str) -> None:
        """Take it down that a hand is done with a claim."""
        if (lane, claim) in self._connected:
            self._last[lane] = time.monotonic()
            self._connected.discard((lane, claim))

    def has_another_connection(self, lane: str, claim: str, since: float) -> bool:
        """True when a hand that works on another claim has a connection, or had one since then (`time.monotonic`): the server
        cannot be down."""
        if any(other == lane and its != claim for other, its in tuple(self._connected)):
            return True
        return self._last.get(lane, -inf) > since

    def took(self, lane: str, seconds: float, mails: int) -> None:
        """Take down how long some mails took."""
        self._pace[lane] = max(1e-6, seconds / max(1, mails))

    def pause(self, lane: str, reason: str, claimed_at: float, *, is_brief: bool = False) -> float:
        """Close a lane whose mailer could not send what was claimed then, and return for how many seconds."""
        return self._pauses.begin(lane, reason, claimed_at, is_brief=is_brief).until - time.time()

    def resume(self, lane: str) -> bool:
        """Open a lane whose mailer has sent; True when it was paused."""
        return lane in self._paused and self._pauses.end(lane)
