"""`dummy:` runs nothing and keeps what was enqueued in `results`: for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail.errors import IdempotencyConflict, InvalidTask, TaskResultDoesNotExist

from .backend import TaskBackend
from .direct import new_ticket
from .mailjob import digest
from .moment import moment_at
from .signals import mail_enqueued

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modernmail.parcel import Parcel

    from .mailoptions import MailOptions
    from .result import TaskResult
    from .task import Task
    from .ticket import Ticket


class DummyBackend(TaskBackend):
    """Keeps each enqueued call in `results`, in order, READY for ever, and queued mail in `tickets`.

    For tests of a program whose own queue is durable it takes what such a queue takes: `run_after`, `expires` and
    `idempotency_key`; a repeated key returns the ticket that there is. A transaction it cannot join.
    """

    scheme = "dummy"
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True
    supports_idempotency = True

    def __init__(self, alias: str = "default") -> None:
        super().__init__(alias)
        self.results: list[TaskResult[Any]] = []
        self.tickets: list[Ticket] = []
        self.parcels: list[Parcel] = []
        self._keys: dict[str, tuple[bytes, Ticket]] = {}

    def enqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Keep one call and return its result."""
        result = self.make_result(task, args, kwargs)
        self.results.append(result)
        self.announce(result)
        return result

    async def aenqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Keep one call and return its result."""
        return self.enqueue(task, args, kwargs)

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result with this id."""
        for result in self.results:
            if result.id == result_id:
                return result
        raise TaskResultDoesNotExist(f"{self} keeps no result {result_id!r}")

    def validate_mail(self, options: MailOptions) -> None:
        """Raise `InvalidTask` for a transaction: nothing else of a mail needs more than a list."""
        if options.connection is not None:
            raise InvalidTask("connection", options.connection, f"{self} cannot join a transaction")

    def enqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Keep the mails' tickets in `tickets` and their parcels in `parcels`."""
        self.validate_mail(options)
        return [self._kept(parcel, options) for parcel in parcels]

    def _kept(self, parcel: Parcel, options: MailOptions) -> Ticket:
        key, said = options.idempotency_key, b""
        if key is not None:
            said = digest(parcel, options.using)
            known = self._keys.get(key)
            if known is not None and known[0] != said:
                raise IdempotencyConflict(
                    f"the idempotency key {key!r} is taken by a mail with other content"
                )
            if known is not None:
                return known[1]
        ticket = new_ticket(parcel, options)
        ticket.idempotency_key = key
        ticket.next_attempt_at = moment_at(options.starts_at)
        ticket.expires = moment_at(options.expires_at)
        if key is not None:
            self._keys[key] = (said, ticket)
        self.parcels.append(parcel)
        self.tickets.append(ticket)
        mail_enqueued.send(type(self), ticket)
        return ticket

    def get_ticket(self, ticket_id: str) -> Ticket:
        """Return the ticket with this id."""
        for ticket in self.tickets:
            if ticket.id == ticket_id:
                return ticket
        raise TaskResultDoesNotExist(f"{self} has no mail {ticket_id!r}")

    def clear(self) -> None:
        """Forget everything that was enqueued."""
        self.results.clear()
        self.tickets.clear()
        self.parcels.clear()
        self._keys.clear()
