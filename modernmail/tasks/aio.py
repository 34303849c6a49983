"""`aio:` runs tasks on the event loop that enqueues them: for applications that live under asyncio."""

from __future__ import annotations

import asyncio
import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

from modernmail.errors import InvalidTaskBackend, QueueFull
from modernmail.registry import mailers

from .attempt import attempt, call_on_loop
from .backend import TaskBackend, new_worker_id, telling
from .direct import new_ticket, send
from .kept import KeptResults
from .shift import Shift
from .signals import mail_enqueued

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from modernmail.parcel import Parcel

    from .mailoptions import MailOptions
    from .result import TaskResult
    from .task import Task
    from .ticket import Ticket


class AioBackend(TaskBackend):
    """Runs up to `workers` tasks at once on the caller's own loop, plain functions in threads.

    A queue holds at most `size` tasks; `aenqueue` waits `wait` seconds for a place, `enqueue` raises
    `QueueFull` at once. `aclose` gives queued tasks `drain` seconds; whatever a loop that ends leaves
    unfinished is logged.
    """

    scheme = "aio"
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(
        self,
        alias: str = "default",
        *,
        workers: int = 32,
        size: int = 10_000,
        wait: float = 10.0,
        drain: float = 30.0,
        results: int = 10_000,
    ) -> None:
        super().__init__(alias)
        self.workers = workers
        self.size = size
        self.wait = wait
        self.drain = drain
        self._worker = new_worker_id()
        self._results = KeptResults(self, results)
        self._shifts: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Shift] = (
            weakref.WeakKeyDictionary()
        )

    def enqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Queue one call on the running loop; `QueueFull` at once when there is no place."""
        shift = self.shift()
        result = self.make_result(task, args, kwargs)
        if shift.is_full:
            raise QueueFull(f"{self}: {self.size} tasks are queued; await aenqueue() to wait for a place")
        self._submit(shift, result)
        return result

    async def aenqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Queue one call on the running loop, waiting for a place."""
        shift = self.shift()
        result = self.make_result(task, args, kwargs)
        await shift.wait_for_place()
        self._submit(shift, result)
        return result

    async def aenqueue_many(self, task: Task[..., Any], calls: Any) -> list[TaskResult[Any]]:
        """Queue many calls, one by one."""
        results: list[TaskResult[Any]] = []
        with telling(results):
            for args, kwargs in calls:
                results.append(await self.aenqueue(task, args, kwargs))
        return results

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result with this id, while it is among the last ones kept."""
        return self._results.find(result_id)

    async def aget_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result with this id."""
        return self.get_result(result_id)

    def enqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Queue mails on the running loop, to be sent once; `QueueFull` at once when there is no place."""
        self.validate_mail(options)
        shift = self.shift()
        tickets: list[Ticket] = []
        with telling(tickets):
            for parcel in parcels:
                if shift.is_full:
                    raise QueueFull(f"{self}: {self.size} are queued; await aenqueue() to wait for a place")
                tickets.append(self._submit_mail(shift, parcel, options))
        return tickets

    async def aenqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Queue mails on the running loop, waiting for places."""
        self.validate_mail(options)
        shift = self.shift()
        tickets: list[Ticket] = []
        with telling(tickets):
            for parcel in parcels:
                await shift.wait_for_place()
                tickets.append(self._submit_mail(shift, parcel, options))
        return tickets

    def _submit_mail(self, shift: Shift, parcel: Parcel, options: MailOptions) -> Ticket:
        ticket = new_ticket(parcel, options)
        mail_enqueued.send(type(self), ticket)
        mailer = mailers[options.using]
        job = partial(send, ticket, parcel, type(self), mailer.asend)
        shift.submit(job, f"mail {ticket.id}", priority=options.priority)
        return ticket

    async def aclose(self) -> None:
        """Let the tasks of the running loop finish, for at most `drain` seconds, and log what is left."""
        shift = self._shifts.pop(asyncio.get_running_loop(), None)
        if shift is not None:
            await shift.close()

    def shift(self) -> Shift:
        """Return the queue of the running loop; `InvalidTaskBackend` when none runs here."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise InvalidTaskBackend(
                f"{self} needs a running event loop in this thread: enqueue in an async def, for a plain function of "
                "FastAPI or Starlette runs in another thread; in a sync program use thread:"
            ) from None
        shift = self._shifts.get(loop)
        if shift is None:
            shift = self._shifts[loop] = Shift(
                str(self), workers=self.workers, size=self.size, wait=self.wait, drain=self.drain
            )
        return shift

    def _submit(self, shift: Shift, result: TaskResult[Any]) -> None:
        self._results.keep(result)
        self.announce(result)

        def run() -> Awaitable[float | None]:
            return attempt(result, type(self), self._worker, call_on_loop)

        shift.submit(run, f"{result.task.module_path} {result.id}", priority=result.task.priority)
