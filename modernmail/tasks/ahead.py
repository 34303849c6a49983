"""The mails of a hand in their order, with their contents read and unpacked ahead: `Ahead`."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING

from .mailjob import unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modernmail.parcel import Parcel

    from .sqlite.job import Job
    from .sqlite.queue import Queue

_MANY = 20  # mails whose contents are read at once
_SMALL = 65_536  # octets: larger contents are read one by one


class Ahead:
    """An iterator of jobs, once it has some; `contents` has what they send, which was signed with `signing_key`."""

    def __init__(self, contents: Queue, signing_key: str | None) -> None:
        self._jobs: Iterator[Job] = iter(())
        self._contents = contents
        self._signing_key = signing_key
        self._next: deque[Job] = deque()
        self._read: dict[int, bytes] = {}
        self._ready: tuple[Job, Parcel] | None = None

    def begin(self, jobs: Iterable[Job]) -> None:
        """Take these jobs, in the place of those it had."""
        self._jobs = iter(jobs)
        self._next.clear()

    def __iter__(self) -> Iterator[Job]:
        return self

    def __next__(self) -> Job:
        if not self._next:
            self._next.extend(islice(self._jobs, _MANY))
            self._read = self._contents.contents([job.id for job in self._next], up_to=_SMALL)
        if not self._next:
            raise StopIteration
        return self._next.popleft()

    def parcel(self, job: Job) -> Parcel:
        """Return what is to be sent for a job; `PayloadRejected` or `InvalidValue` when it cannot be."""
        ready, self._ready = self._ready, None
        if ready is not None and ready[0] is job:
            return ready[1]
        content = self._read.pop(job.id, None) or self._contents.content(job.id)
        return unpack(job, content, self._signing_key)

    def prepare(self) -> None:
        """Unpack the mail that comes next, while there is time."""
        job = self._next[0] if self._next else None
        if job is None or job.id not in self._read:
            return
        try:
            self._ready = (job, unpack(job, self._read[job.id], self._signing_key))
        except Exception:  # noqa: BLE001 - it fails again, in its own place
            return
        del self._read[job.id]
