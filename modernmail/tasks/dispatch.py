"""How a worker's hands send the mail they took: `Dispatch`, which pauses a mailer that cannot, and lets it go on.

Rules of the file: what a hand takes it settles or gives back; a pause begins before its mail is given back; what may kill the
worker goes alone.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from modernmail.registry import mailers

from .delivery import Delivery, Paused
from .lanes import LONG_STINT
from .mailjob import LANE

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from modernmail.mailer import Mailer

    from .door import Door
    from .lanes import Lanes
    from .settlement import Told
    from .sqlite.backend import SQLiteBackend
    from .sqlite.job import Job
    from .sqlite.lease import Lease

logger = logging.getLogger("modernmail.tasks")


class Dispatch:
    """The sending of one worker's mail, for all its hands.

    `streams` is how many a mailer may have at once that does not say it; `store` keeps marks until they are stored; `told` is
    called with the phase that each mail came to, `report` with what is to be said of a mailer.
    """

    def __init__(
        self,
        backend: SQLiteBackend,
        lease: Lease,
        lanes: Lanes,
        door: Door,
        *,
        streams: int,
        stopping: threading.Event,
        store: Callable[..., None],
        told: Told,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        self._backend = backend
        self._lease = lease
        self._lanes = lanes
        self._door = door
        self._streams = streams
        self._stopping = stopping
        self._store = store
        self._told = told
        self._report = report
        self._mailers: dict[str, Mailer] = {}
        self._signing_key = backend.key  # a key that is none is said here, before anything is claimed

    def send(self, jobs: list[Job]) -> None:
        """Send what a hand has taken of one lane, or give it back."""
        lane, claim, began = jobs[0].lane, jobs[0].lease or "", time.monotonic()
        jobs = self._without_doubtful(jobs)
        delivery = Delivery(
            self._lease,
            self._backend.schedule,
            mailer=self._mailer,
            contents=self._backend.jobs,
            signing_key=self._signing_key,
            store=self._store,
            is_stopping=lambda: (
                self._stopping.is_set() or (time.monotonic() - began > LONG_STINT and delivery.settled > 0)
            ),
            wait=self._stopping.wait,
            told=self._told,
            connected=lambda: self._connected(lane, claim),
        )
        try:
            delivery.run(jobs)
        except Paused as paused:
            # Before its mail is given back: another hand would take that at once.
            self._pause(paused, lane, claim, began, jobs[0].attempted_at or 0.0)
            return
        finally:
            self._lanes.ended(lane, claim)
            delivery.close(jobs)
        self._lanes.took(lane, time.monotonic() - began, delivery.settled)
        if not delivery.was_answered:
            return  # every mail had expired, say: nobody knows yet whether its mailer can log in
        self._lanes.prove(lane)
        if self._lanes.resume(lane):
            logger.warning("mailer %r can send again", lane.removeprefix(LANE))
            self._report({"phase": "resumed", "mailer": lane.removeprefix(LANE)})

    def close(self) -> None:
        """Close the mailers that were used."""
        for mailer in self._mailers.values():
            mailer.close()

    def _pause(self, paused: Paused, lane: str, claim: str, began: float, claimed_at: float) -> None:
        if paused.is_brief and self._lanes.has_another_connection(lane, claim, began):
            return  # the server is there: it has had enough of our connections, say
        name, reason = lane.removeprefix(LANE), paused.reason
        wait = self._lanes.pause(lane, reason, claimed_at, is_brief=paused.is_brief)
        logger.error("mailer %r is paused for %.0f s, its mail is kept: %s", name, wait, reason)
        self._report({"phase": "paused", "mailer": name, "reason": reason, "seconds": round(wait)})

    def _without_doubtful(self, jobs: list[Job]) -> list[Job]:
        """Give back what comes from the first mail on that a worker died with: it goes alone, and takes no other along."""
        at = next((at for at, job in enumerate(jobs) if at and job.lost), len(jobs))
        if at < len(jobs):
            self._lease.release(jobs[at:])
        return jobs[:at]

    def _connected(self, lane: str, claim: str) -> None:
        """A mailer has logged in: the other hands may come."""
        self._lanes.prove(lane)
        self._lanes.connected(lane, claim)
        self._door.knock()

    def _mailer(self, name: str) -> Mailer:
        mailer = self._mailers[name] = mailers[name]
        pool = getattr(getattr(mailer.backend, "settings", None), "pool", self._streams)
        self._lanes.limit(LANE + name, pool)
        return mailer
