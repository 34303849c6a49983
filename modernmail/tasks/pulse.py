"""What a worker does every few seconds beside its work: `Pulse`.

It keeps the worker's claims alive, takes back what dead workers left, and has the queue forget what ended
long ago.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modernmail.errors import QueueError, QueueUnavailable
from modernmail.registry import mailers

from .signals import mail_finished
from .sqlite.identifier import to_text
from .sqlite.mail import MailStore
from .sqlite.recovery import recover

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sqlite.backend import SQLiteBackend
    from .sqlite.lease import Lease
    from .ticket import Ticket
    from .trouble import Trouble

logger = logging.getLogger("modernmail.tasks")

PURGE = 60.0  # seconds between two rounds of forgetting old jobs
SET = 60.0  # seconds by which a clock has been set, and did not just drift
UNSURE = 3600.0  # seconds after that in which nothing is forgotten: it may be set right again
# Jobs that are looked at in one beat for whether they can go; when there are more, the next goes on.
AT_ONCE = 5000
_STEPS = 20  # of so many jobs, before a worker ends whose queue is empty: about a second
LOG = 268_435_456  # octets: SQLite cuts its log to a quarter of this, unless somebody still reads what is at its start


class Pulse:
    """The regular duties of the worker that has this lease; `report` is told of what was taken back."""

    def __init__(
        self,
        backend: SQLiteBackend,
        lease: Lease,
        report: Callable[[dict[str, Any]], None],
        trouble: Trouble,
    ) -> None:
        self.backend = backend
        self.lease = lease
        self._report = report
        self._trouble = trouble
        self._mail = MailStore(backend)
        now = time.monotonic()
        self._purges_at = now + PURGE
        self._forgets_from = now
        self._ahead = time.time() - now
        self._is_lost = False
        self._renewed_at = now

    def beat(self) -> None:
        """Do all that is due; an error of the queue is logged, and the next beat tries again."""
        try:
            self._renew()
            self.recover()
            now = time.monotonic()
            if now >= self._purges_at:
                self._forget(now)
                self._purges_at = now + PURGE if self.backend.jobs.forgetting.is_through else now
                self._look_at_log()
            self._trouble.passed("do its regular duties")
        except Exception as error:  # noqa: BLE001 - without the pulse the worker would lose all that it holds
            self._trouble.tell("do its regular duties", error, self.lease.heartbeat)

    def end(self) -> None:
        """Have the queue forget what a worker that lives for a few seconds, and is started again and again, would leave."""
        try:
            for _ in range(_STEPS):
                self._forget(time.monotonic())
                if self.backend.jobs.forgetting.is_through:
                    return
        except QueueUnavailable as error:
            self._trouble.tell("forget what ended long ago", error, 0.0)

    def _renew(self) -> None:
        self._renewed_at = time.monotonic()
        was_lost, self._is_lost = self._is_lost, not self.lease.renew()
        if self._is_lost and not was_lost:  # once, however long a hand is stuck in what it lost
            logger.warning("worker %s lost its lease: what it held goes to others", self.lease.worker)

    def _forget(self, now: float) -> None:
        """Have the queue forget what ended long ago, by a clock that nobody has set lately."""
        before, self._ahead = self._ahead, time.time() - now
        if abs(self._ahead - before) > SET:
            logger.warning(
                "the clock was set by %.0f s: nothing is forgotten for an hour", self._ahead - before
            )
            self._forgets_from = now + UNSURE
        if now >= self._forgets_from:
            self.backend.jobs.purge(time.time() - self.backend.ttl, at_most=AT_ONCE)

    def _look_at_log(self) -> None:
        """Say when the log of the database grows without end, which fills the disk; again each time it has doubled."""
        log = Path(f"{self.backend.database.path}-wal")
        size = log.stat().st_size if log.exists() else 0
        if size < LOG:
            self._trouble.passed("keep the log short")
            return
        most = LOG << ((size // LOG).bit_length() - 1)
        why = f"{log} has more than {most / 1e6:.0f} MB: some program has had a transaction open for long (fuser {log})"
        self._trouble.tell("keep the log short", QueueUnavailable(why), PURGE)

    def recover(self) -> None:
        """Take back what is held under claims that ran out; resend what is unknown where its mailer says so, tell of the
        rest."""
        queued, unknown = recover(self.backend.database)
        if queued or unknown:
            logger.warning("from dead workers: %d jobs queued again, %d mails unknown", queued, len(unknown))
            self._report({"phase": "recovered", "queued": queued, "unknown": len(unknown)})
        for number in unknown:
            ticket = self._mail.ticket(to_text(number))
            if ticket.phase == "unknown" and not self._is_resent(ticket):
                self._tell(ticket)
            if time.monotonic() - self._renewed_at > self.lease.heartbeat:
                self._renew()  # there may be thousands, and somebody who listens slowly

    def _is_resent(self, ticket: Ticket) -> bool:
        if not _may_be_resent(ticket.mailer):
            return False
        try:
            self._mail.resend(ticket.id)
        except QueueUnavailable:
            raise
        except QueueError as error:  # who had it was heard of, say, since we looked
            logger.warning("mail %s is unknown and was not sent again: %s", ticket.id, error)
            return False
        return True

    def _tell(self, ticket: Ticket) -> None:
        mail_finished.send(type(self.backend), ticket)
        self._report({
            "id": ticket.id, "name": ticket.message_id, "phase": "unknown", "attempt": ticket.attempts,
            "mailer": ticket.mailer, "recipients": ticket.counts,
        })  # fmt: skip


def _may_be_resent(mailer: str) -> bool:
    return mailer in mailers and mailers[mailer].on_unknown == "resend"
