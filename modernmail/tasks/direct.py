"""Mail queued in this process: sent once, by the worker that has it, its ticket changing as it goes."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from modernmail.errors import MailError
from modernmail.outcome import Outcome
from modernmail.receipt import Receipt

from .backend import new_id
from .recipients import merged, phase_of
from .signals import mail_finished
from .ticket import Ticket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from modernmail.parcel import Parcel

    from .backend import TaskBackend
    from .mailoptions import MailOptions

logger = logging.getLogger("modernmail.tasks")


def new_ticket(parcel: Parcel, options: MailOptions) -> Ticket:
    """Return the ticket of a mail that is about to be queued in this process."""
    return Ticket(
        new_id(),
        message_id=parcel.message_id,
        envelope=parcel.envelope,
        mailer=options.using,
        queue_name=options.queue_name,
        priority=options.priority,
    )


async def send(
    ticket: Ticket,
    parcel: Parcel,
    backend: type[TaskBackend],
    deliver: Callable[[Parcel], Awaitable[Receipt]],
) -> None:
    """Send one mail and write into its ticket what became of it; a failure is logged, as nobody waits for it."""
    ticket.phase = "leased"
    ticket.attempts += 1
    is_told = True  # by the mailer's own record
    try:
        receipt = await deliver(parcel)
    except MailError as error:
        found = getattr(error, "receipt", None)
        is_told = found is not None
        receipt = found or Receipt(None, parcel.envelope, Outcome("deferred", reason=str(error)), error=error)
    except Exception as error:
        # A layer's fault, say; it may have come after the mail was sent.
        logger.exception("mail %s: its mailer failed in a way that nobody foresaw", parcel.message_id)
        outcome = Outcome("unknown", reason=f"{type(error).__name__}: {error}")
        receipt = Receipt(None, parcel.envelope, outcome)
    ticket.state = merged(ticket.state, receipt, time.time())
    phase = phase_of(parcel.envelope.recipients, ticket.state)
    ticket.phase = "ended" if phase == "waiting" else phase
    if receipt.refused and is_told:
        logger.warning("mail %s is not tried again: its queue ends with the process", parcel.message_id)
    elif receipt.refused:
        told = ", ".join(f"{name} ({outcome})" for name, outcome in receipt.refused.items())
        logger.error("mail %s was not accepted for %s; it is not tried again", parcel.message_id, told)
    mail_finished.send(backend, ticket)
