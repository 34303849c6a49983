"""Where a worker's hands wait for work: `Door`.

One hand at a time watches it. The one that finds jobs does them, and the next takes its place.

Rules of the file: a queue that is unavailable is waited for, and no error ends a hand; nobody is given jobs once it is
time to go.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from .sqlite.recovery import next_due, wake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .lanes import Lanes
    from .sqlite.job import Job
    from .sqlite.lease import Lease
    from .trouble import Trouble

POLL = 0.1  # seconds between two looks at an empty queue that other processes may fill
SORRY = 1.0  # seconds to wait for a queue that is unavailable


class Door:
    """The way to the jobs of some queues, all when `queues` is None; it closes when `stopping` is set.

    With `until_empty` it sets that itself, when nothing is left that could run now and every hand is idle.
    """

    def __init__(
        self,
        lease: Lease,
        lanes: Lanes,
        queues: Sequence[str] | None,
        *,
        until_empty: bool,
        stopping: threading.Event,
        trouble: Trouble,
    ) -> None:
        self._lease = lease
        self._lanes = lanes
        self._queues = queues
        self._until_empty = until_empty
        self._stopping = stopping
        self._trouble = trouble
        self._changed = threading.Condition()
        self._is_watched = False

    def next(self) -> list[Job]:
        """Return jobs to do, as soon as there are some; none when it is time to go."""
        with self._changed:
            while not self._stopping.is_set():
                if self._is_watched:
                    self._changed.wait()
                    continue
                self._is_watched = True
                try:
                    jobs, wait = self._look()
                    if jobs:
                        self._lanes.enter(jobs[0].lane)
                        return jobs
                    if not wait:
                        self._stopping.set()
                        self._changed.notify_all()
                    else:
                        self._changed.wait(wait)
                finally:
                    self._is_watched = False
                    self._changed.notify()
        return []

    def leave(self, lane: str) -> None:
        """Say that a hand is done with the jobs it was given."""
        with self._changed:
            self._lanes.leave(lane)
            self._changed.notify()

    def knock(self) -> None:
        """Have one who waits look again: there may be more to take."""
        with self._changed:
            self._changed.notify()

    def close(self) -> None:
        """Have all who wait see that it is time to go."""
        with self._changed:
            self._changed.notify_all()

    def _look(self) -> tuple[list[Job], float]:
        """Return jobs that are ours now; or none, and the seconds until the next look, 0 when there need be none."""
        database = self._lease.database
        try:
            wake(database)
            jobs = self._lease.claim(self._lanes.at_most, queues=self._queues, closed=self._lanes.closed)
            self._trouble.passed("look for work")
            if jobs or (self._until_empty and not self._lanes.is_busy):
                return jobs, 0.0
            due = next_due(database)
        except Exception as error:  # noqa: BLE001 - it is told, once
            self._trouble.tell("look for work", error, SORRY)
            return [], SORRY
        return [], POLL if due is None else max(0.001, min(POLL, due - time.time()))
