"""What has become of the mails that a hand has claimed: `Ledger` gathers it, and stores it with the next commit point.

One transaction then holds the outcome of a mail and the commit point of the next, so a mail costs one. Where the next mail
is on its way already there is time to store it, and `store` does.

Rules of the file: no outcome is dropped; an outcome does not wait longer than `SLOW` for the next commit point.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .jsonvalue import dumps
from .sqlite.job import forget_deaths
from .sqlite.lease import Mark

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .recipients import State
    from .sqlite.job import Job
    from .sqlite.lease import Lease

SLOW = 0.005  # seconds
_MOST = 50  # outcomes that wait


class Ledger:
    """The outcomes of some claimed mails. `store` keeps marks until they are stored."""

    def __init__(self, lease: Lease, store: Callable[..., None]) -> None:
        self._lease = lease
        self._store = store
        self._marks: list[Mark] = []
        self._over: list[int] = []  # accepted by everybody: their contents can go
        self._committed: set[int] = set()
        self._settled: set[int] = set()
        self._heard = 0.0  # when the last outcome came
        self._gap = 0.0  # between an outcome and the next commit point, last time

    def commit(self, job: Job) -> bool:
        """Reach the commit point of a mail; False when it is in other hands, and must not be sent.

        A further transaction of the same mail (RFC 5321 4.5.3.1.10), or a further attempt, has a commit point of its own:
        what came of those before it is known, and counts, also when this one must not be.
        """
        marks, self._marks = self._marks, []
        if marks:
            self._gap = time.monotonic() - self._heard
        try:
            is_ours = self._lease.commit_point(job.id, job.lease or "", marks)
        except BaseException:
            self._marks = marks + self._marks
            raise
        if is_ours:
            self._committed.add(job.id)
        elif job.id not in self._committed:
            self._settled.add(job.id)
        return is_ours

    def enter(
        self,
        job: Job,
        phase: str,
        state: State,
        run_after: float | None = None,
        *,
        is_heard: bool = True,
        is_spared: bool = False,
    ) -> None:
        """Take down what has become of a mail: heard from a server, or decided here, which is stored at once; spared is what was
        put off for the workers that died with it."""
        known = job.known if job.outcome else {}
        if is_spared:
            known["spared"] = job.lost
        else:
            forget_deaths(known)  # this worker lived
        outcome = dumps({**known, "recipients": state})
        self._marks.append(Mark(job.id, job.lease or "", phase, outcome, run_after))
        self._settled.add(job.id)
        if phase == "accepted":
            self._over.append(job.id)
        if is_heard:
            self._heard = time.monotonic()
        if not is_heard or self._gap > SLOW or len(self._marks) >= _MOST:
            self._flush()

    def store(self) -> None:
        """Store what waits for the next commit point, now."""
        self._flush()

    @property
    def settled(self) -> int:
        """Of how many mails all is known, or which are in other hands."""
        return len(self._settled)

    def is_committed(self, job: Job) -> bool:
        """True for a mail that has reached a commit point: it may have been sent."""
        return job.id in self._committed

    def is_settled(self, job: Job) -> bool:
        """True for a mail of which all is known, or which is in other hands."""
        return job.id in self._settled

    def close(self, jobs: Iterable[Job]) -> None:
        """Store what waits, drop the contents that nobody needs, and give back those that are not settled."""
        self._flush()
        if self._over:
            self._lease.drop_contents(self._over)
        if untouched := [job for job in jobs if job.id not in self._settled]:
            self._lease.release(untouched)

    def _flush(self) -> None:
        marks, self._marks = self._marks, []
        if marks:
            self._gap = 0.0
            self._store(*marks)
