"""`dummy:` runs nothing and keeps what was enqueued in `results`: for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail.errors import TaskResultDoesNotExist

from .backend import TaskBackend
from .direct import new_ticket
from .signals import mail_enqueued

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modernmail.parcel import Parcel

    from .mailoptions import MailOptions
    from .result import TaskResult
    from .task import Task
    from .ticket import Ticket


class DummyBackend(TaskBackend):
    """Keeps each enqueued call in `results`, in order, READY for ever, and queued mail in `tickets`."""

    scheme = "dummy"
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(self, alias: str = "default") -> None:
        super().__init__(alias)
        self.results: list[TaskResult[Any]] = []
        self.tickets: list[Ticket] = []
        self.parcels: list[Parcel] = []

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

    def enqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Keep the mails' tickets in `tickets` and their parcels in `parcels`."""
        self.validate_mail(options)
        made = [new_ticket(parcel, options) for parcel in parcels]
        self.parcels += parcels
        self.tickets += made
        for ticket in made:
            mail_enqueued.send(type(self), ticket)
        return made

    def clear(self) -> None:
        """Forget everything that was enqueued."""
        self.results.clear()
        self.tickets.clear()
        self.parcels.clear()
