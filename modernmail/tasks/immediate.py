"""`immediate:` runs each task when it is enqueued, in the thread that enqueues it: for development and
scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail.errors import InvalidTask
from modernmail.registry import mailers
from modernmail.runtime import run_blocking

from .attempt import attempt, call_here, call_on_loop
from .backend import TaskBackend, new_worker_id
from .direct import new_ticket, send
from .signals import mail_enqueued

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt

    from .mailoptions import MailOptions
    from .result import TaskResult
    from .task import Task
    from .ticket import Ticket


class ImmediateBackend(TaskBackend):
    """Runs each task at once; `enqueue` returns when it has finished. Attempts of a `Retry` follow without a
    wait."""

    scheme = "immediate"
    supports_async_task = True
    supports_priority = True

    def __init__(self, alias: str = "default") -> None:
        super().__init__(alias)
        self._worker = new_worker_id()

    def enqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Run one call here and return its finished result."""
        if task.is_async and _loop_is_running():
            raise InvalidTask(
                "func", task.module_path, "is async and a loop is running here: await aenqueue() instead"
            )
        result = self.make_result(task, args, kwargs)
        self.announce(result)
        while run_blocking(attempt(result, type(self), self._worker, call_here)) is not None:
            pass
        return result

    async def aenqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Run one call on the running loop, a plain function in a thread, and return its finished result."""
        result = self.make_result(task, args, kwargs)
        self.announce(result)
        while await attempt(result, type(self), self._worker, call_on_loop) is not None:
            pass
        return result

    def enqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Send the mails now and return their tickets."""
        self.validate_mail(options)
        mailer = mailers[options.using]

        async def deliver(parcel: Parcel) -> Receipt:
            return mailer.send(parcel)

        tickets = []
        for parcel in parcels:
            tickets.append(ticket := new_ticket(parcel, options))
            mail_enqueued.send(type(self), ticket)
            run_blocking(send(ticket, parcel, type(self), deliver))
        return tickets

    async def aenqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Send the mails now, on the running loop, and return their tickets."""
        self.validate_mail(options)
        mailer = mailers[options.using]
        tickets = []
        for parcel in parcels:
            tickets.append(ticket := new_ticket(parcel, options))
            mail_enqueued.send(type(self), ticket)
            await send(ticket, parcel, type(self), mailer.asend)
        return tickets


def _loop_is_running() -> bool:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
