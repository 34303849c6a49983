"""One stream of claimed mails through their mailer: `Stream`.

It hands the mails over one by one, marks each at its commit point, and while one is on its way makes of the receipt before it
what follows. A stream that is broken off is over; who goes on begins another.

Rules of the file: no dot without the commit point; nothing is raised into the wire but what forbids the dot; each receipt
counts, whatever broke the stream.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from modernmail.errors import (
    InvalidValue,
    PayloadRejected,
    QueueError,
)
from modernmail.flow.feed import Feed
from modernmail.flow.flow import flow_of
from modernmail.insight.log import log_receipt, logs_all
from modernmail.runtime import run_blocking

from .ledger import SLOW
from .mailjob import state_of
from .patience import Patience
from .recipients import pending
from .taskjob import LOST
from .unreached import unreached

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modernmail.flow.flow import Flow
    from modernmail.mailer import Mailer
    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt

    from .ahead import Ahead
    from .ledger import Ledger
    from .settlement import Settlement
    from .sqlite.job import Job

logger = logging.getLogger("modernmail.tasks")


class NotOurs(QueueError):
    """The mail went to another worker while this one held it: nothing is sent."""


class Stream:
    """The sending of the mails that are `ahead`, no two of which have one Message-ID, until `is_stopping` says so.

    Where a layer says wait, `wait` does, and is true when it is time to stop; `connected` is called when the first of them has
    come to its commit point.
    """

    def __init__(
        self,
        ahead: Ahead,
        ledger: Ledger,
        settlement: Settlement,
        *,
        is_stopping: Callable[[], bool],
        wait: Callable[[float], bool],
        connected: Callable[[], None],
    ) -> None:
        self._ahead = ahead
        self._ledger = ledger
        self._settlement = settlement
        self._is_stopping = is_stopping
        self._wait = wait
        self._connected: Callable[[], None] | None = connected
        # With the recipients, in the order of their positions.
        self._begun: list[tuple[Job, tuple[str, ...]]] = []
        self._current: dict[str, Job] = {}  # by Message-ID
        self._unmarked: int | None = None  # whose commit point could not be stored: nothing was sent
        self._heard: list[tuple[Receipt, float]] = []  # and when; nothing is made of it yet
        # While a mail is on its way there was time for the one before, and that was soon.
        self._may_wait = False
        self._failure: Exception | None = None  # of what was done meanwhile

    def run(self, mailer: Mailer) -> None:
        """Send until all are settled. Raises `NotOurs` when one of them was taken over, `Unreached` after the first for which
        there was no connection, `Stopped` when it is time to stop while they wait, and what the mailer raises."""
        logs_everything = logs_all()
        io = Patience(self._commit, self._meanwhile, self._wait)
        flow = flow_of(mailer, mailer._effective(), Feed(self._parcels()), io)
        try:
            while (receipt := run_blocking(flow.receive())) is not None:
                self._heard.append((receipt, time.monotonic()))
                if not self._may_wait:
                    self.take_in()
                if self._failure is not None:
                    raise self._failure
                if logs_everything or not receipt.is_complete:
                    log_receipt(receipt, flow.hosts)
                if not receipt.is_complete and (end := unreached(receipt)) is not None:
                    raise end
        except BaseException:
            self._close(flow)
            raise
        self.take_in()

    def take_in(self) -> None:
        """Make of all receipts what follows from them."""
        while self._heard:
            receipt, at = self._heard.pop(0)
            if time.monotonic() - at > SLOW:
                self._may_wait = False
            self._settle(receipt)

    def _close(self, flow: Flow) -> None:
        """Take the receipts a broken stream still has; deferrals do not count, since the fault is not theirs."""
        receipts = run_blocking(flow.close())
        self.take_in()
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
        if job.lost >= LOST and not job.is_spared:
            logger.error("mail %x is put off: %d workers died with it, one after the other", job.id, job.lost)
            self._settlement.spare(job, job.lost - LOST + 1)
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
            self.take_in()
            self._ledger.store()
        except Exception as error:  # noqa: BLE001
            self._failure = error
        else:
            self._ahead.prepare()

    def _settle(self, receipt: Receipt) -> None:
        job, recipients = self._begun[receipt.position]
        self._settlement.heard(job, recipients, receipt)

    async def _commit(self, parcel: Parcel) -> None:
        """The commit point: past it, nobody sends this mail again by himself."""
        if len(self._heard) > 1:
            self.take_in()
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
