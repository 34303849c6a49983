"""Where jobs enter the queue: `Intake` lets threads that enqueue at the same time share one commit.

A commit under FULL waits for the disk once, however much it holds. One thread at a time leads: it commits everything
that has been brought, wakes those who brought it, and hands the lead to one who came meanwhile. A thread alone waits for
nobody.

Rules of the file: a job's own error (a key that is taken) is raised to who enqueued it, and spoils nothing for the
others; an error of the database is everybody's; nobody returns before the commit that holds his job; whenever somebody
waits, somebody leads.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from modernmail.errors import IdempotencyConflict, QueueUnavailable
from modernmail.forks import after_fork

from .identifier import new_id
from .insertion import MOST, insert, insert_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .database import Database
    from .job import NewJob


class Intake:
    """The way into one database, for all threads of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._begin()
        after_fork(self, Intake._begin)

    def _begin(self) -> None:
        """Begin with nobody here: also in a forked child, where those who wait are the parent's."""
        self._lead = threading.Lock()  # held by who leads, and handed over locked
        self._waiting: deque[_Brought] = deque()
        self._mutex = threading.Lock()  # over the gates of those who wait

    def put(self, job: NewJob) -> int:
        """Store a job, in a commit of its own or with those of other threads, and return its id."""
        # One statement is a transaction of its own, at a third of the calls.
        if job.content is None and job.key is None and not self._waiting and self._lead.acquire(False):
            try:
                return self._database.insert(*job.insertion(new_id(), time.time()))
            finally:
                self._lead.release()
                if self._waiting:
                    self._hand_over()
        (found,) = self.put_all([job])
        if isinstance(found, int):
            return found
        raise found

    def put_all(self, jobs: Sequence[NewJob]) -> list[int | Exception]:
        """Store jobs with those of other threads; return the id of each, or the error that is its own.

        What was committed stays so when an error of the database stops the rest.
        """
        found: list[int | Exception] = []
        for at in range(0, len(jobs), MOST):
            found += self._put(_Brought(jobs[at : at + MOST]))
        return found

    def _put(self, brought: _Brought) -> Sequence[int | Exception]:
        self._waiting.append(brought)
        if self._lead.acquire(blocking=False) or self._is_heir(brought):
            try:
                while brought.found is None:
                    self._store_next()
            finally:
                self._lead.release()
                if self._waiting:
                    self._hand_over()
        assert brought.found is not None
        return brought.found

    def _is_heir(self, brought: _Brought) -> bool:
        """Wait until what was brought is stored; True when this thread is to lead instead."""
        gate = threading.Lock()
        gate.acquire()
        with self._mutex:
            if brought.is_called:
                return brought.leads
            brought.gate = gate
        try:
            # A signal may end a leader just before he hands over.
            while not gate.acquire(timeout=1.0):
                if self._lead.acquire(blocking=False):
                    return True
        except BaseException:  # a signal to this thread
            with self._mutex:
                brought.gate = None
                if brought in self._waiting:
                    self._waiting.remove(brought)
            if brought.leads:
                self._lead.release()
                self._hand_over()
            raise
        return brought.leads

    def _hand_over(self) -> None:
        """Give the lead to the first who waits, unless somebody has taken it."""
        while self._waiting and self._lead.acquire(blocking=False):
            with self._mutex:
                if self._waiting:
                    heir = self._waiting[0]
                    heir.leads = True
                    heir.wake()
                    return
            self._lead.release()

    def _store_next(self) -> None:
        """Store what has been brought until now, and tell those who brought it."""
        with self._database.lock:
            together = []
            with self._mutex:
                count = 0
                while self._waiting and count < MOST:
                    together.append(self._waiting.popleft())
                    count += len(together[-1].jobs)
            try:
                found: Sequence[int | Exception] = self._stored(
                    [job for brought in together for job in brought.jobs]
                )
            except BaseException as error:
                is_named = isinstance(error, QueueUnavailable)
                why = str(error) if is_named else f"{self._database}: perhaps not stored: {error!r}"
                self._settle(together, [QueueUnavailable(why)] * count)
                if not is_named:
                    raise
                return
        self._settle(together, found)

    def _settle(self, together: list[_Brought], found: Sequence[int | Exception]) -> None:
        at = 0
        with self._mutex:
            for brought in together:
                brought.found = found[at : at + len(brought.jobs)]
                at += len(brought.jobs)
                brought.wake()

    def _stored(self, jobs: list[NewJob]) -> list[int | Exception]:
        found: list[int | Exception] = []
        with self._database.write() as connection:
            if all(job.key is None for job in jobs):
                found += insert_all(connection, jobs)
            else:
                for job in jobs:
                    try:
                        found.append(insert(connection, job))
                    except IdempotencyConflict as error:
                        found.append(error)
        return found


class _Brought:
    """The jobs that one thread has brought; `found` is what came of each, once that is known."""

    __slots__ = ("found", "gate", "jobs", "leads")

    def __init__(self, jobs: Sequence[NewJob]) -> None:
        self.jobs = jobs
        self.found: Sequence[int | Exception] | None = None
        self.gate: threading.Lock | None = None  # locked, while the thread waits there
        self.leads = False  # it is this thread's turn to store

    @property
    def is_called(self) -> bool:
        """True when there is nothing to wait for any more."""
        return self.leads or self.found is not None

    def wake(self) -> None:
        """Let the thread go on that waits, if it does."""
        gate, self.gate = self.gate, None
        if gate is not None:
            gate.release()
