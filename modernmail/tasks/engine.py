"""What every adapter to a foreign engine has in common: `EngineBackend`.

An adapter says how a slip is handed to its engine (`put`), how a record is kept and found again (`keep`,
`look_up`, where the engine has somewhere to keep it), and has the engine's worker call `perform` with each
slip (`performer.py`).

Rules of the file: a record is never put in the place of a later one; a long wait is made of short ones (`longest_wait`), since
engines lose or double what they hold for long.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from modernmail.errors import InvalidTask, QueueUnavailable, TaskResultDoesNotExist

from .backend import TaskBackend, new_worker_id, telling
from .enginemail import mail_slip, ticket_of
from .mailjob import digest
from .performer import Performer
from .schedule import Schedule
from .signals import mail_enqueued
from .signature import queue_key
from .slip import Slip

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from modernmail.parcel import Parcel

    from .mailoptions import MailOptions
    from .result import TaskResult
    from .task import Task
    from .ticket import Ticket

LONGEST_JOB = 5400.0  # seconds for a job of an engine that limits them: beyond every time-out of a mail


class EngineBackend(TaskBackend):
    """Tasks and mail on a foreign engine."""

    supports_defer = True
    supports_async_task = True
    is_durable = True
    longest_wait = 600.0  # seconds that the engine is trusted to hold a slip back
    takes_back = False  # whether it delivers a slip again when `perform` has raised `QueueUnavailable`

    def __init__(self, alias: str = "default", *, schedule: Schedule | None = None) -> None:
        super().__init__(alias)
        self.schedule = schedule or Schedule()
        self._worker = new_worker_id()
        self._performer = Performer(self, self._worker)
        queue_key()  # a key that is none is said here, and not to a worker that has a job in hand

    def put(self, slip: Slip, *, wait: float, connection: Any = None, key: str | None = None) -> None:
        """Hand a slip to the engine, to be delivered after `wait` seconds."""
        raise NotImplementedError

    def keep(self, slip: Slip, connection: Any = None) -> None:
        """Keep the slip's text as its record, in place of an earlier one; nothing where there is no place."""

    def advance(self, slip: Slip, before: str | None, connection: Any = None) -> bool:
        """Keep the slip if its record still is the text `before`, None for none; False when it is another by now.

        An engine's records cannot be compared and written in one step: here it is done in two, in a `turn` of our own. Where
        nobody is kept out of that, what parts two workers is that brokers deliver again seconds or minutes apart.
        """
        with self.turn(slip.id):
            if self.supports_get_result and self.look_up(slip.id, connection) != before:
                return False
            self.keep(slip, connection)
        return True

    def turn(self, slip_id: str) -> AbstractContextManager[object]:
        """Be the only one that looks at the record with this id and changes it, where the store of records has such a thing."""
        return nullcontext()

    @contextmanager
    def results_explained(self) -> Iterator[None]:
        """Do something with an engine's result backend, every kind of which raises errors of its own: they become ours."""
        try:
            yield
        except QueueUnavailable:
            raise
        except Exception as error:
            raise QueueUnavailable(f"{self}: the result backend cannot be used: {error}") from error

    @contextmanager
    def broker_explained(self) -> Iterator[None]:
        """Hand something to an engine's broker, which raises what its transport does when it is away or full: it becomes
        ours."""
        try:
            yield
        except Exception as error:
            raise QueueUnavailable(f"{self}: the broker did not take it: {error}") from error

    def look_up(self, slip_id: str, connection: Any = None) -> str | None:
        """Return the record with this id; None when there is none, or nowhere to keep one."""
        return None

    def enqueue(
        self, task: Task[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> TaskResult[Any]:
        """Hand one call to the engine and return its result."""
        result = self.make_result(task, args, kwargs)
        starts = None if result.enqueued_at is None else task.starts_at(result.enqueued_at)
        slip = Slip.of_result(result, None if starts is None else starts.timestamp())
        self.submit(slip, connection=task.connection)
        self.announce(result)
        return result

    def get_result(self, result_id: str) -> TaskResult[Any]:
        """Return the result of a task from its record."""
        if not self.supports_get_result:
            return super().get_result(result_id)
        slip = self.recorded(result_id)
        if slip is None or slip.kind != "task":
            raise TaskResultDoesNotExist(f"{self} keeps no result {result_id!r}")
        return slip.result(self.alias)

    def enqueue_mail(self, parcels: Sequence[Parcel], options: MailOptions) -> list[Ticket]:
        """Hand mails to the engine, one by one, and return their tickets."""
        self.validate_mail(options)
        if options.by_reference:
            raise InvalidTask(
                "by_reference", True, f"{self}: its workers may be on machines without these files"
            )
        tickets: list[Ticket] = []
        with telling(tickets):
            for parcel in parcels:
                tickets.append(self._handed_over(parcel, options))  # noqa: PERF401  # some, when one fails
        return tickets

    def _handed_over(self, parcel: Parcel, options: MailOptions) -> Ticket:
        slip = mail_slip(parcel, options)
        key = options.idempotency_key
        if key is not None:
            holder = self.take_key(slip.id, key, digest(parcel, options.using).hex(), options.connection)
            if holder != slip.id:
                record = self.recorded(holder, options.connection)
                if record is not None:
                    return ticket_of(record, self)
                slip.id = holder  # who took the key has not come to hand it over, or died before: it is done for him
        self.submit(slip, connection=options.connection, key=key)
        ticket = ticket_of(slip, self)
        mail_enqueued.send(type(self), ticket)
        return ticket

    def take_key(self, slip_id: str, key: str, digest: str, connection: Any = None) -> str:
        """Reserve an idempotency key; return the id of the slip that has it."""
        raise InvalidTask("idempotency_key", key, f"{self} has nowhere to keep it")

    def get_ticket(self, ticket_id: str) -> Ticket:
        """Return the ticket of a mail from its record."""
        if not self.supports_get_result:
            return super().get_ticket(ticket_id)
        slip = self.recorded(ticket_id)
        if slip is None or slip.kind != "mail":
            raise TaskResultDoesNotExist(f"{self} has no mail {ticket_id!r}")
        return ticket_of(slip, self)

    def submit(self, slip: Slip, *, connection: Any = None, key: str | None = None) -> None:
        """Record a slip, and hand it to the engine for its time."""
        # Recorded first: a quick worker's record must not be overwritten by ours.
        self.keep(slip, connection)
        self.hand(slip, connection=connection, key=key)

    def recorded(self, slip_id: str, connection: Any = None) -> Slip | None:
        """Return the slip of the record with this id, None when there is none."""
        text = self.look_up(slip_id, connection)
        return None if text is None else Slip.of_record(slip_id, text)

    def perform(self, text: str) -> None:
        """Run what the engine delivered: called by its worker. Returns when the slip may be acknowledged.

        Raises `PayloadRejected` for one of a newer release, or with a wrong signature: the engine has failed with it, and
        keeps it as it keeps such jobs.
        """
        self._performer.perform(text)

    def hand(self, slip: Slip, *, connection: Any = None, key: str | None = None) -> None:
        """Hand a slip to the engine, for its time or for as much of the wait as the engine is trusted with."""
        wait = 0.0 if slip.not_before is None else max(0.0, slip.not_before - time.time())
        self.put(slip, wait=min(wait, self.longest_wait), connection=connection, key=key)
