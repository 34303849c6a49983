"""The contract of a task backend: `TaskBackend`. A new one writes `enqueue`, and says what it can do in
attributes."""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from modernmail.errors import InvalidTask, InvalidTaskBackend, QueueError

from .jsonvalue import normalise
from .result import TaskResult
from .signals import task_enqueued

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from modernmail.parcel import Parcel

    from .mailoptions import MailOptions
    from .task import Task
    from .ticket import Ticket

    Call = tuple[Sequence[Any], Mapping[str, Any]]


class TaskBackend:
    """Where tasks are enqueued and what runs them.

    The attributes say what it can do: `supports_defer` (a `run_after` in the future), `supports_async_task`
    (`async def` functions), `supports_get_result`, `supports_priority`, `supports_transaction`
    (`connection=`), and `supports_idempotency` (keys, for mail), `is_durable` (what is enqueued outlives the
    process).
    """

    scheme: ClassVar[str] = ""
    supports_defer = False
    supports_async_task = False
    supports_get_result = False
    supports_priority = False
    supports_transaction = False
    supports_idempotency = False
    is_durable = False

    def __init__(self, alias: str = "default") -> None:
        self.alias = alias

    def validate_task(self, task: Task[..., Any]) -> None:
        """Raise `InvalidTask` when this backend cannot do what the task asks for."""
        if task.run_after is not None and not self.supports_defer:
            raise InvalidTask(
                "run_after", task.run_after, f"{self} cannot defer; use sqlite:///path, in tests dummy:"
            )
        if task.priority and not self.supports_priority:
            raise InvalidTask("priority", task.priority, f"{self} has no priorities")
        if task.connection is not None and not self.supports_transaction:
            raise InvalidTask("connection", task.connection, f"{self} cannot join a transaction")
        if task.is_async and not self.supports_async_task:
            raise InvalidTask("func", task.module_path, f"{self} cannot run async functions")
        if self.is_durable and not task.is_importable():
            raise InvalidTask(
                "func",
                task.module_path,
                "a worker cannot import it under this name; define it in a module of its own",
            )

    def enqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Queue one call and return its result."""
        raise NotImplementedError

    async def aenqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Queue one call without blocking the event loop."""
        return await asyncio.to_thread(self.enqueue, task, args, kwargs)

    def enqueue_many(self, task: Task[..., Any], calls: Iterable[Call]) -> list[TaskResult[Any]]:
        """Queue many calls; here one by one, in one step where the engine can."""
        results: list[TaskResult[Any]] = []
        with telling(results):
            for args, kwargs in calls:
                results.append(self.enqueue(task, args, kwargs))
        return results

    async def aenqueue_many(self, task: Task[..., Any], calls: Iterable[Call]) -> list[TaskResult[Any]]:
        """Queue many calls without blocking the event loop."""
        return await asyncio.to_thread(self.enqueue_many, task, calls)

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result kept under this id, or raise `TaskResultDoesNotExist`."""
        raise InvalidTaskBackend(f"{self} keeps no results: {result_id} cannot be retrieved or refreshed")

    async def aget_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result kept under this id without blocking the event loop."""
        return await asyncio.to_thread(self.get_result, result_id)

    def validate_mail(self, options: MailOptions) -> None:
        """Raise `InvalidTask` when this backend cannot queue a mail in this way."""
        durable = f"{self} forgets when the process ends; use sqlite:///path, in tests dummy:"
        for name in ("run_after", "expires", "idempotency_key"):
            value = getattr(options, name)
            if value is not None and not self.is_durable:
                raise InvalidTask(name, value, durable)
        if options.idempotency_key is not None and not self.supports_idempotency:
            raise InvalidTask("idempotency_key", options.idempotency_key, f"{self} has nowhere to keep it")
        if options.priority and not self.supports_priority:
            raise InvalidTask("priority", options.priority, f"{self} has no priorities")
        if options.connection is not None and not self.supports_transaction:
            raise InvalidTask("connection", options.connection, f"{self} cannot join a transaction")

    def enqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Queue mails and return their tickets: what `message.enqueue` calls."""
        raise InvalidTaskBackend(f"{self} does not queue mail")

    async def aenqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Queue mails without blocking the event loop."""
        return await asyncio.to_thread(self.enqueue_mail, parcels, options)

    def get_ticket(self, ticket_id: str) -> Ticket:
        """Return the ticket with this id, or raise `TaskResultDoesNotExist`."""
        raise InvalidTaskBackend(f"{self} keeps no tickets: {ticket_id} cannot be looked up")

    def close(self) -> None:
        """Finish what is queued in process, and give back what is held open."""

    async def aclose(self) -> None:
        """Close without blocking the event loop."""
        await asyncio.to_thread(self.close)

    def make_result(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Return a READY result with a new id, its arguments checked and normalised: how `enqueue` begins."""
        self.validate_task(task)
        return TaskResult(
            task,
            new_id(),
            [normalise(value, f"args[{at}]") for at, value in enumerate(args)],
            {name: normalise(value, name) for name, value in kwargs.items()},
            enqueued_at=datetime.now(UTC),
            backend=self.alias,
        )

    def announce(self, result: TaskResult[Any]) -> None:
        """Tell the receivers of `task_enqueued`: how `enqueue` ends, once the task is stored."""
        task_enqueued.send(type(self), result)

    def __str__(self) -> str:
        return f"the task backend {self.alias!r} ({self.scheme or type(self).__name__}:)"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"


@contextmanager
def telling(enqueued: Sequence[Any]) -> Iterator[None]:
    """When the queue fails in the middle of many, say in its error which it has: nobody could tell them from the others."""
    try:
        yield
    except QueueError as error:
        error.enqueued = tuple(enqueued)
        raise


def new_id() -> str:
    """Return a new random id of 32 characters."""
    return secrets.token_hex(16)


def new_worker_id() -> str:
    """Return a name for a worker that no other worker has: host, process and chance."""
    import os

    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
