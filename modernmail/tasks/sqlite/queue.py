"""The stored jobs: `Queue` puts them in, finds them, and forgets those that ended long ago.

What workers do with them stands in `lease.py` (claim, mark, finish) and `recovery.py` (what a dead worker
leaves).
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modernmail.errors import IdempotencyConflict, InvalidTask

from .identifier import first_id_of, new_id
from .job import SELECTED, Job
from .schema import is_current, migrate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .database import Database
    from .job import NewJob

_INSERT = """INSERT INTO modernmail_job
    (id, lane, queue, priority, phase, run_after, expires, name, payload, signature, key, digest, enqueued_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_INSERT_CONTENT = "INSERT INTO modernmail_content (job, content) VALUES (?, ?)"
_PURGE = """DELETE FROM modernmail_job WHERE id IN (
    SELECT id FROM modernmail_job WHERE id < ? AND finished_at < ? AND phase <> 'unknown' LIMIT ?)"""
_PURGE_CONTENT = "DELETE FROM modernmail_content WHERE job NOT IN (SELECT id FROM modernmail_job) AND job < ?"
_TRIES = 5  # at an id that another process took in the same microsecond


class Queue:
    """The jobs in one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def insert(self, job: NewJob, connection: sqlite3.Connection | None = None) -> int:
        """Store a job and return its id; with a `connection`, as part of that connection's transaction.

        A job whose `key` is taken is not stored: the id of the one that has it is returned, if its digest is
        the same; otherwise `IdempotencyConflict` is raised.
        """
        if connection is not None:
            with self.joined(connection):
                return self._insert(connection, job)
        if job.content is None and job.key is None:
            for _ in range(_TRIES - 1):
                number = new_id()
                try:
                    self.database.execute(_INSERT, _row(job, number, time.time()))
                except sqlite3.IntegrityError:
                    continue
                return number
        with self.database.write() as own:
            return self._insert(own, job)

    def insert_many(self, jobs: Iterable[NewJob], connection: sqlite3.Connection | None = None) -> list[int]:
        """Store jobs in one transaction, all or none, and return their ids in order."""
        if connection is not None:
            with self.joined(connection):
                return [self._insert(connection, job) for job in jobs]
        now = time.time()
        with self.database.write() as own:
            all_jobs = list(jobs)
            if any(job.key is not None for job in all_jobs):
                return [self._insert(own, job) for job in all_jobs]
            first = _first_free(own)
            own.executemany(_INSERT, [_row(job, first + at, now) for at, job in enumerate(all_jobs)])
            contents = [
                (first + at, job.content) for at, job in enumerate(all_jobs) if job.content is not None
            ]
            own.executemany(_INSERT_CONTENT, contents)
        return list(range(first, first + len(all_jobs)))

    @contextmanager
    def joined(self, connection: sqlite3.Connection) -> Iterator[None]:
        """Check that a connection of the caller's can carry jobs of this queue, and explain its errors."""
        if not isinstance(connection, sqlite3.Connection):
            raise InvalidTask("connection", connection, "must be an open sqlite3.Connection")
        try:
            if not self.database.is_open_on(connection):
                raise InvalidTask(
                    "connection", connection, f"its main database is another file than {self.database.path}"
                )
            if not is_current(connection):
                migrate(connection)
            yield
        except sqlite3.IntegrityError:
            raise
        except sqlite3.Error as error:
            raise self.database.explained(error) from error

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
        marks = ", ".join(str(int(number)) for number in numbers)
        sql = f"SELECT job, content FROM modernmail_content WHERE job IN ({marks}) AND length(content) <= ?"  # noqa: S608
        return dict(self.database.rows(sql, (up_to,)))  # type: ignore[arg-type]

    def purge(self, before: float, *, at_most: int = 1000) -> int:
        """Forget jobs that ended before this time (seconds since 1970), unknown ones excepted; return how
        many."""
        last = first_id_of(before)
        if not self.database.rows("SELECT 1 FROM modernmail_job WHERE id < ? LIMIT 1", (last,)):
            return 0
        with self.database.write(durable=False) as connection:
            gone = connection.execute(_PURGE, (last, before, at_most)).rowcount
            if gone:
                connection.execute(_PURGE_CONTENT, (last,))
        return gone

    def _insert(self, connection: sqlite3.Connection, job: NewJob) -> int:
        if job.key is not None and (taken := _with_key(connection, job)) is not None:
            return taken
        for tries_left in reversed(range(_TRIES)):
            number = new_id()
            try:
                connection.execute(_INSERT, _row(job, number, time.time()))
            except sqlite3.IntegrityError:
                if not tries_left:
                    raise
                continue
            break
        if job.content is not None:
            connection.execute(_INSERT_CONTENT, (number, job.content))
        return number


def _row(job: NewJob, number: int, now: float) -> tuple[object, ...]:
    phase = "queued" if job.run_after is None or job.run_after <= now else "waiting"
    return (
        number, job.lane, job.queue, job.priority, phase, job.run_after, job.expires, job.name, job.payload,
        job.signature, job.key, job.digest, now,
    )  # fmt: skip


def _first_free(connection: sqlite3.Connection) -> int:
    """Return an id after which nobody has one, the write lock being held."""
    row = connection.execute("SELECT max(id) FROM modernmail_job").fetchone()
    return max(new_id(), 0 if row[0] is None else int(row[0]) + 1)


def _with_key(connection: sqlite3.Connection, job: NewJob) -> int | None:
    row = connection.execute("SELECT id, digest FROM modernmail_job WHERE key = ?", (job.key,)).fetchone()
    if row is None:
        return None
    if row[1] != job.digest:
        raise IdempotencyConflict(f"the idempotency key {job.key!r} is taken by a job with other content")
    return int(row[0])
