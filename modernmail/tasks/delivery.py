"""A worker's hand with mail in it: `Delivery` sends claimed mails of one mailer.

The mails go through the mailer as one stream, so they share a warm connection and its pipeline. What becomes of each is the
matter of a `Settlement`, and stands in a `Ledger`.

Rules of the file: no dot without the commit point; a fault of the mailer pauses it and
gives its mail back uncounted; a fault of one mail ends that mail alone.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from modernmail.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidValue,
    PayloadRejected,
    QueueError,
    QueueUnavailable,
    SecurityFailed,
)
from modernmail.flow.feed import Feed
from modernmail.flow.flow import flow_of
from modernmail.insight.log import log_receipt, logs_all
from modernmail.runtime import BlockingIO, run_blocking

from .ahead import Ahead
from .ledger import SLOW, Ledger
from .mailjob import LANE, state_of
from .recipients import pending
from .settlement import Settlement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modernmail.flow.flow import Flow
    from modernmail.mailer import Mailer
    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt

    from .schedule import Schedule
    from .settlement import Told
    from .sqlite.job import Job
    from .sqlite.lease import Lease
    from .sqlite.queue import Queue

logger = logging.getLogger("modernmail.tasks")


class NotOurs(QueueError):
    """The mail went to another worker while this one held it: nothing is sent."""


class Paused(Exception):
    """The mailer itself is at fault: `reason` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Delivery:
    """The sending of some claimed mails of one lane.

    `mailer` gives the mailer by name; `contents` the stored contents, `signing_key` what they were signed with; `store`
    keeps marks until they are stored;
    `is_stopping` says that no further mail is to be begun; `told` is called with the phase that each mail came to,
    `connected` when the first of them has come to its commit point.
    """

    def __init__(
        self,
        lease: Lease,
        schedule: Schedule,
        *,
        mailer: Callable[[str], Mailer],
        contents: Queue,
        signing_key: str | None,
        store: Callable[..., None],
        is_stopping: Callable[[], bool],
        told: Told,
        connected: Callable[[], None],
    ) -> None:
        self._mailer = mailer
        self._ahead = Ahead(contents, signing_key)
        self._ledger = Ledger(lease, store)
        self._settlement = Settlement(self._ledger, schedule, told)
        self._is_stopping = is_stopping
        self._connected: Callable[[], None] | None = connected
        # With the recipients, in the order of their positions.
        self._begun: list[tuple[Job, tuple[str, ...]]] = []
        self._current: dict[str, Job] = {}  # by Message-ID
        self._unmarked: int | None = None  # whose commit point could not be stored: nothing was sent
        self._heard: list[tuple[Receipt, float]] = []  # and when; nothing is made of it yet
        # While a mail is on its way there was time for the one before, and that was soon.
        self._may_wait = False
        self._failure: Exception | None = None  # of what was done meanwhile

    @property
    def was_answered(self) -> bool:
        """True when a server has said something: the mailer can connect and log in."""
        return self._settlement.was_answered

    def run(self, jobs: list[Job]) -> None:
        """Send these mails; raises `Paused` when the mailer cannot send. `close` comes after it in any case."""
        name = jobs[0].lane.removeprefix(LANE)
        left = list(jobs)
        try:
            mailer = self._mailer(name)
            self._settlement.resends_unknown = getattr(mailer, "on_unknown", "park") == "resend"
            while left and not self._is_stopping():
                # Two mails with one Message-ID could not be told apart at the commit point: one flow after
                # the other.
                flow_jobs, left = _with_distinct_names(left)
                self._flow(mailer, flow_jobs)
        except ConfigurationError as error:
            raise Paused(
                f"{error} (a worker has MODERNMAIL_URL, and what --import MODULE configures)"
            ) from error
        except (QueueUnavailable, Paused):
            raise
        except BaseException as error:
            # Whatever it is (a layer of somebody's), trying it again at once would be for ever.
            logger.exception("mailer %r failed in a way that nobody foresaw", name)
            raise Paused(f"{type(error).__name__}: {error}") from error

    def close(self, jobs: list[Job]) -> None:
        """Store what came of these mails, and give back those that were not sent."""
        try:
            self._take_in()
        finally:
            self._ledger.close(jobs)

    def _flow(self, mailer: Mailer, jobs: list[Job]) -> None:
        """Send jobs until all are settled, beginning a new stream after one that was broken off."""
        self._ahead.begin(jobs)
        logs_everything = logs_all()
        while True:
            self._begun.clear()
            self._current.clear()
            self._unmarked = None
            io = BlockingIO(self._commit, self._meanwhile)
            flow = flow_of(mailer, mailer._effective(), Feed(self._parcels()), io)
            try:
                while (receipt := run_blocking(flow.receive())) is not None:
                    self._heard.append((receipt, time.monotonic()))
                    if not self._may_wait:
                        self._take_in()
                    if self._failure is not None:
                        raise self._failure
                    if logs_everything or not receipt.is_complete:
                        log_receipt(receipt, flow.hosts)
            except NotOurs as error:
                # The rest of the stream goes on with a fresh one.
                logger.warning("%s", error)
                self._close(flow)
                continue
            except (AuthenticationFailed, SecurityFailed, ConfigurationError) as error:
                self._close(flow)
                raise Paused(f"{type(error).__name__}: {error}") from error
            except BaseException:
                self._close(flow)
                raise
            self._take_in()
            return

    def _close(self, flow: Flow) -> None:
        """Take the receipts a broken stream still has; deferrals do not count, since the fault is not theirs."""
        receipts = run_blocking(flow.close())
        self._take_in()
        for receipt in receipts:
            if receipt.position == self._unmarked:
                continue  # a backend that sends one by one cannot tell that its commit point failed
            if receipt.count("deferred") < len(receipt.recipients):
                self._settle(receipt)

    def _parcels(self) -> Iterator[Parcel]:
        while not self._is_stopping() and (job := next(self._ahead, None)) is not None:
            parcel = self._parcel(job)
            if parcel is not None:
                yield parcel

    def _parcel(self, job: Job) -> Parcel | None:
        """Return the parcel of a mail that can go now; None when it has come to an end without."""
        if job.expires is not None and job.expires <= time.time():
            self._settlement.end(job, "expired", "its time was over before it could be sent")
            return None
        try:
            parcel = self._ahead.parcel(job)
        except (PayloadRejected, InvalidValue) as error:
            logger.error("mail %x cannot be sent: %s", job.id, error)
            self._settlement.end(job, "rejected", f"{type(error).__name__}: {error}")
            return None
        recipients = parcel.envelope.recipients
        if job.outcome is not None:
            state = state_of(job, recipients)
            names = pending(recipients, state)
            if not names:
                self._settlement.know(job, recipients, state)
                return None
            if len(names) < len(recipients):
                parcel = parcel.narrowed(names)
        self._begun.append((job, recipients))
        self._current[parcel.message_id] = job
        return parcel

    def _meanwhile(self) -> None:
        """A mail is on its way: store what came of the one before, and unpack the one after the next.

        Nothing is raised here, where it would break the wire: it is when that mail is over.
        """
        self._may_wait = True
        try:
            self._take_in()
            self._ledger.store()
        except Exception as error:  # noqa: BLE001
            self._failure = error
        else:
            self._ahead.prepare()

    def _take_in(self) -> None:
        """Make of all receipts what follows from them."""
        while self._heard:
            receipt, at = self._heard.pop(0)
            if time.monotonic() - at > SLOW:
                self._may_wait = False
            self._settle(receipt)

    def _settle(self, receipt: Receipt) -> None:
        job, recipients = self._begun[receipt.position]
        self._settlement.heard(job, recipients, receipt)

    async def _commit(self, parcel: Parcel) -> None:
        """The commit point: past it, nobody sends this mail again by himself."""
        if len(self._heard) > 1:
            self._take_in()
        job = self._current[parcel.message_id]
        try:
            is_ours = self._ledger.commit(job)
        except BaseException:
            if not self._ledger.is_committed(job):  # for its recipients before these, say
                self._unmarked = next(at for at, (begun, _) in enumerate(self._begun) if begun is job)
            raise
        if not is_ours:
            raise NotOurs(
                f"mail {job.id:x} is in other hands: its lease ran out before it was sent; nothing was sent"
            )
        if self._connected is not None:
            self._settlement.was_answered = True
            self._connected()
            self._connected = None


def _with_distinct_names(jobs: list[Job]) -> tuple[list[Job], list[Job]]:
    first: dict[str, Job] = {}
    rest: list[Job] = []
    for job in jobs:
        if job.name in first:
            rest.append(job)
        else:
            first[job.name] = job
    return list(first.values()), rest
