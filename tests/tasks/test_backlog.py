"""What is still to be done, and since when it could have been: `outbox stats`, `outbox health`, and what `retry` makes of it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

import modernmail
from modernmail import Message, tasks
from modernmail.cli.app import app
from modernmail.errors import QueueError
from modernmail.tasks.sqlite import mail as mail_module
from modernmail.tasks.sqlite.backlog import Backlog
from modernmail.tasks.sqlite.lease import Lease
from modernmail.tasks.sqlite.mail import MailStore
from modernmail.tasks.sqlite.recovery import recover, wake
from modernmail.tasks.worker import Worker
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from click.testing import Result

    from modernmail.tasks.sqlite import SQLiteBackend

HOUR = timedelta(hours=1)


def mails(number: int, **options: Any) -> list[Any]:
    """Enqueue so many mails."""
    return tasks.enqueue_many(
        (Message("Hello", "Text", to=[f"you{each}@example.com"]) for each in range(number)), **options
    )


def told(backend: SQLiteBackend) -> dict[str, Any]:
    """Return what there is to do, times in whole minutes."""
    found = MailStore(backend).backlog()
    return {
        name: value if value is None or isinstance(value, int) else round(value / 60)
        for name, value in found._asdict().items()
    }


def older(backend: SQLiteBackend, minutes: float) -> None:
    """Have all that is queued and has no time of its own be so many minutes older."""
    backend.database.execute("UPDATE modernmail_job SET enqueued_at = enqueued_at - ?", (minutes * 60,))


def run(*words: str) -> Result:
    """Run `modernmail outbox` and return what came of it."""
    return CliRunner().invoke(app, ["outbox", *words])


def defer(backend: SQLiteBackend, number: int) -> list[Any]:
    """Return so many mails that a server put off."""
    with ScriptedSMTPServer([Rule("RCPT").reply("451 4.7.1 later")]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        tickets = mails(number)
        Worker(backend, until_empty=True).run()
        modernmail.mailers["default"].close()
    return tickets


def test_the_backlog_is_what_has_not_ended(backend: SQLiteBackend) -> None:
    """Mail that just came or was admitted is due; what is held and what waits is told apart; what ended is not in it."""
    assert MailStore(backend).backlog() == Backlog(0, None, 0, 0, 0, None)
    mails(3)
    Worker(backend, until_empty=True).run()
    mails(5)
    older(backend, 90)
    assert told(backend) == {
        "ready": 5,
        "oldest": 90,
        "held": 0,
        "waiting": 0,
        "within_hour": 0,
        "next": None,
    }
    Lease(backend.database, "w", 30).claim(lambda lane: 2)
    mails(4, run_after=HOUR / 2)
    mails(2, run_after=HOUR * 2)
    mails(1)
    assert told(backend) == {"ready": 4, "oldest": 90, "held": 2, "waiting": 6, "within_hour": 4, "next": 30}


def test_a_mail_is_due_since_its_time_came(backend: SQLiteBackend) -> None:
    """Not since it was enqueued: before a worker has come by, when one has queued it, and when somebody said `retry`."""
    ticket, *_ = mails(2, run_after=HOUR)
    older(backend, 600)
    backend.database.execute("UPDATE modernmail_job SET run_after = ?", (time.time() - 1200,))
    assert (told(backend)["ready"], told(backend)["oldest"]) == (2, 20)
    wake(backend.database)
    assert (told(backend)["ready"], told(backend)["oldest"], told(backend)["waiting"]) == (2, 20, 0)
    MailStore(backend).discard(ticket.id)
    (other,) = mails(1, run_after=HOUR)
    MailStore(backend).retry(other.id)
    assert (told(backend)["ready"], told(backend)["oldest"]) == (2, 20)


def test_what_a_dead_worker_holds_is_due_though_nobody_noticed(backend: SQLiteBackend) -> None:
    """When all workers are gone, nobody takes it back: it counts from when it was claimed."""
    mails(3)
    lease = Lease(backend.database, "w", 30)
    lease.claim(lambda lane: 3)
    backend.database.execute("UPDATE modernmail_job SET attempted_at = attempted_at - 1800")
    assert (told(backend)["ready"], told(backend)["held"]) == (0, 3)
    backend.database.execute("UPDATE modernmail_lease SET until = 0")
    assert (told(backend)["ready"], told(backend)["held"], told(backend)["oldest"]) == (3, 0, 30)
    recover(backend.database)
    assert (told(backend)["ready"], told(backend)["held"]) == (3, 0)


def test_the_backlog_costs_the_same_whatever_is_kept(backend: SQLiteBackend) -> None:
    """SQLite takes no step for what ended, so that an alarm may ask every minute."""
    taken = []
    for number in (50, 2000):
        mails(number)
        Worker(backend, until_empty=True).run()
        steps = [0]

        def count(steps: list[int] = steps) -> int:
            steps[0] += 1
            return 0

        with backend.database.write() as connection:
            connection.set_progress_handler(count, 1)
        MailStore(backend).backlog()
        connection.set_progress_handler(None, 0)
        taken.append(steps[0])
    assert taken[1] < 2 * taken[0]


@pytest.mark.parametrize(
    ("status", "read"), [("unknown", 1), ("rejected", 1), ("deferred", 0), ("sending", 0)]
)
def test_a_list_reads_only_what_may_be_in_it(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, status: str, read: int
) -> None:
    """A thousand queued mails are not looked into for the one that is unknown."""
    first, *_ = mails(1000)
    backend.database.execute("UPDATE modernmail_job SET phase = 'unknown' WHERE id = ?", (int(first.id, 16),))
    looked: list[Any] = []
    real = mail_module.described

    def described(job: Any) -> Any:
        looked.append(job)
        return real(job)

    monkeypatch.setattr(mail_module, "described", described)
    found = [ticket.id for ticket in MailStore(backend).tickets(status)]
    assert found == ([first.id] if status == "unknown" else [])
    assert len({job.id for job in looked}) == read


def test_health_is_an_exit_code(backend: SQLiteBackend) -> None:
    """0 while mail goes out in time; 1 when it does not, with what is known of why."""
    done = run("health")
    assert (done.exit_code, done.output) == (0, "no mail is due\n")
    mails(3)
    older(backend, 10)
    done = run("health")
    assert (done.exit_code, done.output) == (0, "3 mails are due, the oldest for 10 min\n")
    done = run("health", "--max-age", "300")
    assert done.exit_code == 1
    assert "3 mails are due, the oldest for 10 min: is a worker running, and fast enough?" in done.output
    MailStore(backend).pauses.begin("mail:default", "AuthenticationFailed: 535", time.time())
    older(backend, 10)
    done = run("health")
    assert done.exit_code == 1
    assert "mailer default is paused: AuthenticationFailed: 535" in done.output
    assert run("health", "--max-age", "-1").exit_code == 2


def test_retry_all_takes_a_thousand_in_a_transaction(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had been a transaction of its own, which waits for the disk; what waits for its own time goes on waiting."""
    monkeypatch.setattr(mail_module, "_STEP", 10)
    tickets = defer(backend, 35)
    (later,) = mails(1, run_after=HOUR)
    with backend.database.write() as connection:
        statements: list[str] = []
    connection.set_trace_callback(statements.append)
    done = run("retry", "--all")
    connection.set_trace_callback(None)
    assert done.output.splitlines() == [f"{ticket.id} queued" for ticket in tickets]
    assert statements.count("COMMIT") == 4
    assert {tasks.get_ticket(ticket.id).next_attempt_at for ticket in tickets} == {None}
    assert tasks.get_ticket(later.id).next_attempt_at is not None


def test_one_mail_that_cannot_be_changed_keeps_no_other_from_it(backend: SQLiteBackend) -> None:
    """As with `xargs modernmail outbox discard`: the others are discarded, and the command says that one was not."""
    sent, *_ = mails(1)
    Worker(backend, until_empty=True).run()
    first, last = mails(2)
    done = run("discard", first.id, sent.id, last.id)
    assert done.stdout.splitlines() == [f"{first.id} discarded", f"{last.id} discarded"]
    assert f"{sent.id} left as it is" in done.stderr
    assert isinstance(done.exception, QueueError)
    assert "1 of 3 were left" in str(done.exception)
    assert [tasks.get_ticket(ticket.id).status for ticket in (first, sent, last)] == [
        "discarded", "accepted", "discarded",
    ]  # fmt: skip


def test_a_mail_that_was_put_off_and_then_left_by_a_dead_worker_is_resent(backend: SQLiteBackend) -> None:
    """It is unknown, whatever was heard of its recipients before: `resend` had refused it as if it were not."""
    (ticket,) = defer(backend, 1)
    store = MailStore(backend)
    store.retry(ticket.id)
    lease = Lease(backend.database, "w", 30)
    (job,) = lease.claim(lambda lane: 1)
    assert lease.commit_point(job.id, job.lease or "")
    backend.database.execute("UPDATE modernmail_lease SET until = 0")
    recover(backend.database)
    ticket.refresh()
    assert ticket.status == "unknown"
    assert store.resend(ticket.id).status == "queued"
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    Worker(backend, until_empty=True).run()
    ticket.refresh()
    assert ticket.status == "accepted"


def test_after_a_restore_nothing_is_sent_that_may_have_been(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`park` leaves what ended and what was not due yet, refuses while a worker holds mail, and `resend` takes it back."""
    monkeypatch.setattr(mail_module, "_STEP", 2)
    mails(1)
    Worker(backend, until_empty=True).run()
    (deferred,) = defer(backend, 1)
    queued = mails(4)
    (later,) = mails(1, run_after=HOUR)
    lease = Lease(backend.database, "w", 30)
    lease.claim(lambda lane: 1)
    done = run("park")
    assert isinstance(done.exception, QueueError)
    assert "stop all workers first" in str(done.exception)
    backend.database.execute("UPDATE modernmail_lease SET until = 0")
    backend.database.execute("UPDATE modernmail_job SET run_after = 1 WHERE id = ?", (int(deferred.id, 16),))
    done = run("park")
    assert done.output.splitlines() == [f"{ticket.id} unknown" for ticket in (deferred, *queued)]
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    Worker(backend, until_empty=True).run()
    assert MailStore(backend).counts() == {"accepted": 1, "unknown": 5, "queued": 1}
    assert tasks.get_ticket(later.id).next_attempt_at is not None
    assert run("resend", "--all").output.count("queued again") == 5
    Worker(backend, until_empty=True).run()
    assert MailStore(backend).counts() == {"accepted": 6, "queued": 1}
