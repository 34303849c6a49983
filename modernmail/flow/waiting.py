"""Mails that wait within a sending: `Waiting`, which knows whose time has come."""

from __future__ import annotations

from heapq import heappop, heappush

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .job import Job

_MOST_DUE = 1000  # mails that wait to be tried again; while there are as many, no further one is begun


class Waiting:
    """The mails that a layer holds back, and those that one wants tried again."""

    __slots__ = ("_due", "_held")

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Job]] = []  # to be tried again
        self._held: list[tuple[float, int, Job]] = []  # a layer said wait; several when several streams pull

    def hold(self, job: Job, when: float) -> None:
        """Keep a mail until a layer is asked about it once more."""
        heappush(self._held, (when, job.position, job))

    def retry(self, job: Job, when: float) -> None:
        """Keep a mail until it is tried again."""
        heappush(self._due, (when, job.position, job))

    def due(self, now: float) -> Job | None:
        """Return a mail whose time has come: one that was held, before one to be tried again, which waits for the first."""
        queue = self._held or self._due
        return heappop(queue)[2] if queue and queue[0][0] <= now else None

    @property
    def next_time(self) -> float | None:
        """When the next one is due, None when nothing waits."""
        queue = self._held or self._due
        return queue[0][0] if queue else None

    @property
    def is_full(self) -> bool:
        """Whether no further mail is begun before one of these: what is held keeps its place in the order."""
        return bool(self._held) or len(self._due) >= _MOST_DUE

    def clear(self) -> None:
        """Forget them all."""
        self._due, self._held = [], []
