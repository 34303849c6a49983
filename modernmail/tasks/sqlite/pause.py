"""Lanes that are held back: a mailer that cannot log in, or whose server is down, keeps its mail and is tried again after a
while.

Each pause is twice as long as the one before, from a minute to an hour: ten thousand bad log-ins lock an
account. To knock at a server that is down locks nothing, and nobody wants to wait when it is back: from five seconds to five
minutes.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .database import Database

SHORTEST, LONGEST = 60.0, 3600.0
BRIEF = (5.0, 300.0)  # the shortest and the longest where it was only that no connection came about

_PAUSE = """INSERT INTO modernmail_pause (lane, reason, since, until, times) VALUES (?, ?, ?, ?, 1)
    ON CONFLICT (lane) DO UPDATE SET reason = excluded.reason, times = times + 1, since = min(since, excluded.since),
        until = excluded.since + min(?, ? * (1 << min(times, 10))) WHERE since <= ? OR since > excluded.since"""


class Pause(NamedTuple):
    """Why a lane is held back, since when, and until when it is left alone (seconds since 1970)."""

    lane: str
    reason: str
    since: float
    until: float
    times: int

    def is_over(self, now: float) -> bool:
        """True when the lane may be tried: also when a clock that was set back would hold it for longer than any pause."""
        return not now < self.until <= now + LONGEST


class Pauses:
    """The pauses of one queue, shared by all its workers."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def all(self) -> list[Pause]:
        """Return every pause there is, the ones whose time is over too."""
        rows = self.database.rows(
            "SELECT lane, reason, since, until, times FROM modernmail_pause ORDER BY lane"
        )
        return [Pause(*row) for row in rows]  # type: ignore[arg-type]

    def begin(self, lane: str, reason: str, claimed_at: float, *, is_brief: bool = False) -> Pause:
        """Hold a lane back, longer than the last time, and return its pause.

        What was claimed before the pause began failed for the same reason as what began it: that is no second time.
        A pause that began in the future is one of before the clock was set back.
        """
        now = time.time()
        shortest, longest = BRIEF if is_brief else (SHORTEST, LONGEST)
        parameters = (lane, reason, now, now + shortest, longest, shortest, claimed_at)
        self.database.execute(_PAUSE, parameters, durable=False)
        return next(pause for pause in self.all() if pause.lane == lane)

    def may_probe(self, lane: str) -> bool:
        """True for the one worker that may try a lane whose pause is over; the others wait another while."""
        now = time.time()
        sql = "UPDATE modernmail_pause SET until = ? WHERE lane = ? AND NOT (until > ? AND until <= ?)"
        parameters = (now + SHORTEST, lane, now, now + LONGEST)
        return self.database.execute(sql, parameters, durable=False) == 1

    def end(self, lane: str) -> bool:
        """Let a lane go on; False when it was not held back."""
        return (
            self.database.execute("DELETE FROM modernmail_pause WHERE lane = ?", (lane,), durable=False) == 1
        )
