"""A mail that kills its worker, by the memory it takes say: it is found out, and holds nobody up for ever."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

import modernmail
from modernmail import Message, tasks
from modernmail.tasks.sqlite.lease import Lease
from modernmail.tasks.sqlite.mail import MailStore
from modernmail.tasks.sqlite.recovery import recover
from modernmail.tasks.worker import Worker
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from modernmail.tasks.sqlite import SQLiteBackend


def mails(number: int) -> list[Any]:
    """Enqueue so many mails."""
    return tasks.enqueue_many(
        Message("Hello", "Text", to=[f"you{each}@example.com"]) for each in range(number)
    )


def die(backend: SQLiteBackend, at_most: int) -> list[int]:
    """Have a worker take so many mails at most, and die before any is sent; return the ids of what it took."""
    jobs = Lease(backend.database, "w", 30).claim(lambda lane: at_most)
    backend.database.execute("UPDATE modernmail_lease SET until = 0")
    recover(backend.database)
    return [job.id for job in jobs]


def work(backend: SQLiteBackend) -> list[dict[str, Any]]:
    """Run a worker until nothing is left to do now, and return what it reported."""
    reported: list[dict[str, Any]] = []
    Worker(backend, until_empty=True, concurrency=1, report=reported.append).run()
    return reported


def test_a_mail_that_workers_die_of_is_put_off(
    backend: SQLiteBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Alone from the second time on, taking no other along; after five it waits, and all others are sent; then it is tried
    again, since the workers may have died of something else."""
    poison, *others = mails(10)
    number = int(poison.id, 16)
    taken = [die(backend, 100) for _ in range(5)]
    assert [len(ids) for ids in taken] == [10, 1, 1, 1, 1]
    assert {ids[0] for ids in taken} == {number}
    assert {tasks.get_ticket(each.id).status for each in (poison, *others)} == {"queued"}
    reported = work(backend)
    poison.refresh()
    assert poison.status == "deferred"
    assert "5 workers died with it" in str(poison.state)
    assert "5 workers died with it" in caplog.text
    assert {tasks.get_ticket(each.id).status for each in others} == {"accepted"}
    assert [line["phase"] for line in reported] == ["waiting"] + ["accepted"] * 9
    MailStore(backend).retry(poison.id)
    assert [line["phase"] for line in work(backend)] == ["accepted"]


def test_a_mail_that_goes_on_killing_waits_longer_each_time_and_expires(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each further worker it waits along the schedule of attempts, until its patience is over; `resend` begins anew."""
    (ticket,) = mails(1)
    store = MailStore(backend)
    for _ in range(4):
        die(backend, 1)
    waits = []
    for _ in range(4):
        assert len(die(backend, 1)) == 1
        work(backend)
        ticket.refresh()
        assert ticket.next_attempt_at is not None
        waits.append((ticket.next_attempt_at - datetime.now(UTC)).total_seconds())
        store.retry(ticket.id)
    for wait, planned in zip(waits, (60, 300, 900, 1800), strict=True):
        assert 0.7 * planned < wait < 1.3 * planned
    die(backend, 1)
    backend.database.execute("UPDATE modernmail_job SET enqueued_at = enqueued_at - ?", (3 * 86_400,))
    work(backend)
    ticket.refresh()
    assert (ticket.status, ticket.is_finished) == ("expired", True)
    assert "workers died with it" in str(ticket.state)
    store.resend(ticket.id)
    work(backend)
    ticket.refresh()
    assert ticket.status == "accepted"


def test_a_mail_that_its_worker_lives_through_is_no_poison(backend: SQLiteBackend) -> None:
    """What comes of it is all that counts from then on: workers that died of other things are forgotten."""
    (ticket,) = mails(1)
    with ScriptedSMTPServer([Rule("RCPT").reply("451 4.7.1 later")]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        for _ in range(3):
            for _ in range(4):
                die(backend, 1)
            work(backend)
            ticket.refresh()
            assert ticket.status == "deferred"
            MailStore(backend).retry(ticket.id)
        modernmail.mailers["default"].close()


def test_a_doubtful_mail_behind_others_is_given_back(backend: SQLiteBackend) -> None:
    """A claim ends before it: those in front go in one stream, then it goes alone, then the others."""
    front, doubtful, *others = mails(6)
    backend.database.execute(
        'UPDATE modernmail_job SET outcome = \'{"recipients":{},"lost":1}\' WHERE id = ?',
        (int(doubtful.id, 16),),
    )
    lines = work(backend)
    assert [line["id"] for line in lines] == [each.id for each in (front, doubtful, *others)]
    assert {line["attempt"] for line in lines} == {1}


@pytest.mark.parametrize("outcome", ["not json", "[]", '{"recipients": 5}', '{"lost": "many"}'])
def test_an_outcome_that_cannot_be_read_is_left_as_it_is(backend: SQLiteBackend, outcome: str) -> None:
    """Nobody knows what became of it: it does not become poison, and no worker fails over it."""
    (ticket,) = mails(1)
    backend.database.execute("UPDATE modernmail_job SET outcome = ?", (outcome,))
    for _ in range(6):
        die(backend, 1)
    work(backend)
    assert tasks.get_ticket(ticket.id).status in ("unknown", "deferred")
