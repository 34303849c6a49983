"""What runs stored jobs: `Worker`, the heart of `modernmail worker`.

It has a number of hands, each a thread, that wait for work at a door; mail they hand to the dispatch. A pulse keeps the lease
alive, and takes back what dead workers left.

Rules of the file: an error of the queue or of a job never ends a hand; a stop lets what has begun finish and
gives the rest back; what came of a job is stored, however long the queue's file is unavailable, until the
worker is ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from modernmail.errors import InvalidValue, QueueUnavailable

from .backend import new_worker_id
from .dispatch import Dispatch
from .door import SORRY, Door
from .lanes import Lanes
from .loopthread import LoopThread
from .pulse import Pulse
from .recipients import summary
from .signals import mail_finished
from .sqlite.backend import LANE, SQLiteBackend
from .sqlite.lease import Lease
from .sqlite.mail import MailStore
from .taskjob import run
from .trouble import Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .recipients import State
    from .sqlite.job import Job
    from .sqlite.lease import Mark

    Report = Callable[[dict[str, Any]], None]

logger = logging.getLogger("modernmail.tasks")


class Worker:
    """Runs the jobs of a `sqlite:` backend until it is stopped.

    `queues` are the names of those to serve, all when None; `concurrency` is the number of jobs at once;
    `batch` is how many mails a hand takes at most at a time, to send them as one stream: it takes fewer where the
    server is slow, so that other hands and workers have some too. With `until_empty` the worker ends when
    nothing is left that could run now. `report` is called with a dictionary for each job that came to an end or
    was put off; what it raises is logged. `counts` tells how many ended in which phase.

    A mailer has as many streams at once as its pool has connections (`smtp://…?pool=4`).
    """

    def __init__(
        self,
        backend: SQLiteBackend,
        *,
        queues: Sequence[str] | None = None,
        concurrency: int = 4,
        batch: int = 100,
        until_empty: bool = False,
        report: Report | None = None,
    ) -> None:
        for name, number in (("concurrency", concurrency), ("batch", batch)):
            if type(number) is not int or number < 1:
                raise InvalidValue(name, number, "must be a whole number from 1")
        if isinstance(queues, str):
            raise InvalidValue(
                "queues", queues, f"must be several names, such as [{queues!r}], or None for all queues"
            )
        self.backend = backend
        self.queues = None if queues is None else tuple(queues)
        self.concurrency = concurrency
        self.report = report
        self.id = new_worker_id()
        self.counts: Counter[str] = Counter()
        self.lease = Lease(backend.database, self.id, backend.lease)
        self._until_empty = until_empty
        self._stopping = threading.Event()
        self._aborting = threading.Event()
        self._mail = MailStore(backend)
        self._lanes = Lanes(self._mail.pauses, batch)
        self._trouble = Trouble(self.id)
        self._door = Door(
            self.lease, self._lanes, self.queues, until_empty=until_empty, stopping=self._stopping,
            trouble=self._trouble,
        )  # fmt: skip
        self._pulse = Pulse(backend, self.lease, self._report, self._trouble)
        self._dispatch = Dispatch(
            backend, self.lease, self._lanes, self._door, streams=concurrency, stopping=self._stopping,
            store=self._store, told=self._tell_mail, report=self._report,
        )  # fmt: skip
        self._loop = LoopThread()

    def run(self) -> None:
        """Work until `stop` is called, or the queue is empty if that was asked for."""
        # The first look says at once, and loudly, that the file cannot be used.
        self._pulse.recover()
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
        if self._until_empty and not self._aborting.is_set():
            self._pulse.end()
        self._loop.close()
        if not self._aborting.is_set():
            self._dispatch.close()

    def stop(self) -> None:
        """Take no more jobs, finish what has begun, give the rest back; a second call gives up at once."""
        if self._stopping.is_set():
            self._aborting.set()
        self._stopping.set()
        self._door.close()

    @property
    def is_stopping(self) -> bool:
        """True once `stop` was called, or the work is done."""
        return self._stopping.is_set()

    def _labour(self) -> None:
        while jobs := self._door.next():
            try:
                self._do(jobs)
                self._trouble.passed("go on with jobs it took")
            except QueueUnavailable as error:
                self._trouble.tell("go on with jobs it took", error, self.lease.length)
            except BaseException:
                logger.exception("worker %s: %d jobs were left to their lease", self.id, len(jobs))
            finally:
                self._let_go(jobs[0].lease or "")
                self._door.leave(jobs[0].lane)

    def _let_go(self, token: str) -> None:
        try:
            self.lease.let_go(token)
            self._trouble.passed("let go of a claim")
        except QueueUnavailable as error:
            self._trouble.tell("let go of a claim", error, self.lease.length)

    def _do(self, jobs: list[Job]) -> None:
        if jobs[0].lane != LANE:
            self._dispatch.send(jobs)
            return
        for job in jobs:
            self._run(job)

    def _run(self, job: Job) -> None:
        mark, error = run(job, self.backend, self.id, self._loop.call)
        self._store(mark)
        told = {} if error is None else {"error": f"{type(error).__name__}: {error}"}
        self._tell(mark.phase, job, **told)

    def _store(self, *marks: Mark) -> None:
        while not self._aborting.is_set():
            try:
                late = self.lease.finish(marks)
            except QueueUnavailable as error:
                self._trouble.tell("store what came of a job", error, SORRY)
                self._aborting.wait(SORRY)
                continue
            self._trouble.passed("store what came of a job")
            for mark in late:
                logger.warning("job %x ended after its lease, and another worker has it: dropped", mark.id)
            return

    def _tell(self, phase: str, job: Job, **more: object) -> None:
        self.counts[phase] += 1
        self._report({"id": f"{job.id:x}", "name": job.name, "phase": phase, "attempt": job.attempts, **more})

    def _tell_mail(self, phase: str, job: Job, state: State) -> None:
        if self.report is None:
            self.counts[phase] += 1
        else:
            self._tell(phase, job, mailer=job.lane[5:], recipients=summary(state, state, phase))
        if phase != "waiting" and mail_finished.has_receivers:
            mail_finished.send(type(self.backend), self._mail.ticket_of(replace(job, phase=phase), state))

    def _report(self, line: dict[str, Any]) -> None:
        if self.report is None:
            return
        try:
            self.report(line)
        except Exception:
            # Nobody reads it any more, say: that is no reason to stop sending, or to send again.
            logger.exception("worker %s: a report failed", self.id)

    def _beat(self) -> None:
        heartbeat = self.lease.heartbeat
        due = time.monotonic() + heartbeat
        while not self._stopping.wait(max(0.0, due - time.monotonic())) or (
            self._lanes.is_busy and not self._aborting.is_set()
        ):
            if self._stopping.is_set():
                # What has begun is still being finished, and its lease must live on.
                time.sleep(min(heartbeat, 0.05))
                if time.monotonic() < due:
                    continue
            self._pulse.beat()
            due = time.monotonic() + heartbeat
