"""A worker's hold on jobs: `Lease`. Each claim is a row with a deadline for all its jobs, renewed by the
heartbeat.

Rules of the file: whatever changes a job names the claim it is held under, and changes nothing when that
claim is lost; claims commit in full, marks under NORMAL; the commit point never succeeds on a claim that has
run out. A deadline is set before the length of the lease is over, so that the next worker has the job within
that length.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, NamedTuple

from .arrivals import admit, admit_crowd, have_come
from .boot import boot_id
from .job import COLUMNS, Job

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from .database import Database

HEARTBEATS = 5  # in the time a lease lives after its last one
# Octets of a token: about those of the outcome that takes its place in the row, which then has room in its page. Without
# it one mark in six would split a page.
_ROOM = 256

# Not `(lane, queue) > (?, ?)`: SQLite begins at that pair then, and walks over all the jobs that it has.
_NEXT_HEAD = """SELECT * FROM (SELECT lane, queue, priority, id FROM modernmail_job
        WHERE phase = 'queued' AND fresh IS NULL AND lane = ? AND queue > ? ORDER BY queue, priority DESC, id LIMIT 1)
    UNION ALL SELECT * FROM (SELECT lane, queue, priority, id FROM modernmail_job
        WHERE phase = 'queued' AND fresh IS NULL AND lane > ? ORDER BY lane, queue, priority DESC, id LIMIT 1)
    LIMIT 1"""
_CLAIM = f"""UPDATE modernmail_job
    SET phase = 'leased', lease = ?, holder = NULL, attempts = attempts + 1, attempted_at = ?,
        started_at = coalesce(started_at, ?)
    WHERE id IN (SELECT id FROM modernmail_job WHERE phase = 'queued' AND fresh IS NULL AND lane = ? AND queue = ?
                 ORDER BY priority DESC, id LIMIT ?)
    RETURNING {", ".join(COLUMNS)}"""  # noqa: S608 - names of columns
_LOST = "SELECT 1 FROM modernmail_job WHERE id = ? AND json_valid(outcome) AND json_extract(outcome, '$.lost') > 0"
_READY = "SELECT 1 FROM modernmail_job WHERE phase = 'queued' AND fresh IS NULL LIMIT 1"
_BEGIN = "INSERT INTO modernmail_lease (token, worker, boot, until, jobs) VALUES (?, ?, ?, ?, ?)"
_RENEW = "UPDATE modernmail_lease SET until = ? WHERE worker = ? AND boot = ? AND until > ?"
_LET_GO = """DELETE FROM modernmail_lease WHERE token = ? AND NOT EXISTS (
    SELECT 1 FROM modernmail_job WHERE id IN (SELECT value FROM json_each(jobs)) AND lease = token)"""
_GIVE_UP = "UPDATE modernmail_lease SET until = 0 WHERE token = ?"
_COMMIT_POINT = """UPDATE modernmail_job SET phase = 'content'
    WHERE id = ? AND lease = ? AND phase IN ('leased', 'content')
    AND EXISTS (SELECT 1 FROM modernmail_lease WHERE token = ? AND boot = ? AND until > ?)"""
_MARK = """UPDATE modernmail_job
    SET phase = ?, run_after = ?, finished_at = ?, outcome = ?, lease = NULL, holder = NULL
    WHERE id = ? AND (lease = ? OR (phase = 'unknown' AND holder = ?))"""
_DONE = """SELECT id FROM modernmail_job
    WHERE id IN (SELECT value FROM json_each(?)) AND phase = 'accepted'"""
# One by one, each is looked up: of several, SQLite may walk over all there are (see `_CONTENTS` in `queue.py`).
_DROP = "DELETE FROM modernmail_content WHERE job = ?"
_RELEASE = """UPDATE modernmail_job SET phase = 'queued', lease = NULL, attempts = attempts - 1
    WHERE id = ? AND lease = ? AND phase = 'leased'"""


class Mark(NamedTuple):
    """What has come of a job held under `lease`: new phase, outcome as JSON, when it is to run again."""

    id: int
    lease: str
    phase: str
    outcome: str | None
    run_after: float | None = None

    @property
    def is_end(self) -> bool:
        """True when the job will not run again by itself."""
        return self.phase not in ("waiting", "queued")


class Lease:
    """One worker's claim on jobs, of `length` seconds."""

    def __init__(self, database: Database, worker: str, length: float) -> None:
        self.database = database
        self.worker = worker
        self.length = length
        self._open: set[str] = set()  # the tokens of claims that are not let go
        self._boot = boot_id()

    @property
    def heartbeat(self) -> float:
        """Seconds between two renewals."""
        return self.length * 0.75 / HEARTBEATS

    def renew(self) -> bool:
        """Push the deadlines away; False when a claim was lost, and what was held under it."""
        with self.database.lock:
            if not self._open:
                return True
            now = time.monotonic()
            parameters = (self._deadline(now), self.worker, self._boot, now)
            return self.database.execute(_RENEW, parameters, durable=False) >= len(self._open)

    def claim(
        self,
        at_most: Callable[[str], int],
        *,
        queues: Sequence[str] | None = None,
        closed: Callable[[], Iterable[str]] = tuple,
    ) -> list[Job]:
        """Return jobs that are now this worker's, of one lane and queue: those of the highest priority first.

        `closed()` says which lanes to leave alone, then `at_most(lane)` how many to take of one: both are asked within
        the transaction. `queues` are those to look in, all when None. A mail that a worker died with is taken alone.
        """
        self.database.place.check()  # a worker with nothing to do would wait for ever
        if have_come(self.database):
            admit_crowd(self.database)
        elif not self.database.rows(_READY):
            return []
        with self.database.write() as connection:
            admit(connection)
            head = _best_head(connection, queues, set(closed()))
            if head is None:
                return []
            token, now = secrets.token_hex(8).ljust(_ROOM, "-"), time.time()
            lane, queue, first = head
            most = at_most(lane)
            if most > 1 and connection.execute(_LOST, (first,)).fetchone() is not None:
                most = 1
            rows = connection.execute(_CLAIM, (token, now, now, lane, queue, most)).fetchall()
            if rows:
                held = json.dumps([row[0] for row in rows])
                deadline = self._deadline(time.monotonic())
                connection.execute(_BEGIN, (token, self.worker, self._boot, deadline, held))
        if rows:
            self._open.add(token)  # only now: a commit that failed leaves nothing that could be lost
        jobs = [Job.from_row(row) for row in rows]
        jobs.sort(key=lambda job: (-job.priority, job.id))
        return jobs

    def commit_point(self, number: int, token: str, marks: Sequence[Mark] = ()) -> bool:
        """Enter phase `content`, or stay in it, storing earlier marks with it; False when the token holds the job no more.

        False means: write no final dot. True means: whatever happens now, nobody sends it again by himself.
        """
        parameters = (number, token, token, self._boot, time.monotonic())
        if not marks:  # one statement is a transaction of its own, in a third of the calls
            return self.database.execute(_COMMIT_POINT, parameters, durable=False) == 1
        before = [(_MARK, _values(mark)) for mark in marks]
        return self.database.together(*before, (_COMMIT_POINT, parameters))[-1] == 1

    def finish(self, marks: Sequence[Mark]) -> list[Mark]:
        """Store what has come of jobs; return the marks that came too late, for jobs held by others now."""
        if len(marks) == 1:
            return [] if self.database.execute(_MARK, _values(marks[0]), durable=False) else list(marks)
        changed = self.database.together(*[(_MARK, _values(mark)) for mark in marks])
        return [mark for mark, count in zip(marks, changed, strict=True) if not count]

    def drop_contents(self, numbers: Iterable[int]) -> None:
        """Forget the contents of mails that are done, many at a time: one by one it would cost as much as a
        mark. One that was resent before its outcome came is not done."""
        with self.database.write(durable=False) as connection:
            connection.executemany(_DROP, connection.execute(_DONE, (json.dumps(list(numbers)),)).fetchall())

    def release(self, jobs: Iterable[Job]) -> None:
        """Give jobs back that were not begun, as if they had not been claimed."""
        with self.database.write(durable=False) as connection:
            connection.executemany(_RELEASE, [(job.id, job.lease) for job in jobs])

    def let_go(self, token: str) -> None:
        """Forget a claim whose jobs are all marked or released; give up what is still held under it."""
        with self.database.lock:
            self._open.discard(token)
            if not self.database.execute(_LET_GO, (token,), durable=False):
                self.database.execute(_GIVE_UP, (token,), durable=False)

    def _deadline(self, now: float) -> float:
        return now + self.length * 0.75


def _values(mark: Mark) -> tuple[object, ...]:
    finished = time.time() if mark.is_end else None
    return (mark.phase, mark.run_after, finished, mark.outcome, mark.id, mark.lease, mark.lease)


def _best_head(
    connection: sqlite3.Connection, queues: Sequence[str] | None, skipped: set[str]
) -> tuple[str, str, int] | None:
    """Return the lane and queue whose first job comes first by priority, then by age, and that job's id: a seek for each."""
    best: tuple[int, int] | None = None
    found: tuple[str, str, int] | None = None
    place = ("", "")
    # Plain question marks: for `?1` the first releases of Python 3.12 warn, as if it were a name.
    while (row := connection.execute(_NEXT_HEAD, (*place, place[0])).fetchone()) is not None:
        place = (row[0], row[1])
        order = (-row[2], row[3])
        if row[0] not in skipped and (queues is None or row[1] in queues) and (best is None or order < best):
            best, found = order, (*place, row[3])
    return found
