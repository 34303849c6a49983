"""A crew of worker threads with one bounded queue: what `thread:` runs tasks on.

Jobs are callables that return None when they are done, or the seconds after which they want to be called
again. Higher priorities go first, then the order of arrival. The threads are daemons, so an idle crew never
keeps a program alive; a keeper thread sees the main thread end, and drains what is queued before the
interpreter goes.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
import weakref
from typing import TYPE_CHECKING

from modernmail.errors import QueueFull, QueueUnavailable
from modernmail.forks import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    Job = Callable[[], float | None]

logger = logging.getLogger("modernmail.tasks")


class Crew:
    """`workers` threads that run jobs from a queue of at most `size` of them.

    A job that finds the queue full waits `wait` seconds for a place, then raises `QueueFull`. At the end of
    the program, and in `close`, queued jobs get `drain` seconds to finish; those that have not are logged.
    """

    def __init__(self, name: str, *, workers: int, size: int, wait: float, drain: float) -> None:
        self.name = name
        self.workers = workers
        self.size = size
        self.wait = wait
        self.drain = drain
        self._order = itertools.count()
        self._reset()
        after_fork(self, Crew._reset)

    def _reset(self) -> None:
        """Begin empty: also in a forked child, where the threads and the jobs are the parent's."""
        self._ready: list[tuple[int, int, str, Job]] = []
        self._later: list[tuple[float, int, int, str, Job]] = []
        self._running: dict[int, str] = {}
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._quiet = threading.Condition(lock)
        self._reserved = 0
        self._idle = 0
        self._threads = 0
        self._is_closed = False

    def reserve(self) -> None:
        """Take a place in the queue, for `submit`."""
        with self._room:
            if self.is_full:
                self._room.wait_for(lambda: not self.is_full or self._is_closed, self.wait)
                if self.is_full:
                    raise QueueFull(
                        f"{self.name}: {self.size} tasks are queued, and no place came free in {self.wait} s"
                    )
            if self._is_closed:
                raise QueueUnavailable(f"{self.name} is closed")
            self._reserved += 1

    def submit(self, job: Job, label: str, *, priority: int = 0) -> None:
        """Queue a job in the place that was reserved; `label` names it in the log."""
        with self._work:
            self._reserved -= 1
            if self._is_closed:
                raise QueueUnavailable(f"{self.name} is closed")
            heapq.heappush(self._ready, (-priority, next(self._order), label, job))
            if self._idle:
                self._work.notify()
            elif self._threads < self.workers:
                try:
                    self._hire()
                except RuntimeError as error:
                    # The interpreter starts no thread any more. Those there are take the job.
                    if not self._threads:
                        self._ready.clear()
                        raise QueueUnavailable(f"{self.name} can start no thread: {error}") from error

    @property
    def is_full(self) -> bool:
        """True when the next job would have to wait for a place."""
        return len(self._ready) + self._reserved >= self.size

    def close(self) -> None:
        """Run what is queued, for at most `drain` seconds, log what is left, and take no more."""
        deadline = time.monotonic() + self.drain
        with self._quiet:
            if self._is_closed:
                return
            while self._ready or self._later or self._running or self._reserved:
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._quiet.wait(left)
            self._is_closed = True
            unfinished = [*self._running.values(), *(entry[-2] for entry in sorted(self._ready))]
            unfinished += [entry[-2] for entry in self._later]
            self._ready.clear()
            self._later.clear()
            self._work.notify_all()
            self._room.notify_all()
        if unfinished:
            logger.error("%s: %d unfinished after %s s, and lost: %s", self.name, len(unfinished), self.drain,
                         ", ".join(unfinished))  # fmt: skip

    def _hire(self) -> None:
        number = self._threads + 1
        # An interpreter that is not the main one refuses it here; and there a keeper would wait for ever.
        thread = threading.Thread(target=self._labour, name=f"{self.name}-{number}", daemon=True)
        if not self._threads:
            _keeper.watch(self)
        thread.start()
        self._threads = number

    def _labour(self) -> None:
        me = threading.get_ident()
        while (taken := self._take(me)) is not None:
            priority, order, label, job = taken
            try:
                delay = job()
            except BaseException:
                logger.exception("%s: %s broke its worker's step", self.name, label)
                delay = None
            with self._work:
                del self._running[me]
                if delay is not None:
                    heapq.heappush(self._later, (time.monotonic() + delay, priority, order, label, job))
                    self._work.notify()
                elif not self._ready:
                    self._quiet.notify_all()

    def _take(self, me: int) -> tuple[int, int, str, Job] | None:
        with self._work:
            while True:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    heapq.heappush(self._ready, heapq.heappop(self._later)[1:])
                if self._ready:
                    taken = heapq.heappop(self._ready)
                    self._running[me] = taken[2]
                    self._room.notify()
                    return taken
                if self._is_closed:
                    return None
                self._idle += 1
                try:
                    self._work.wait(self._later[0][0] - now if self._later else None)
                finally:
                    self._idle -= 1


class _Keeper:
    """Waits for the end of the main thread, then lets every crew drain.

    Its thread is no daemon, so the interpreter waits for it; it starts with the first crew that has work, and anew for one
    that another thread gives work to after all others have drained.
    """

    def __init__(self) -> None:
        self._begin()
        after_fork(self, _Keeper._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._crews: dict[weakref.ref[Crew], None] = {}
        self._is_there = False

    def watch(self, crew: Crew) -> None:
        with self._lock:
            self._crews[weakref.ref(crew, _without(self._crews))] = None
            if not self._is_there:
                threading.Thread(target=self._keep, name="modernmail-keeper").start()
                self._is_there = True

    def _keep(self) -> None:
        threading.main_thread().join()
        while (crew := self._next()) is not None:
            crew.close()

    def _next(self) -> Crew | None:
        """Return a crew that has not drained; without any, this keeper goes."""
        with self._lock:
            while self._crews:
                reference, _ = self._crews.popitem()
                if (crew := reference()) is not None:
                    return crew
            self._is_there = False
            return None


def _without(crews: dict[weakref.ref[Crew], None]) -> Callable[[weakref.ref[Crew]], None]:
    return lambda gone: crews.pop(gone, None)


_keeper = _Keeper()
