"""`sqlite:///path`: tasks that outlive the process, run by `modernmail worker` on the same machine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from modernmail.errors import TaskResultDoesNotExist
from modernmail.tasks.backend import TaskBackend
from modernmail.tasks.jsonvalue import ATOMS, dumps, normalise
from modernmail.tasks.mailjob import packed
from modernmail.tasks.moment import moment_at
from modernmail.tasks.result import TaskResult
from modernmail.tasks.schedule import Schedule
from modernmail.tasks.signals import mail_enqueued, task_enqueued
from modernmail.tasks.signature import queue_key, sign
from modernmail.tasks.ticket import Ticket

from .database import Database
from .identifier import to_number, to_text
from .job import NewJob
from .mail import MailStore
from .queue import Queue
from .taskresult import VERSION, result_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from modernmail.parcel import Parcel
    from modernmail.tasks.mailoptions import MailOptions
    from modernmail.tasks.task import Task
    from modernmail.tasks.url import TaskBackendURL


LANE = "task"


class SQLiteBackend(TaskBackend):
    """Tasks and mail in a SQLite file: what is enqueued is on disk when `enqueue` returns.

    `lease` is how many seconds a worker may be silent before its jobs go to another, `ttl` how many seconds
    an ended job is remembered; `synchronous` is FULL or NORMAL, `patience` the seconds a locked database is
    waited for, `schedule` when deferred mail is tried again.
    """

    scheme = "sqlite"
    supports_defer = True
    supports_async_task = True
    supports_get_result = True
    supports_priority = True
    supports_transaction = True
    supports_idempotency = True
    is_durable = True

    def __init__(
        self,
        path: str,
        alias: str = "default",
        *,
        lease: float = 30.0,
        ttl: float = 7 * 86_400.0,
        synchronous: str = "FULL",
        patience: float = 30.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(alias)
        self.lease = lease
        self.schedule = schedule or Schedule()
        self.ttl = ttl
        self.database = Database(path, synchronous=synchronous, patience=patience)
        self.jobs = Queue(self.database)
        # The last one that was looked at: often it is the next one too.
        self._valid: Task[..., Any] | None = None

    def enqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Store one call and return its result.

        Raises `QueueUnavailable` when the file is locked for too long, read-only, full or corrupt.
        """
        job, result = self._made(task, args, kwargs)
        result.id = to_text(self.jobs.insert(job, task.connection))
        if task_enqueued.has_receivers:
            self.announce(result)
        return result

    async def aenqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Store one call, in one commit with those that other coroutines enqueue at the same time."""
        if task.connection is not None:
            return await super().aenqueue(task, args, kwargs)
        job, result = self._made(task, args, kwargs)
        result.id = to_text(await self.jobs.ainsert(job))
        self.announce(result)
        return result

    def enqueue_many(
        self, task: Task[..., Any], calls: Iterable[tuple[Sequence[Any], Mapping[str, Any]]]
    ) -> list[TaskResult[Any]]:
        """Store many calls in one transaction: all or none."""
        self._check(task)
        now, name, key = datetime.now(UTC), task.module_path, self.key
        checked = [_arguments(args, kwargs) for args, kwargs in calls]
        payloads = [{"v": VERSION, "args": args, "kwargs": kwargs} for args, kwargs in checked]
        signed = None if key is None else lambda text: sign(key, name, text)
        numbers = self.jobs.insert_alike(self._job(task, "", None, now), payloads, signed, task.connection)
        results: list[TaskResult[Any]] = [
            TaskResult(task, to_text(number), args, kwargs, enqueued_at=now, backend=self.alias)
            for number, (args, kwargs) in zip(numbers, checked, strict=True)
        ]
        if task_enqueued.has_receivers:
            for result in results:
                self.announce(result)
        return results

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result of a stored task, for `ttl` seconds after it ended."""
        number = to_number(result_id)
        job = None if number is None else self.jobs.find(number)
        if job is None or job.lane != LANE:
            raise TaskResultDoesNotExist(f"{self} keeps no result {result_id!r}")
        return result_of(job, self.alias, self.key)

    def enqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Store mails: all or none, and within the caller's transaction when there is a connection."""
        self.validate_mail(options)
        jobs = [packed(parcel, options, self.key) for parcel in parcels]
        if len(jobs) == 1:
            numbers = [self.jobs.insert(jobs[0], options.connection)]
        else:
            numbers = self.jobs.insert_many(jobs, options.connection)
        return self._tickets(numbers, parcels, options)

    async def aenqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Store mails; a single one in one commit with what other coroutines enqueue at the same time."""
        if len(parcels) != 1 or options.connection is not None or options.idempotency_key is not None:
            return await super().aenqueue_mail(parcels, options)
        self.validate_mail(options)
        job = await asyncio.to_thread(packed, parcels[0], options, self.key)
        return self._tickets([await self.jobs.ainsert(job)], parcels, options)

    def _tickets(
        self, numbers: Sequence[int], parcels: Sequence[Parcel], options: MailOptions
    ) -> list[Ticket]:
        if options.idempotency_key is not None and options.connection is None:
            # The key may be that of an earlier mail, wherever that one stands now.
            tickets = [self.get_ticket(to_text(number)) for number in numbers]
        else:
            tickets = [
                Ticket(
                    to_text(number),
                    message_id=parcel.message_id,
                    envelope=parcel.envelope,
                    mailer=options.using,
                    queue_name=options.queue_name,
                    priority=options.priority,
                    phase="queued" if options.starts_at is None else "waiting",
                    next_attempt_at=moment_at(options.starts_at),
                    expires=moment_at(options.expires_at),
                    idempotency_key=options.idempotency_key,
                    reread=self.get_ticket,
                )
                for number, parcel in zip(numbers, parcels, strict=True)
            ]
        for ticket, parcel in zip(tickets, parcels, strict=True):
            if ticket.message_id == parcel.message_id:
                mail_enqueued.send(type(self), ticket)
        return tickets

    def get_ticket(self, ticket_id: str) -> Ticket:
        """Return the ticket with this id; `TaskResultDoesNotExist` when there is none (any more)."""
        return MailStore(self).ticket(ticket_id)

    def __str__(self) -> str:
        return f"the task backend {self.alias!r} ({self.database.path})"

    def close(self) -> None:
        """Close the file; the next use opens it again, and reads the key again that jobs are signed with."""
        self.__dict__.pop("key", None)
        self.database.close()

    @cached_property
    def key(self) -> str | None:
        """The key that jobs are signed with: MODERNMAIL_QUEUE_KEY, as it was when it was first needed."""
        return queue_key()

    def _made(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[NewJob, TaskResult[Any]]:
        """Return the job and the result of one call."""
        if task is not self._valid:
            self._check(task)
        now = datetime.now(UTC)
        listed, named = _arguments(args, kwargs)
        payload = f'{{"v":{VERSION},"args":{dumps(listed) if listed else "[]"},"kwargs":{dumps(named)}}}'
        signature = None if self.key is None else sign(self.key, task.module_path, payload)
        job = self._job(task, payload, signature, now)
        return job, TaskResult(task, "", listed, named, enqueued_at=now, backend=self.alias)

    def _check(self, task: Task[..., Any]) -> None:
        self.validate_task(task)
        self._valid = task

    def _job(self, task: Task[..., Any], payload: str, signature: str | None, now: datetime) -> NewJob:
        starts = None if task.run_after is None else task.starts_at(now)
        run_after = None if starts is None else starts.timestamp()
        return NewJob(
            LANE, task.module_path, payload, task.queue_name, task.priority, run_after, None, signature
        )


def _arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return arguments as JSON values of their own."""
    listed = [normalise(value, f"args[{at}]") for at, value in enumerate(args)] if args else []
    return listed, {
        name: value if type(value) in ATOMS else normalise(value, name) for name, value in kwargs.items()
    }


def from_url(alias: str, url: TaskBackendURL) -> SQLiteBackend:
    """Return the backend for `sqlite:///path?lease=30&ttl=604800&synchronous=FULL&patience=30&retry=60,300`."""
    expire = url.seconds("expire", 2 * 86_400.0)
    retry = url.text("retry", "")
    return SQLiteBackend(
        url.path,
        alias,
        lease=url.seconds("lease", 30.0, least=0.1),
        ttl=url.seconds("ttl", 7 * 86_400.0),
        synchronous=url.choice("synchronous", "FULL", ("FULL", "NORMAL")),
        patience=url.seconds("patience", 30.0),
        schedule=Schedule.from_text(retry, patience=expire) if retry else Schedule(patience=expire),
    )
