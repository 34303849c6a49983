"""Mail in the background: what `message.enqueue()` does, on every task backend.

A durable backend stores the parcel and its workers send it, with retries; one in this process sends it once,
soon.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from modernmail.errors import InvalidTask
from modernmail.registry import mailers

from .mailoptions import MailOptions
from .registry import task_backends

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail.envelope import Envelope
    from modernmail.mailer import Mail

    from .ticket import Ticket


def enqueue(message: Mail, *, envelope: Envelope | None = None, **options: Any) -> Ticket:
    """Queue a mail and return its ticket; the keywords are those of `MailOptions`.

    Raises `InvalidMessage` when no mail can be made of it, `InvalidTask` for what the backend cannot do,
    `IdempotencyConflict` when the key is taken by other content, and `QueueUnavailable`.
    """
    checked = MailOptions(**options)
    parcel = mailers[checked.using].parcel(message, envelope)
    return task_backends[checked.backend].enqueue_mail([parcel], checked)[0]


async def aenqueue(message: Mail, *, envelope: Envelope | None = None, **options: Any) -> Ticket:
    """Queue a mail as `enqueue` does, without blocking the event loop."""
    checked = MailOptions(**options)
    parcel = mailers[checked.using].parcel(message, envelope)
    return (await task_backends[checked.backend].aenqueue_mail([parcel], checked))[0]


def enqueue_many(messages: Iterable[Mail], **options: Any) -> list[Ticket]:
    """Queue many mails, on a durable backend in one transaction: all or none."""
    checked = _for_many(options)
    mailer = mailers[checked.using]
    return task_backends[checked.backend].enqueue_mail([mailer.parcel(one) for one in messages], checked)


async def aenqueue_many(messages: Iterable[Mail], **options: Any) -> list[Ticket]:
    """Queue many mails as `enqueue_many` does, without blocking the event loop."""
    checked = _for_many(options)
    mailer = mailers[checked.using]
    parcels = await asyncio.to_thread(lambda: [mailer.parcel(one) for one in messages])
    return await task_backends[checked.backend].aenqueue_mail(parcels, checked)


def get_ticket(ticket_id: str, *, backend: str = "default") -> Ticket:
    """Return the ticket with this id as it stands now; `TaskResultDoesNotExist` when there is none (any
    more)."""
    return task_backends[backend].get_ticket(ticket_id)


def _for_many(options: dict[str, Any]) -> MailOptions:
    checked = MailOptions(**options)
    if checked.idempotency_key is not None:
        raise InvalidTask("idempotency_key", checked.idempotency_key, "is for one mail: enqueue it by itself")
    return checked
