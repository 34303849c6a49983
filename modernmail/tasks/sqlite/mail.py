"""The mail in a SQLite queue: `MailStore` puts it in, finds it, and does what people ask of single mails.

Rules of the file: what a worker holds is left alone; whoever is accepted or rejected stays so; each change is
made in one transaction with the state it was decided on.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from modernmail.errors import QueueError, TaskResultDoesNotExist
from modernmail.tasks.mailjob import LANE, described, state_of
from modernmail.tasks.moment import moment_at
from modernmail.tasks.recipients import phase_of, settled, status_of
from modernmail.tasks.ticket import Ticket

from .backlog import backlog_of
from .boot import boot_id
from .identifier import to_number, to_text
from .job import SELECTED, Job, forget_deaths
from .pause import Pauses
from .recovery import is_held

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modernmail.tasks.recipients import State

    from .backend import SQLiteBackend
    from .backlog import Backlog

_PAGE = 500
# Which mails may have a recipient of a status, unless it is one of `_MIXED`: the others are not even read.
_WHERE = {
    "queued": "phase IN ('waiting', 'queued')",
    "deferred": "phase IN ('waiting', 'queued') AND outcome IS NOT NULL",
    "sending": "phase IN ('leased', 'content')",
    "accepted": "TRUE",
}
_LIST = f"SELECT {SELECTED} FROM modernmail_job WHERE lane >= 'mail:' AND lane < 'mail;' AND id > ?"  # noqa: S608
# Mails whose recipients all have one status, as nearly all are: SQLite counts a hundred thousand before Python had ten thousand.
_IS_ALIKE = "(phase = 'accepted' OR phase IN ('queued', 'waiting') AND outcome IS NULL)"
_MIXED = f"NOT {_IS_ALIKE}"
_ALIKE = f"""SELECT CASE phase WHEN 'accepted' THEN 'accepted' ELSE 'queued' END AS status, sum(coalesce(
    CASE WHEN json_valid(payload) THEN json_array_length(payload, '$.envelope.recipients') END, 1))
    FROM modernmail_job WHERE lane >= 'mail:' AND lane < 'mail;' AND {_IS_ALIKE} GROUP BY status"""  # noqa: S608
_CHANGE = """UPDATE modernmail_job SET phase = ?, outcome = ?, run_after = ?, holder = NULL,
    finished_at = ?, attempts = ?, expires = ? WHERE id = ? AND lease IS NULL"""
_DEFERRED = """SELECT id FROM modernmail_job
    WHERE phase = 'waiting' AND outcome IS NOT NULL AND lane >= 'mail:' AND lane < 'mail;'"""
_RETRY = """UPDATE modernmail_job SET phase = 'queued', run_after = ?
    WHERE id IN (SELECT value FROM json_each(?)) AND phase = 'waiting' RETURNING id"""
_MAY_BE_SENT = """SELECT id FROM modernmail_job WHERE lane >= 'mail:' AND lane < 'mail;'
    AND (phase IN ('queued', 'leased', 'content') OR phase = 'waiting' AND run_after <= ?)"""
_PARK = """UPDATE modernmail_job SET phase = 'unknown', lease = NULL, holder = NULL, finished_at = ?
    WHERE id IN (SELECT value FROM json_each(?)) AND phase IN ('queued', 'waiting', 'leased', 'content') RETURNING id"""
_STEP = 1000  # mails that one transaction changes: some milliseconds, in which nobody else can write


class MailStore:
    """The mail of one queue."""

    def __init__(self, backend: SQLiteBackend) -> None:
        self.backend = backend
        self.pauses = Pauses(backend.database)

    def ticket(self, ticket_id: str) -> Ticket:
        """Return the ticket with this id, or raise `TaskResultDoesNotExist`."""
        return self._ticket(self._job(ticket_id))

    def content(self, ticket_id: str) -> bytes | None:
        """Return the stored content of a mail; None when it was dropped because all is done."""
        return self.backend.jobs.content(self._job(ticket_id).id)

    def tickets(self, status: str | None = None) -> Iterator[Ticket]:
        """Yield the mails in order of arrival; with a status, those with a recipient of that status."""
        for ticket in self._found("TRUE" if status is None else _WHERE.get(status, _MIXED)):
            if status is None or status in ticket.recipients.values():
                yield ticket

    def _found(self, condition: str) -> Iterator[Ticket]:
        last = 0
        sql = f"{_LIST} AND {condition} ORDER BY id LIMIT {_PAGE}"
        while rows := self.backend.database.rows(sql, (last,)):
            yield from (self._ticket(Job.from_row(row)) for row in rows)
            last = rows[-1][0]  # type: ignore[assignment]

    def counts(self) -> dict[str, int]:
        """Return how many recipients there are of each status."""
        found: dict[str, int] = {}
        for status, count in self.backend.database.rows(_ALIKE):
            found[str(status)] = int(count)  # type: ignore[call-overload]
        for ticket in self._found(_MIXED):
            for status, count in ticket.counts.items():
                found[status] = found.get(status, 0) + count
        return found

    def retry(self, ticket_id: str) -> Ticket:
        """Try the deferred recipients of a mail now, and let its mailer go on if it was paused."""

        def now(job: Job, _: list[str], state: State) -> tuple[str, State]:
            if job.phase not in ("waiting", "queued"):
                raise QueueError(
                    f"mail {ticket_id} is {job.phase}: nobody in it is waiting for another attempt"
                )
            self.pauses.end(job.lane)
            return "queued", state

        return self._change(ticket_id, now)

    def retry_all(self) -> Iterator[str]:
        """Try all mail now that waits for another attempt, whether or not its mailer is paused; yield the ids."""
        # Lost with the power, it waits as it did.
        yield from self._in_steps(_DEFERRED, (), _RETRY, durable=False)

    def park(self) -> Iterator[str]:
        """Take all mail for unknown that may have been sent since this file was copied; yield the ids.

        A backup knows nothing of what was sent after it was made. What has a time of its own that is yet to come waits on.
        Raises `QueueError` while a worker holds mail.
        """
        if is_held(self.backend.database):
            raise QueueError("a worker holds jobs of this queue: stop all workers first")
        yield from self._in_steps(_MAY_BE_SENT, (time.time(),), _PARK, durable=True)

    def _in_steps(
        self, which: str, parameters: tuple[object, ...], change: str, *, durable: bool
    ) -> Iterator[str]:
        database = self.backend.database
        found = sorted(row[0] for row in database.rows(which, parameters))  # type: ignore[type-var]
        for at in range(0, len(found), _STEP):
            ids = json.dumps(found[at : at + _STEP])
            with database.write(durable=durable) as connection:
                changed = connection.execute(change, (time.time(), ids)).fetchall()
            yield from (to_text(number) for number in sorted(row[0] for row in changed))

    def backlog(self) -> Backlog:
        """Return what is to be done now and later, and for how long it could have been done."""
        return backlog_of(self.backend.database, time.time(), time.monotonic(), boot_id())

    def resend(self, ticket_id: str) -> Ticket:
        """Send a mail again to those whose outcome is unknown or expired, or who were refused here: some may get it
        twice.

        Refused here is who no server was asked about: the payload was rejected, or a file was gone. The mail's
        schedule begins anew. Raises `QueueError` when there is nobody to send to again.
        """

        def anew(job: Job, recipients: list[str], state: State) -> tuple[str, State]:
            for name in recipients:
                status = status_of(name, state, job.phase)
                if status in ("unknown", "expired"):  # as the mail is, whatever was heard of him before
                    state[name] = {**state.get(name, {}), "status": status}
            again = {name for name in recipients if name in state and _may_be_resent(state[name])}
            after = {name: known for name, known in state.items() if name not in again}
            if not again:
                raise QueueError(
                    f"mail {ticket_id} has no recipient that is unknown, expired, or was refused here"
                )
            if self.backend.jobs.content(job.id) is None:
                raise QueueError(f"the content of mail {ticket_id} is gone: it cannot be sent again")
            return "queued", after

        return self._change(ticket_id, anew, is_new=True)

    def discard(self, ticket_id: str) -> Ticket:
        """Give a mail up: whoever was not reached yet never will be, and what is unknown is settled."""

        def given_up(job: Job, recipients: list[str], state: State) -> tuple[str, State]:
            for name in recipients:
                if status_of(name, state, job.phase) == "unknown":
                    state[name] = {**state.get(name, {}), "status": "deferred"}
            after = settled(recipients, state, "discarded", "discarded by hand", time.time())
            if after == state:
                raise QueueError(f"mail {ticket_id} is {job.phase}: there is nothing to discard")
            return phase_of(recipients, after), after

        return self._change(ticket_id, given_up)

    def _change(
        self,
        ticket_id: str,
        decide: Callable[[Job, list[str], State], tuple[str, State]],
        *,
        is_new: bool = False,
    ) -> Ticket:
        job = self._job(ticket_id)
        recipients, state = _read(job)
        phase, state = decide(job, recipients, state)
        now = time.time()
        due, ended = (now, None) if phase in ("waiting", "queued") else (None, now)
        attempts, expires = (0, None) if is_new else (job.attempts, job.expires)
        outcome = {**job.known, "recipients": state}
        if is_new:
            outcome["since"] = now
            forget_deaths(outcome)
        parameters = (phase, json.dumps(outcome), due, ended, attempts, expires, job.id)
        with self.backend.database.write() as connection:
            same = "SELECT 1 FROM modernmail_job WHERE id = ? AND phase = ? AND outcome IS ?"
            is_same = connection.execute(same, (job.id, job.phase, job.outcome)).fetchone() is not None
            if not is_same or connection.execute(_CHANGE, parameters).rowcount != 1:
                raise QueueError(
                    f"mail {ticket_id} is in a worker's hands now: try again when it has been sent"
                )
        return self.ticket(ticket_id)

    def _job(self, ticket_id: str) -> Job:
        number = to_number(ticket_id)
        job = None if number is None else self.backend.jobs.find(number)
        if job is None or not job.lane.startswith("mail:"):
            raise TaskResultDoesNotExist(f"{self.backend} has no mail {ticket_id!r}")
        return job

    def ticket_of(self, job: Job, state: State) -> Ticket:
        """Return the ticket of a job with this state of its recipients."""
        message_id, envelope = described(job)
        return Ticket(
            to_text(job.id),
            message_id=message_id,
            envelope=envelope,
            mailer=job.lane.removeprefix(LANE),
            phase=job.phase,
            state=state,
            attempts=job.attempts,
            queue_name=job.queue,
            priority=job.priority,
            enqueued_at=moment_at(job.enqueued_at),
            next_attempt_at=moment_at(job.run_after) if job.phase == "waiting" else None,
            expires=moment_at(job.expires),
            idempotency_key=job.key,
            reread=self.ticket,
        )

    def _ticket(self, job: Job) -> Ticket:
        return self.ticket_of(job, _read(job)[1])


def _read(job: Job) -> tuple[list[str], State]:
    recipients = list(described(job)[1].recipients)
    return recipients, state_of(job, recipients)


def _may_be_resent(known: dict[str, Any]) -> bool:
    if known["status"] == "rejected":
        return known.get("phase") == "local"
    return known["status"] in ("unknown", "expired")
