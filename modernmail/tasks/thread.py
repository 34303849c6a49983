"""`thread:` runs tasks in worker threads of this process: the backend of a program that configured none."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from modernmail.registry import mailers
from modernmail.runtime import run_blocking

from .attempt import attempt
from .backend import TaskBackend, new_worker_id, telling
from .crew import Crew
from .direct import new_ticket, send
from .kept import KeptResults
from .loopthread import LoopThread
from .signals import mail_enqueued

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt

    from .mailoptions import MailOptions
    from .result import TaskResult
    from .task import Task
    from .ticket import Ticket


class ThreadBackend(TaskBackend):
    """Runs tasks in `workers` threads, from a queue of at most `size` tasks; nothing outlives the process.

    `wait` is how many seconds an enqueue waits for a place in a full queue, `drain` how many seconds queued
    tasks get to finish when the program ends, `results` how many results are kept for `get_result`. `async
    def` tasks share one event loop.
    """

    scheme = "thread"
    supports_async_task = True
    supports_get_result = True
    supports_priority = True

    def __init__(
        self,
        alias: str = "default",
        *,
        workers: int = 4,
        size: int = 10_000,
        wait: float = 10.0,
        drain: float = 30.0,
        results: int = 10_000,
    ) -> None:
        super().__init__(alias)
        self.crew = Crew(f"modernmail-{alias}", workers=workers, size=size, wait=wait, drain=drain)
        self._loop = LoopThread()
        self._worker = new_worker_id()
        self._results = KeptResults(self, results)

    def enqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Queue one call and return its result, which changes as the task runs.

        Raises `QueueFull` when no place comes free in time.
        """
        result = self.make_result(task, args, kwargs)
        self._submit(result)
        return result

    async def aenqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Queue one call; only a full queue is waited for in a thread."""
        result = self.make_result(task, args, kwargs)
        if self.crew.is_full:
            await asyncio.to_thread(self._submit, result)
        else:
            self._submit(result)
        return result

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result with this id, while it is among the last ones kept."""
        return self._results.find(result_id)

    async def aget_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result with this id."""
        return self.get_result(result_id)

    def enqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Queue mails to be sent once, by the worker threads."""
        self.validate_mail(options)
        mailer = mailers[options.using]

        async def deliver(parcel: Parcel) -> Receipt:
            return mailer.send(parcel)

        tickets: list[Ticket] = []
        with telling(tickets):
            for parcel in parcels:
                self.crew.reserve()
                ticket = new_ticket(parcel, options)
                mail_enqueued.send(type(self), ticket)
                job = partial(self._send, ticket, parcel, deliver)
                self.crew.submit(job, f"mail {ticket.id}", priority=options.priority)
                tickets.append(ticket)
        return tickets

    def close(self) -> None:
        """Let queued tasks finish, for at most `drain` seconds, and log what is left."""
        self.crew.close()
        self._loop.close()

    def _send(self, ticket: Ticket, parcel: Parcel, deliver: Callable[[Parcel], Awaitable[Receipt]]) -> None:
        run_blocking(send(ticket, parcel, type(self), deliver))

    def _submit(self, result: TaskResult[Any]) -> None:
        def run() -> float | None:
            return run_blocking(attempt(result, type(self), self._worker, self._loop.call))

        if result.task.is_async:
            self._loop.start()
        self.crew.reserve()
        # Announced before it is queued: a quick task would otherwise be finished before it was known to be
        # enqueued.
        self.announce(result)
        self._results.keep(result)
        self.crew.submit(run, f"{result.task.module_path} {result.id}", priority=result.task.priority)
