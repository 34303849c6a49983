"""Where jobs enter the queue: `insert` puts one into a transaction; `Intake` lets threads that enqueue at the same
time share one commit.

A commit under FULL waits for the disk once, however much it holds. Whoever gets the database commits everything that
waits for it; the others find their job stored when their turn comes. A thread alone waits for nobody.

Rules of the file: a job's own error (a key that is taken) is raised to who enqueued it, and spoils nothing for the
others; an error of the database is everybody's; nobody returns before the commit that holds his job.
"""

from __future__ import annotations

import os
import sqlite3
import time
import weakref
from collections import deque
from typing import TYPE_CHECKING

from modernmail.errors import IdempotencyConflict, QueueUnavailable

from .identifier import new_id
from .job import INSERT, INSERT_CONTENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .database import Database
    from .job import NewJob

_TRIES = 5  # at an id that another process took in the same microsecond
_MOST = 1000  # jobs of one commit


class Intake:
    """The way into one database, for all threads of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: deque[_Entry] = deque()
        if hasattr(os, "register_at_fork"):
            this = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _forget(this))

    def put(self, job: NewJob) -> int:
        """Store a job, in a commit of its own or with those of other threads, and return its id."""
        waiting, lock = self._waiting, self._database.lock
        # One statement is a transaction of its own, at a third of the calls.
        if job.is_plain and not waiting and lock.acquire(blocking=False):
            number = new_id()
            try:
                self._database.execute(INSERT, job.row(number, time.time()))
            except sqlite3.IntegrityError:
                pass  # the id was taken, and below there are more tries
            else:
                return number
            finally:
                lock.release()
        (found,) = self.put_all([job])
        if isinstance(found, int):
            return found
        raise found

    def put_all(self, jobs: Iterable[NewJob]) -> list[int | Exception]:
        """Store jobs with those of other threads; return the id of each, or the error that is its own.

        What was committed stays so when an error of the database stops the rest.
        """
        waiting = self._waiting
        own = [_Entry(job) for job in jobs]
        waiting.extend(own)
        with self._database.lock:
            while not all(entry.is_settled for entry in own):
                together = [waiting.popleft() for _ in range(min(len(waiting), _MOST))]
                try:
                    self._store(together)
                except BaseException as error:
                    is_named = isinstance(error, QueueUnavailable)
                    why = str(error) if is_named else f"{self._database}: perhaps not stored: {error!r}"
                    for entry in together:
                        entry.error = QueueUnavailable(why)
                    if not isinstance(error, QueueUnavailable):
                        raise
        return [entry.number if entry.error is None else entry.error for entry in own]

    def _store(self, entries: list[_Entry]) -> None:
        found: list[int | IdempotencyConflict] = []
        with self._database.write() as connection:
            for entry in entries:
                try:
                    found.append(insert(connection, entry.job))
                except IdempotencyConflict as error:
                    found.append(error)
        for entry, result in zip(entries, found, strict=True):
            if isinstance(result, int):
                entry.number = result
            else:
                entry.error = result


class _Entry:
    """A job on its way: `number` once it is stored, `error` when it will not be."""

    __slots__ = ("error", "job", "number")

    def __init__(self, job: NewJob) -> None:
        self.job = job
        self.number = 0
        self.error: Exception | None = None

    @property
    def is_settled(self) -> bool:
        return self.number != 0 or self.error is not None


def insert(connection: sqlite3.Connection, job: NewJob) -> int:
    """Store a job in the transaction that a connection is in, and return its id.

    A job whose key is taken is not stored: the id of the one that has it is returned, if it says the same, else
    `IdempotencyConflict` is raised.
    """
    if job.key is not None and (taken := _with_key(connection, job)) is not None:
        return taken
    for tries_left in reversed(range(_TRIES)):
        number = new_id()
        try:
            connection.execute(INSERT, job.row(number, time.time()))
        except sqlite3.IntegrityError:
            if not tries_left:
                raise
            continue
        break
    if job.content is not None:
        connection.execute(INSERT_CONTENT, (number, job.content))
    return number


def _with_key(connection: sqlite3.Connection, job: NewJob) -> int | None:
    row = connection.execute("SELECT id, digest FROM modernmail_job WHERE key = ?", (job.key,)).fetchone()
    if row is None:
        return None
    if row[1] != job.digest:
        raise IdempotencyConflict(f"the idempotency key {job.key!r} is taken by a job with other content")
    return int(row[0])


def _forget(intake: weakref.ref[Intake]) -> None:
    """In a forked child: what waits is the parent's."""
    if (this := intake()) is not None:
        this._waiting.clear()
