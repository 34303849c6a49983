"""What runs stored jobs: `Worker`, the heart of `modernmail worker`.

It has a number of hands, each a thread. One hand at a time looks for work; the one that finds some does it,
and the next takes its place at the door. A pulse keeps the lease alive, and takes back what dead workers
left.

Rules of the file: an error of the queue or of a job never ends a hand; a stop lets what has begun finish and
gives the rest back; what came of a job is stored, however long the queue's file is unavailable, until the
worker is ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from modernmail.errors import MailError, QueueUnavailable
from modernmail.runtime import run_blocking

from .attempt import attempt
from .backend import new_worker_id
from .loopthread import LoopThread
from .result import TaskError
from .sqlite.backend import LANE, SQLiteBackend
from .sqlite.lease import Lease, Mark
from .sqlite.recovery import next_due, recover, wake

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .sqlite.job import Job

    Report = Callable[[dict[str, Any]], None]

logger = logging.getLogger("modernmail.tasks")

POLL = 0.1  # seconds between two looks at an empty queue that other processes may fill
SORRY = 1.0  # seconds to wait for a queue that is unavailable
PURGE = 60.0  # seconds between two rounds of forgetting old jobs


class Worker:
    """Runs the jobs of a `sqlite:` backend until it is stopped.

    `queues` are the names of those to serve, all when None; `concurrency` is the number of jobs at once; with
    `until_empty` the worker ends when nothing is left that could run now. `report` is called with a
    dictionary for each job that came to an end or was put off. `counts` tells how many ended in which phase.
    """

    def __init__(
        self,
        backend: SQLiteBackend,
        *,
        queues: Sequence[str] | None = None,
        concurrency: int = 4,
        until_empty: bool = False,
        report: Report | None = None,
    ) -> None:
        self.backend = backend
        self.queues = None if queues is None else tuple(queues)
        self.concurrency = concurrency
        self.until_empty = until_empty
        self.report = report
        self.id = new_worker_id()
        self.counts: Counter[str] = Counter()
        self.lease = Lease(backend.database, self.id, backend.lease)
        self._door = threading.Condition()
        self._is_watched = False
        self._stopping = threading.Event()
        self._aborting = threading.Event()
        self._busy = 0
        self._loop = LoopThread()

    def run(self) -> None:
        """Work until `stop` is called, or the queue is empty if that was asked for."""
        # The first look says at once, and loudly, that the file cannot be used.
        recover(self.backend.database)
        pulse = threading.Thread(target=self._beat, name="modernmail-pulse", daemon=True)
        pulse.start()
        hands = [
            threading.Thread(target=self._labour, name=f"modernmail-hand-{number}", daemon=True)
            for number in range(1, self.concurrency + 1)
        ]
        for hand in hands:
            hand.start()
        for hand in hands:
            while hand.is_alive() and not self._aborting.is_set():
                hand.join(0.5)
        self._stopping.set()
        pulse.join()
        self._loop.close()
        try:
            self.lease.end()
        except QueueUnavailable as error:
            logger.warning("the lease of this worker was left behind: %s", error)

    def stop(self) -> None:
        """Take no more jobs, finish what has begun, give the rest back; a second call gives up at once."""
        if self._stopping.is_set():
            self._aborting.set()
        self._stopping.set()
        with self._door:
            self._door.notify_all()

    @property
    def is_stopping(self) -> bool:
        """True once `stop` was called, or the work is done."""
        return self._stopping.is_set()

    def _labour(self) -> None:
        while jobs := self._next():
            try:
                self._do(jobs)
            except Exception:
                logger.exception("worker %s: %d jobs were left to their lease", self.id, len(jobs))
            finally:
                with self._door:
                    self._busy -= 1
                    self._door.notify()

    def _next(self) -> list[Job]:
        """Return jobs to do; one hand watches for them, the others wait for its place. None: time to go."""
        with self._door:
            while not self._stopping.is_set():
                if self._is_watched:
                    self._door.wait()
                    continue
                self._is_watched = True
                try:
                    jobs, wait = self._look()
                    if jobs:
                        self._busy += 1
                        return jobs
                    if self.until_empty and not self._busy and wait is not SORRY:
                        self._stopping.set()
                        self._door.notify_all()
                    else:
                        self._door.wait(wait)
                finally:
                    self._is_watched = False
                    self._door.notify()
        return []

    def _look(self) -> tuple[list[Job], float]:
        """Return jobs that are ours now, or none and the seconds until the next look."""
        try:
            if jobs := self._claim():
                return jobs, 0.0
            due = next_due(self.backend.database)
        except QueueUnavailable as error:
            logger.error("worker %s: %s; trying again in %g s", self.id, error, SORRY)
            return [], SORRY
        return [], POLL if due is None else max(0.001, min(POLL, due - time.time()))

    def _claim(self) -> list[Job]:
        wake(self.backend.database)
        return self.lease.claim(lambda _: 1, queues=self.queues)

    def _do(self, jobs: list[Job]) -> None:
        for job in jobs:
            if job.lane == LANE:
                self._run_task(job)

    def _run_task(self, job: Job) -> None:
        try:
            result = self.backend.result_of(job)
        except Exception as error:
            # Whatever importing its module raises is the task's failure, not the worker's.
            logger.exception("task %s cannot be run", job.name)
            self._store(Mark(job.id, job.lease or "", "failed", self._failure(job, error)))
            self._tell("failed", job, error=f"{type(error).__name__}: {error}")
            return
        # Attempts that ended with their worker left no trace but their number.
        result.worker_ids += ["lost"] * (job.attempts - 1 - len(result.worker_ids))
        delay = run_blocking(attempt(result, type(self.backend), self.id, self._loop.call))
        outcome = self.backend.outcome_of(result)
        if delay is not None:
            phase, run_after = "waiting", time.time() + delay
        else:
            phase, run_after = ("failed" if result.status == "FAILED" else "done"), None
        self._store(Mark(job.id, job.lease or "", phase, outcome, run_after))
        self._tell(phase, job)

    def _failure(self, job: Job, error: Exception) -> str:
        import json

        outcome = json.loads(job.outcome) if job.outcome else {"value": None, "errors": [], "workers": []}
        described = TaskError.from_exception(error)
        outcome["errors"].append([described.exception_class_path, described.traceback])
        return json.dumps(outcome)

    def _store(self, *marks: Mark) -> None:
        while not self._aborting.is_set():
            try:
                late = self.lease.finish(marks)
            except QueueUnavailable as error:
                logger.error("worker %s: cannot store what came of a job: %s; trying again", self.id, error)
                self._aborting.wait(SORRY)
                continue
            for mark in late:
                logger.warning("job %x ended after its lease, and another worker has it: dropped", mark.id)
            return

    def _tell(self, phase: str, job: Job, **more: object) -> None:
        self.counts[phase] += 1
        if self.report is not None:
            self.report(
                {"id": f"{job.id:x}", "name": job.name, "phase": phase, "attempt": job.attempts, **more}
            )

    def _beat(self) -> None:
        database = self.backend.database
        purged = time.monotonic()
        while not self._stopping.wait(self.lease.heartbeat) or (self._busy and not self._aborting.is_set()):
            if self._stopping.is_set():
                # What has begun is still being finished, and its lease must live on.
                time.sleep(min(self.lease.heartbeat, 0.05))
            try:
                if not self.lease.renew():
                    logger.warning("worker %s lost its lease: what it held goes to others", self.id)
                queued, unknown = recover(database)
                if queued or unknown:
                    logger.warning(
                        "from dead workers: %d jobs queued again, %d mails unknown", queued, unknown
                    )
                if time.monotonic() - purged > PURGE:
                    purged = time.monotonic()
                    self.backend.jobs.purge(time.time() - self.backend.ttl)
            except MailError as error:
                logger.error("worker %s: %s", self.id, error)
