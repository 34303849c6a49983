"""The stored jobs: `Queue` puts them in, finds them, and forgets those that ended long ago.

What workers do with them stands in `lease.py` (claim, mark, finish) and `recovery.py` (what a dead worker
leaves).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modernmail.tasks.jsonvalue import dumps

from .arrivals import MARK
from .forgetting import Forgetting
from .gathering import Gathering
from .insertion import insert, insert_alike, insert_all
from .intake import Intake
from .job import SELECTED, Job
from .joining import joined

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence

    from modernmail.tasks.jsonvalue import JSONValue

    from .database import Database
    from .job import NewJob

_COUNT_READY = f"""SELECT count(*) FROM (
    SELECT 1 FROM modernmail_job WHERE phase = 'queued' AND fresh IS NULL
    UNION ALL SELECT 1 FROM modernmail_job WHERE phase = 'queued' AND fresh = 1 AND id > {MARK} LIMIT ?)"""  # noqa: S608
# Each is looked up by itself. Where somebody's ANALYZE found a few rows once, SQLite would walk over all that came since for an
# IN, and even for a join.
_CONTENTS = """SELECT each.value, (SELECT content FROM modernmail_content WHERE job = each.value AND length(content) <= ?)
    FROM json_each(?) AS each"""


class Queue:
    """The jobs in one database."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._intake = Intake(database)
        self._gathering = Gathering(self._intake)
        self.forgetting = Forgetting(database)

    def insert(self, job: NewJob, connection: sqlite3.Connection | None = None) -> int:
        """Store a job and return its id; with a `connection`, as part of that connection's transaction.

        A job whose `key` is taken is not stored: the id of the one that has it is returned, if its digest is
        the same; otherwise `IdempotencyConflict` is raised.
        """
        if connection is not None:
            with joined(self.database, connection):
                return insert(connection, job)
        return self._intake.put(job)

    async def ainsert(self, job: NewJob) -> int:
        """Store a job as `insert` does, in one commit with those of other coroutines."""
        return await self._gathering.put(job)

    def insert_many(self, jobs: Iterable[NewJob], connection: sqlite3.Connection | None = None) -> list[int]:
        """Store jobs in one transaction, all or none, and return their ids in order."""
        if connection is not None:
            with joined(self.database, connection):
                return [insert(connection, job) for job in jobs]
        with self.database.write() as own:
            all_jobs = list(jobs)
            if any(job.key is not None for job in all_jobs):
                return [insert(own, job) for job in all_jobs]
            return list(insert_all(own, all_jobs))

    def insert_alike(
        self,
        job: NewJob,
        payloads: Sequence[JSONValue],
        signed: Callable[[str], str | None] | None = None,
        connection: sqlite3.Connection | None = None,
    ) -> list[int]:
        """Store jobs that differ in their payload only, a JSON object each, in one transaction, and return their ids in
        order; `signed` makes the signature of a payload's text."""
        if connection is not None:
            with joined(self.database, connection):
                return insert_alike(connection, job, payloads, signed)
        with self.database.write() as own:
            return insert_alike(own, job, payloads, signed)

    def find(self, number: int) -> Job | None:
        """Return the job with this id."""
        rows = self.database.rows(f"SELECT {SELECTED} FROM modernmail_job WHERE id = ?", (number,))  # noqa: S608
        return Job.from_row(rows[0]) if rows else None

    def content(self, number: int) -> bytes | None:
        """Return the content that was stored with a job, None when it had none or it has been dropped."""
        rows = self.database.rows("SELECT content FROM modernmail_content WHERE job = ?", (number,))
        content: bytes | None = rows[0][0] if rows else None  # type: ignore[assignment]
        return content

    def contents(self, numbers: Iterable[int], *, up_to: int) -> dict[int, bytes]:
        """Return the contents of these jobs by id, those of more than `up_to` octets left out."""
        rows = self.database.rows(_CONTENTS, (up_to, dumps(list(numbers))))
        return {number: content for number, content in rows if content is not None}  # type: ignore[misc]

    def count_ready(self, at_most: int) -> int:
        """Return how many jobs could be taken now; counting ends at `at_most`."""
        return self.database.rows(_COUNT_READY, (at_most,))[0][0]  # type: ignore[return-value]

    def purge(self, before: float, *, at_most: int = 5000) -> int:
        """Forget jobs that ended before this time (seconds since 1970), unknown ones excepted, among the next `at_most` that
        there are; return how many."""
        return self.forgetting.step(before, at_most)
