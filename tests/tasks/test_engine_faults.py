"""Foreign engines and the faults around them: a store of records that is down, deliveries that come twice, layers that fail.

The engine here is a list, and its store of records a dictionary, so that each can fail at a known step.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import chores
import pytest
from working import outbox

import modernmail
from modernmail import Message, tasks
from modernmail.errors import ConfigurationError, PayloadRejected, QueueUnavailable
from modernmail.layers.layer import Layer
from modernmail.registry import mailers
from modernmail.tasks import Schedule
from modernmail.tasks.engine import EngineBackend
from modernmail.tasks.performer import SORRY
from modernmail.tasks.slip import Slip
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import IO


class Shelf(EngineBackend):
    """An engine that is a list; `fails_at` are the numbers of the writes of records that fail."""

    supports_get_result = True

    def __init__(self) -> None:
        super().__init__(schedule=Schedule.from_text("0", patience=100_000))
        self.jobs: list[str] = []
        self.waits: list[float] = []
        self.records: dict[str, str] = {}
        self.writes = 0
        self.fails_at: set[int] = set()
        self.refuses = 0

    def put(self, slip: Slip, *, wait: float, connection: Any = None, key: str | None = None) -> None:
        """Add a slip to the list, unless it is one of the next that are refused."""
        if self.refuses:
            self.refuses -= 1
            raise QueueUnavailable("the broker is away")
        self.jobs.append(slip.to_text())
        self.waits.append(wait)

    def keep(self, slip: Slip, connection: Any = None) -> None:
        """Write the record, or fail."""
        self.writes += 1
        if self.writes in self.fails_at:
            raise QueueUnavailable("the result backend cannot be used")
        self.records[slip.id] = slip.to_text()

    def advance(self, slip: Slip, before: str | None, connection: Any = None) -> bool:
        """Write the record if it is what it was."""
        if self.records.get(slip.id) != before:
            return False
        self.keep(slip, connection)
        return True

    def look_up(self, slip_id: str, connection: Any = None) -> str | None:
        """Read the record."""
        return self.records.get(slip_id)

    def deliver(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Deliver what is on the list, and what is put there meanwhile, each when its time has come."""
        later = time.time()
        deadline = 20
        while self.jobs and (deadline := deadline - 1):
            later += 3600
            monkeypatch.setattr("modernmail.tasks.engine.time.time", lambda now=later: now)
            self.perform(self.jobs.pop(0))
        monkeypatch.undo()
        assert deadline


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    """The default backend, and a mailer in memory."""
    shelf = Shelf()
    tasks.configure(shelf)
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    yield shelf
    modernmail.configure({})


def mail() -> Message:
    """Return a message to two people."""
    return Message("Hello", "Text", to=["a@example.com", "b@example.com"])


@pytest.mark.parametrize("at", [2, 3, 4])
def test_a_mail_outlives_a_store_of_records_that_fails(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Before the attempt, at the commit point or when it is over: the mail is neither lost nor sent twice."""
    ticket = mail().enqueue()
    shelf.fails_at = {at}
    shelf.deliver(monkeypatch)
    ticket.refresh()
    assert (ticket.status, len(outbox())) == ("accepted", 1)
    assert ticket.attempts == 1
    assert shelf.waits == [0, pytest.approx(60, abs=1)]


def test_what_was_sent_is_known_though_it_could_not_be_recorded(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two recipients one is deferred, and the record of that fails: the next attempt goes to that one alone."""
    with ScriptedSMTPServer([Rule("RCPT", contains="b@", session=1).reply("450 4.2.1 later")]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        ticket = mail().enqueue()
        shelf.fails_at = {4}
        shelf.perform(shelf.jobs.pop(0))
        mailers["default"].close()
        shelf.deliver(monkeypatch)
        ticket.refresh()
        mailers["default"].close()
    assert ticket.counts == {"accepted": 2}
    assert [commit.recipients for commit in server.commits] == [("a@example.com",), ("b@example.com",)]


@pytest.mark.parametrize(("at", "runs"), [(2, 1), (3, 1)])
def test_a_task_outlives_a_store_of_records_that_fails(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, at: int, runs: int
) -> None:
    """Before it runs or when it has ended: it runs once, and its result is found."""
    result = chores.note.enqueue("x")
    shelf.fails_at = {at}
    shelf.deliver(monkeypatch)
    result.refresh()
    assert (result.status, chores.done) == ("SUCCESSFUL", ["x"] * runs)


class Broken(Layer):
    """A layer that fails before a mail is sent, or after."""

    def __init__(self, when: str) -> None:
        self.when = when

    async def before(self, parcel: Parcel, io: IO) -> Parcel:
        """Fail once, when it is to be before."""
        when, self.when = self.when, "" if self.when == "before" else self.when
        if when == "before":
            raise ZeroDivisionError("by somebody")
        return parcel

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt:
        """Fail once, when it is to be after."""
        when, self.when = self.when, ""
        if when == "after":
            raise ZeroDivisionError("by somebody")
        return receipt


@pytest.mark.parametrize(("when", "status", "sent"), [("before", "accepted", 1), ("after", "unknown", 1)])
def test_a_fault_that_nobody_foresaw_lets_no_mail_vanish(
    shelf: Shelf,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    when: str,
    status: str,
    sent: int,
) -> None:
    """Before it was sent it is tried again later; after, it is unknown; the log has the traceback."""
    modernmail.configure({
        "default": {"url": "memory:", "from_email": "shop@example.com", "layers": [Broken(when)]}
    })  # fmt: skip
    ticket = mail().enqueue()
    shelf.deliver(monkeypatch)
    ticket.refresh()
    assert (ticket.status, len(outbox())) == (status, sent)
    assert "is put off for 60 s" in caplog.text
    assert "ZeroDivisionError: by somebody" in caplog.text


def test_nothing_is_put_off_for_ever(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A job that nobody can make sense of is put off less and less often, and in the end the engine has it as failed."""
    ticket = mail().enqueue()
    slip = Slip.from_text(shelf.jobs.pop())
    slip.payload = {}
    shelf.records.clear()
    shelf.put(slip, wait=0)
    now = time.time()
    monkeypatch.setattr("modernmail.tasks.engine.time.time", lambda: now)
    for _ in range(200):
        text = shelf.jobs.pop()
        now = Slip.from_text(text).not_before or now
        try:
            shelf.perform(text)
        except KeyError:
            break
    assert ticket.id in caplog.text
    assert 20 < len(shelf.waits) < 50
    assert shelf.jobs == []


@pytest.mark.parametrize("is_early", [False, True], ids=["after an attempt", "before its time"])
def test_a_broker_that_is_away_is_waited_for(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, is_early: bool
) -> None:
    """An engine would take the job for failed, and the mail would be gone: it is handed on when the broker is back, and
    that is said once, and once that it is over."""
    monkeypatch.setattr("modernmail.tasks.performer.SORRY", 0.0)
    ticket = mail().enqueue(run_after=timedelta(seconds=30) if is_early else None)
    shelf.fails_at = set() if is_early else {2}
    shelf.refuses = 3
    shelf.perform(shelf.jobs.pop(0))
    assert len(shelf.jobs) == 1
    told = [record.getMessage() for record in caplog.records if "hand a job on" in record.getMessage()]
    assert ["trying again" in line for line in told] == [True, False]
    shelf.deliver(monkeypatch)
    ticket.refresh()
    assert (ticket.status, len(outbox())) == ("accepted", 1)


def test_an_engine_that_takes_a_job_back_is_told(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the error, after a pause, and delivers the job again."""
    pauses: list[float] = []
    monkeypatch.setattr("modernmail.tasks.engine.time.sleep", pauses.append)
    shelf.takes_back = True
    mail().enqueue()
    shelf.fails_at, shelf.refuses = {2}, 1
    with pytest.raises(QueueUnavailable, match="the broker is away"):
        shelf.perform(shelf.jobs[0])
    assert pauses == [SORRY]


@pytest.mark.parametrize("is_compared", [True, False], ids=["in one step", "in two"])
def test_a_worker_that_was_thought_dead_sends_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch, is_compared: bool
) -> None:
    """At the commit point the record is another worker's: no final dot is written, and the mail is sent once."""
    if not is_compared:
        monkeypatch.setattr(Shelf, "advance", EngineBackend.advance)
    ticket = mail().enqueue()
    real = shelf.advance

    def stalled(slip: Slip, before: str | None, connection: Any = None) -> bool:
        if slip.progress["phase"] == "content":
            monkeypatch.setattr(shelf, "advance", real)
            shelf.perform(shelf.jobs[0])  # its engine gave the job to another, who sends it
        return real(slip, before, connection)

    monkeypatch.setattr(shelf, "advance", stalled)
    shelf.perform(shelf.jobs[0])
    ticket.refresh()
    assert (ticket.status, ticket.attempts, len(outbox())) == ("accepted", 2, 1)
    del shelf.jobs[0]
    shelf.deliver(monkeypatch)
    assert len(outbox()) == 1


def test_two_workers_that_begin_at_once(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """One has the mail; the other looks again later, and finds it done."""
    ticket = mail().enqueue()
    (text,) = shelf.jobs
    real, found = shelf.look_up, []

    def both_look(slip_id: str, connection: Any = None) -> str | None:
        record = real(slip_id)
        if not found:
            found.append(record)
            shelf.perform(text)
        return record

    monkeypatch.setattr(shelf, "look_up", both_look)
    shelf.perform(text)
    assert len(shelf.jobs) == 2
    shelf.deliver(monkeypatch)
    ticket.refresh()
    assert (ticket.status, len(outbox())) == ("accepted", 1)


def test_a_short_key_is_refused_where_the_engine_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to a worker that has a job in hand."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "short")
    with pytest.raises(ConfigurationError, match="has 5 bytes"):
        Shelf()


def test_an_engine_that_fails_in_the_middle_says_what_it_took(shelf: Shelf) -> None:
    """Of three mails the second is refused: the error has the ticket of the first, and only its job is there."""
    shelf.fails_at = {2}
    with pytest.raises(QueueUnavailable) as failed:
        tasks.enqueue_many([mail(), mail(), mail()])
    (ticket,) = failed.value.enqueued
    assert [Slip.from_text(job).id for job in shelf.jobs] == [ticket.id]


def test_a_record_of_another_job_is_none(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever can write the store of records, but has no key, cannot pass one job's result, ticket or end off as another's."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "a secret key of enough bytes")
    done, other = chores.add.enqueue(1), chores.add.enqueue(2)
    first, second = mail().enqueue(), mail().enqueue()
    jobs, shelf.jobs = shelf.jobs, []
    shelf.perform(jobs[0])
    shelf.perform(jobs[2])
    shelf.records |= {other.id: shelf.records[done.id], second.id: shelf.records[first.id]}
    for look in (other.refresh, second.refresh):
        with pytest.raises(PayloadRejected, match="was replaced by that of"):
            look()
    for job in (jobs[1], jobs[3]):
        with pytest.raises(PayloadRejected, match="was replaced by that of"):
            shelf.perform(job)  # the engine keeps it as failed
    assert len(outbox()) == 1


def test_a_job_that_is_nested_too_deeply_is_refused(shelf: Shelf) -> None:
    """What others put on the engine is none of ours, however it fails to be read."""
    for text in ("[" * 200_000, '{"slip": "%s", "signature": null}' % ("[" * 200_000)):
        with pytest.raises(PayloadRejected, match="none of modernmail's"):
            shelf.perform(text)
