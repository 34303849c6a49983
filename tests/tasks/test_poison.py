"""A mail that kills its worker, by the memory it takes say: it is found out, and holds nobody up for ever."""

from __future__ import annotations

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


def test_a_mail_that_workers_die_of_is_given_up(
    backend: SQLiteBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Alone from the second time on, taking no other along; after five the worker refuses it, and all others are sent."""
    poison, *others = mails(10)
    number = int(poison.id, 16)
    taken = [die(backend, 100) for _ in range(5)]
    assert [len(ids) for ids in taken] == [10, 1, 1, 1, 1]
    assert {ids[0] for ids in taken} == {number}
    assert {tasks.get_ticket(each.id).status for each in (poison, *others)} == {"queued"}
    reported = work(backend)
    poison.refresh()
    assert (poison.status, poison.is_finished) == ("rejected", True)
    assert "5 workers died with it" in str(poison.state)
    assert "5 workers died with it" in caplog.text
    assert {tasks.get_ticket(each.id).status for each in others} == {"accepted"}
    assert [line["phase"] for line in reported] == ["rejected"] + ["accepted"] * 9


def test_a_mail_that_was_given_up_may_be_resent(backend: SQLiteBackend) -> None:
    """When there is more memory, say: it begins anew, also one that a server had put off before."""
    with ScriptedSMTPServer([Rule("RCPT").reply("451 4.7.1 later")]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        (ticket,) = mails(1)
        work(backend)
        modernmail.mailers["default"].close()
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    store = MailStore(backend)
    store.retry(ticket.id)
    for _ in range(5):
        die(backend, 1)
    work(backend)
    ticket.refresh()
    assert ticket.status == "rejected"
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
    assert tasks.get_ticket(ticket.id).status in ("unknown", "rejected")
