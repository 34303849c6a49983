"""What a worker does every few seconds beside its work: `Pulse`.

It keeps the worker's claims alive, takes back what dead workers left, and has the queue forget what ended
long ago.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from modernmail.errors import MailError
from modernmail.registry import mailers

from .sqlite.identifier import to_text
from .sqlite.mail import MailStore
from .sqlite.recovery import recover

if TYPE_CHECKING:
    from collections.abc import Callable

    from .sqlite.backend import SQLiteBackend
    from .sqlite.lease import Lease

logger = logging.getLogger("modernmail.tasks")

PURGE = 60.0  # seconds between two rounds of forgetting old jobs
AT_ONCE = 5000  # jobs that are forgotten in one beat; when there are more, the next goes on


class Pulse:
    """The regular duties of the worker that has this lease; `report` is told of what was taken back."""

    def __init__(
        self, backend: SQLiteBackend, lease: Lease, report: Callable[[dict[str, Any]], None]
    ) -> None:
        self.backend = backend
        self.lease = lease
        self._report = report
        self._mail = MailStore(backend)
        self._purges_at = time.monotonic() + PURGE
        self._is_lost = False

    def beat(self) -> None:
        """Do all that is due; an error of the queue is logged, and the next beat tries again."""
        try:
            was_lost, self._is_lost = self._is_lost, not self.lease.renew()
            if self._is_lost and not was_lost:  # once, however long a hand is stuck in what it lost
                logger.warning("worker %s lost its lease: what it held goes to others", self.lease.worker)
            self.recover()
            now = time.monotonic()
            if now >= self._purges_at:
                gone = self.backend.jobs.purge(time.time() - self.backend.ttl, at_most=AT_ONCE)
                self._purges_at = now if gone == AT_ONCE else now + PURGE
        except MailError as error:
            logger.error("worker %s: %s", self.lease.worker, error)
        except Exception:
            # Without the pulse the worker would lose all that it holds.
            logger.exception("worker %s: a part of its regular duties failed", self.lease.worker)

    def recover(self) -> None:
        """Take back what is held under claims that ran out, and resend what is unknown where its mailer says
        so."""
        queued, unknown = recover(self.backend.database)
        if queued or unknown:
            logger.warning("from dead workers: %d jobs queued again, %d mails unknown", queued, len(unknown))
            self._report({"phase": "recovered", "queued": queued, "unknown": len(unknown)})
        for number in unknown:
            ticket = self._mail.ticket(to_text(number))
            if ticket.phase == "unknown" and _is_resent(ticket.mailer):
                self._mail.resend(ticket.id)


def _is_resent(mailer: str) -> bool:
    return mailer in mailers and mailers[mailer].on_unknown == "resend"
