"""Queued mail: `message.enqueue`, its ticket, and what the worker makes of it, recipient by recipient."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import sqlite3
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from working import outbox, work

import modernmail
from modernmail import Message, tasks
from modernmail.errors import (
    ConfigurationError,
    IdempotencyConflict,
    InvalidAttachment,
    InvalidMessage,
    InvalidTask,
    QueueError,
    TaskResultDoesNotExist,
)
from modernmail.layers import Redirect
from modernmail.layers.layer import Layer
from modernmail.outcome import Outcome
from modernmail.registry import mailers
from modernmail.reply import Reply
from modernmail.tasks import Schedule
from modernmail.tasks.pulse import Pulse
from modernmail.tasks.recipients import STATUSES, merged
from modernmail.tasks.signals import mail_enqueued, mail_finished
from modernmail.tasks.sqlite import SQLiteBackend
from modernmail.tasks.sqlite.lease import Lease, Mark
from modernmail.tasks.sqlite.mail import MailStore
from modernmail.tasks.trouble import Trouble
from modernmail.tasks.worker import Worker
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from modernmail.parcel import Parcel
    from modernmail.runtime import IO
    from modernmail.tasks import Ticket


@pytest.fixture
def backend(tmp_path: Path) -> SQLiteBackend:
    """The default backend: a queue in a new file, with short waits between attempts."""
    tasks.configure(f"sqlite:////{tmp_path}/queue.db?retry=0.02&expire=1000")
    backend = tasks.task_backends["default"]
    assert isinstance(backend, SQLiteBackend)
    return backend


@pytest.fixture
def store(backend: SQLiteBackend) -> MailStore:
    """The mail in that queue."""
    return MailStore(backend)


@pytest.fixture(autouse=True)
def memory() -> Iterator[None]:
    """A default mailer in memory, and none afterwards."""
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    yield
    if "default" in mailers:
        mailers["default"].close()
    modernmail.configure({})


def use(server: ScriptedSMTPServer, **options: Any) -> None:
    """Send by this server from now on."""
    modernmail.configure({"default": {"url": server.url(**options), "from_email": "shop@example.com"}})


def mail(*to: str, subject: str = "Hello", **more: Any) -> Message:
    """Return a message to these people, or to one."""
    return Message(subject, "Text", to=list(to) or ["you@example.com"], **more)


def work_until(backend: SQLiteBackend, ticket: Ticket) -> Ticket:
    """Run workers until this mail has come to its end."""
    deadline = time.monotonic() + 20
    while not ticket.is_finished:
        assert time.monotonic() < deadline, ticket.to_dict()
        work(backend)
        ticket.refresh()
    return ticket


def test_a_queued_mail_is_sent_by_a_worker(backend: SQLiteBackend) -> None:
    """`enqueue` returns a ticket; after the worker everybody is accepted, and the same bytes have gone."""
    ticket = mail("a@example.com", "b@example.com").enqueue()
    assert (ticket.status, ticket.is_finished, ticket.attempts) == ("queued", False, 0)
    assert outbox() == []
    worker = work(backend)
    ticket.refresh()
    assert worker.counts == {"accepted": 1}
    assert ticket.recipients == {"a@example.com": "accepted", "b@example.com": "accepted"}
    assert (ticket.status, ticket.is_finished, ticket.attempts) == ("accepted", True, 1)
    assert ticket.receipt.accepted == ("a@example.com", "b@example.com")
    (parcel,) = outbox()
    assert parcel.message_id == ticket.message_id
    assert b"shop@example.com" in bytes(parcel.content)


def test_enqueue_under_asyncio_and_many_at_once(backend: SQLiteBackend) -> None:
    """`aenqueue`, `enqueue_many` and `aenqueue_many` give tickets as `enqueue` does."""

    async def main() -> list[Ticket]:
        one = await mail().aenqueue()
        await one.arefresh()
        return [one, *await tasks.aenqueue_many([mail(), mail()])]

    tickets = [*asyncio.run(main()), *tasks.enqueue_many(mail() for _ in range(3))]
    work(backend)
    assert len(outbox()) == 6
    assert {tasks.get_ticket(ticket.id).status for ticket in tickets} == {"accepted"}
    with pytest.raises(InvalidTask, match="idempotency_key"):
        tasks.enqueue_many([mail()], idempotency_key="x")


def test_what_was_enqueued_is_what_is_sent(backend: SQLiteBackend) -> None:
    """A message changed after `enqueue` changes nothing that was queued."""
    message = mail(subject="before")
    message.enqueue()
    message.subject = "after"
    work(backend)
    assert outbox()[0].content.head.count(b"Subject: before") == 1


def test_deferred_recipients_are_tried_again_and_nobody_twice(
    backend: SQLiteBackend, store: MailStore
) -> None:
    """Who was accepted is never sent again; who was deferred is, alone; who was rejected is not."""
    backend.schedule = Schedule()
    script = [
        Rule("RCPT", contains="later@", session=1).reply("450 4.2.1 try later"),
        Rule("RCPT", contains="never@").reply("550 5.1.1 no such user"),
    ]
    with ScriptedSMTPServer(script) as server:
        use(server)
        ticket = mail("now@example.com", "later@example.com", "never@example.com").enqueue()
        work(backend)
        ticket.refresh()
        assert ticket.recipients == {
            "now@example.com": "accepted", "later@example.com": "deferred", "never@example.com": "rejected",
        }  # fmt: skip
        assert (ticket.status, ticket.is_finished) == ("deferred", False)
        assert ticket.receipt.recipients["later@example.com"].reply.code == 450  # type: ignore[union-attr]
        mailers["default"].close()
        ticket = work_until(backend, store.retry(ticket.id))
    assert [commit.recipients for commit in server.commits] == [("now@example.com",), ("later@example.com",)]
    assert (ticket.status, ticket.attempts) == ("rejected", 2)
    assert ticket.counts == {"accepted": 2, "rejected": 1}


def test_a_mail_that_is_deferred_for_ever_expires(backend: SQLiteBackend) -> None:
    """Attempts end with `expires`: the last answer is kept, and `mail_finished` is told."""
    ended: list[Ticket] = []
    mail_finished.connect(receiver := lambda **told: ended.append(told["ticket"]))
    with ScriptedSMTPServer([Rule("RCPT").reply("450 4.2.1 mailbox busy")]) as server:
        use(server)
        ticket = mail().enqueue(expires=timedelta(seconds=0.3))
        work_until(backend, ticket)
    mail_finished.disconnect(receiver)
    assert (ticket.status, ended[-1].status) == ("expired", "expired")
    assert ticket.attempts > 1
    assert "mailbox busy" in str(ticket.state)
    assert ticket.receipt.refused["you@example.com"].status == "rejected"
    assert server.commits == []


def test_expired_mail_is_not_sent(backend: SQLiteBackend) -> None:
    """A mail whose time is over when the worker comes to it stays unsent."""
    ticket = mail().enqueue(expires=timedelta(milliseconds=1))
    time.sleep(0.002)
    work(backend)
    ticket.refresh()
    assert ticket.status == "expired"
    assert outbox() == []


def test_an_unknown_outcome_is_parked_and_reported(backend: SQLiteBackend, store: MailStore) -> None:
    """A connection that dies after the final dot leaves unknown: nothing is sent again until somebody says
    so."""
    with ScriptedSMTPServer([Rule("BODY", session=1).commit().close()]) as server:
        use(server)
        ticket = mail().enqueue()
        work(backend)
        work(backend)
        ticket.refresh()
        assert (ticket.status, ticket.is_finished, len(server.commits)) == ("unknown", True, 1)
        assert [each.id for each in store.tickets("unknown")] == [ticket.id]
        ticket = store.resend(ticket.id)
        assert ticket.status == "queued"
        work_until(backend, ticket)
    assert ticket.status == "accepted"
    assert len(server.commits) == 2


def test_a_mailer_may_say_that_unknown_is_sent_again(backend: SQLiteBackend) -> None:
    """With on_unknown="resend" the outbox tries again by itself."""
    with ScriptedSMTPServer([Rule("BODY", session=1).commit().close()]) as server:
        modernmail.configure({
            "default": {"url": server.url(), "from_email": "shop@example.com", "on_unknown": "resend"}
        })  # fmt: skip
        ticket = mail().enqueue()
        work_until(backend, ticket)
    assert (ticket.status, ticket.attempts, len(server.commits)) == ("accepted", 2, 2)


@pytest.mark.parametrize("pool", [1, 4])
def test_a_mailer_that_cannot_log_in_is_paused(
    backend: SQLiteBackend, store: MailStore, caplog: pytest.LogCaptureFixture, pool: int
) -> None:
    """One bad login, not one for each mail; the mail is kept uncounted; when it works again all goes out."""
    with ScriptedSMTPServer(credentials={"user": "right"}, tls="implicit") as server:
        use(server, username="user", password="wrong", pool=pool)
        tickets = tasks.enqueue_many(mail() for _ in range(5))
        reported: list[dict[str, Any]] = []
        work(backend, report=reported.append)
        assert sum(step.name == "AUTH" for session in server.sessions for step in session.steps) == 1
        (pause,) = store.pauses.all()
        assert pause.lane == "mail:default"
        assert "AuthenticationFailed" in pause.reason
        assert reported[-1]["phase"] == "paused"
        assert "is paused for 60 s, its mail is kept" in caplog.text
        for ticket in tickets:
            ticket.refresh()
            assert (ticket.status, ticket.attempts) == ("queued", 0)
        work(backend)  # still paused: nobody knocks
        assert len(server.sessions) == 1
        use(server, username="user", password="right")
        backend.database.execute("UPDATE modernmail_pause SET until = 0")
        work(backend, report=reported.append)
        assert reported[-5]["phase"] == "resumed" or any(line["phase"] == "resumed" for line in reported)
        assert len(server.commits) == 5
    assert store.pauses.all() == []


def test_a_mailer_without_configuration_is_paused(backend: SQLiteBackend, store: MailStore) -> None:
    """A name that the worker does not know keeps its mail; a retry lets it go on."""
    modernmail.configure({"other": "memory:", "default": "memory:"})
    ticket = mail(from_email="a@example.com").enqueue(using="other")
    modernmail.configure({"default": "memory:"})
    work(backend)
    assert "no mailer is named 'other'" in store.pauses.all()[0].reason
    assert "--import MODULE" in store.pauses.all()[0].reason
    modernmail.configure({"other": "memory:"})
    store.retry(ticket.id)
    work_until(backend, ticket)
    assert ticket.status == "accepted"


def test_an_idempotency_key_makes_one_mail_of_two(backend: SQLiteBackend) -> None:
    """The same key and content is the first ticket again, wherever it stands; other content is an error."""
    told: list[Ticket] = []
    mail_enqueued.connect(receiver := lambda **more: told.append(more["ticket"]))
    first = mail().enqueue(idempotency_key="invoice:42")
    second = mail().enqueue(idempotency_key="invoice:42")
    assert asyncio.run(mail().aenqueue(idempotency_key="invoice:42")).id == second.id == first.id
    mail_enqueued.disconnect(receiver)
    assert [ticket.id for ticket in told] == [first.id]
    work(backend)
    third = mail().enqueue(idempotency_key="invoice:42")
    assert (third.id, third.status, len(outbox())) == (first.id, "accepted", 1)
    html = Message("Hello", "Text", "<p>Text</p>", to=["you@example.com"])
    assert html.enqueue(idempotency_key="h").id == html.copy().enqueue(idempotency_key="h").id
    for other in (mail(subject="Other"), mail("b@example.com"), mail(html="<p>x</p>")):
        with pytest.raises(IdempotencyConflict, match="'invoice:42' is taken"):
            other.enqueue(idempotency_key="invoice:42")


def test_a_mail_in_a_transaction_lives_and_dies_with_it(backend: SQLiteBackend) -> None:
    """Rolled back it was never queued; committed it goes out."""
    mail(subject="first").enqueue()
    own = sqlite3.connect(backend.database.path)
    own.execute("CREATE TABLE orders (id INTEGER)")
    own.execute("INSERT INTO orders VALUES (1)")
    mail(subject="undone").enqueue(connection=own)
    own.rollback()
    own.execute("INSERT INTO orders VALUES (2)")
    mail(subject="done").enqueue(connection=own, idempotency_key="k")
    own.commit()
    own.close()
    work(backend, concurrency=1)
    assert [parcel.content.head.count(b"undone") for parcel in outbox()] == [0, 0]


def test_run_after_and_priority_order_the_mail(backend: SQLiteBackend) -> None:
    """A mail for tomorrow stays; of the others the higher priority goes first."""
    mail(subject="tomorrow").enqueue(run_after=timedelta(days=1))
    mail(subject="low").enqueue(priority=-1)
    mail(subject="high").enqueue(priority=5)
    mail(subject="late").enqueue(run_after=datetime.now(UTC) - timedelta(days=1))
    work(backend, concurrency=1)
    subjects = [parcel.content.head.partition(b"Subject: ")[2].split()[0] for parcel in outbox()]
    assert subjects == [b"high", b"late", b"low"] or subjects == [b"high", b"low", b"late"]


def test_content_is_dropped_when_all_are_accepted(backend: SQLiteBackend, store: MailStore) -> None:
    """The state is remembered, the bytes are not; an unsent mail has its content."""
    ticket = mail().enqueue()
    assert b"Subject: Hello" in (store.content(ticket.id) or b"")
    work(backend)
    assert store.content(ticket.id) is None
    with pytest.raises(QueueError, match="no recipient that is unknown"):
        store.resend(ticket.id)


def test_large_files_are_stored_or_referred_to(backend: SQLiteBackend, tmp_path: Path) -> None:
    """By default the file's bytes are in the queue; by reference its path is, and the same bytes arrive."""
    path = tmp_path / "big.bin"
    path.write_bytes(bytes(range(256)) * 8192)
    stored = mail(subject="stored").attach_file(path).enqueue()
    referred = mail(subject="referred").attach_file(path).enqueue(by_reference=True)
    sizes = [len(MailStore(backend).content(ticket.id) or b"") for ticket in (stored, referred)]
    assert sizes[0] > 2_000_000 > 10_000 > sizes[1]
    work(backend, concurrency=1)
    contents = {
        bytes(parcel.content).partition(b"octet-stream")[2].partition(b"--=")[0] for parcel in outbox()
    }
    assert len(contents) == 1


def test_a_file_that_is_gone_is_an_error_of_the_enqueue(backend: SQLiteBackend, tmp_path: Path) -> None:
    """No job is left behind."""
    path = tmp_path / "big.bin"
    for by_reference in (False, True):
        path.write_bytes(b"x" * 2_000_000)
        message = mail().attach_file(path)
        path.unlink()
        with pytest.raises(InvalidAttachment, match="cannot be read"):
            message.enqueue(by_reference=by_reference)
    assert list(MailStore(backend).tickets()) == []


@pytest.mark.parametrize("what", ["vanishes", "changes"])
def test_a_referred_file_that_is_another_later_ends_the_mail(
    backend: SQLiteBackend, tmp_path: Path, what: str
) -> None:
    """The mail is refused at once, with the reason in its ticket; the job is kept, and the worker goes on."""
    path = tmp_path / "big.bin"
    path.write_bytes(b"x" * 2_000_000)
    ticket = mail().attach_file(path).enqueue(by_reference=True)
    path.unlink()
    if what == "changes":
        path.write_bytes(b"y" * 2_000_001)
    other = mail(subject="other").enqueue()
    with ScriptedSMTPServer() as server:
        use(server)
        work(backend)
        mailers["default"].close()
    ticket.refresh()
    other.refresh()
    assert (ticket.status, other.status) == ("rejected", "accepted")
    assert ("cannot be read" if what == "vanishes" else "has changed") in str(ticket.state)
    assert len(server.commits) == 1
    assert MailStore(backend).content(ticket.id) is not None


def test_a_tampered_mail_is_refused_and_kept(
    backend: SQLiteBackend, store: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a key, content or envelope changed in the file is not sent; what is sound is."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "secret key of enough bytes")
    content, envelope, sound = (mail(subject=name).enqueue() for name in ("content", "envelope", "sound"))
    execute = backend.database.execute
    execute("UPDATE modernmail_content SET content = content || 'x' WHERE job = ?", (int(content.id, 16),))
    sql = "UPDATE modernmail_job SET payload = replace(payload, 'you@', 'evil@') WHERE id = ?"
    execute(sql, (int(envelope.id, 16),))
    work(backend)
    for ticket in (content, envelope):
        ticket.refresh()
        assert ticket.status == "rejected"
        assert "signature is wrong" in str(ticket.state)
        assert store.content(ticket.id) is not None
    sound.refresh()
    assert (sound.status, len(outbox())) == ("accepted", 1)


def test_a_mail_of_a_newer_version_is_refused_and_kept(backend: SQLiteBackend) -> None:
    """Its ticket says which version it has."""
    ticket = mail().enqueue()
    backend.database.execute("UPDATE modernmail_job SET payload = replace(payload, '\"v\":1', '\"v\":9')")
    work(backend)
    ticket.refresh()
    assert (ticket.status, outbox()) == ("rejected", [])
    assert "payload of version 9; this release reads 1" in str(ticket.state)


@pytest.mark.parametrize(
    "payload", ["{", "[1]", '{"v":1}', '{"v":1,"envelope":{}}', "7", '{"v":1,"envelope":7}']
)
def test_a_mail_whose_payload_cannot_be_read_is_refused_and_kept(
    backend: SQLiteBackend, store: MailStore, payload: str
) -> None:
    """Its ticket says so, it is listed with the others, and the worker goes on with them."""
    broken, sound = mail().enqueue(), mail().enqueue()
    sql = "UPDATE modernmail_job SET payload = ? WHERE id = ?"
    backend.database.execute(sql, (payload, int(broken.id, 16)))
    assert [ticket.id for ticket in store.tickets()] == [broken.id, sound.id]
    assert store.counts() == {"queued": 2}
    work(backend, concurrency=1)
    ticket = store.ticket(broken.id)
    assert (ticket.status, ticket.message_id, ticket.mailer) == ("rejected", broken.message_id, "default")
    assert "PayloadRejected: the payload cannot be read" in str(ticket.state)
    assert store.content(broken.id) is not None
    assert store.counts() == {"rejected": 1, "accepted": 1}
    assert len(outbox()) == 1


def test_what_was_refused_here_is_sent_when_the_reason_is_gone(
    backend: SQLiteBackend, store: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker without the right key refuses; with it, a resend sends. What a server refused stays refused."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "right key of enough bytes")
    ticket = mail().enqueue()
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "wrong key of enough bytes")
    backend.close()
    work(backend)
    ticket.refresh()
    assert ticket.status == "rejected"
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "right key of enough bytes")
    backend.close()
    assert work_until(backend, store.resend(ticket.id)).status == "accepted"
    with ScriptedSMTPServer([Rule("RCPT").reply("550 5.1.1 no such user")]) as server:
        use(server)
        refused = mail().enqueue()
        work_until(backend, refused)
        mailers["default"].close()
    with pytest.raises(QueueError, match="no recipient that is unknown, expired, or was refused here"):
        store.resend(refused.id)


def test_what_was_put_off_and_then_refused_here_is_sent_too(backend: SQLiteBackend, store: MailStore) -> None:
    """What a server once said of a recipient makes no refusal of ours the server's."""
    with ScriptedSMTPServer([Rule("RCPT", session=1).reply("451 4.7.1 later")]) as server:
        use(server)
        ticket = mail().enqueue()
        work(backend)
        known = backend.database.rows("SELECT payload FROM modernmail_job")[0][0]
        backend.database.execute("UPDATE modernmail_job SET payload = replace(payload, '\"v\":', '\"v\":9')")
        store.retry(ticket.id)
        work(backend)
        ticket.refresh()
        assert ticket.status == "rejected"
        backend.database.execute("UPDATE modernmail_job SET payload = ?", (known,))
        assert work_until(backend, store.resend(ticket.id)).status == "accepted"


class Broken(Layer):
    """A layer of somebody's with a fault in it."""

    async def before(self, parcel: Parcel, io: IO) -> Parcel:
        """Fail as nobody foresaw."""
        raise ZeroDivisionError("by somebody")


def test_a_fault_that_nobody_foresaw_pauses_its_mailer(
    backend: SQLiteBackend, store: MailStore, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once with its traceback, the mail is kept uncounted, and other mailers' mail goes out."""
    modernmail.configure({
        "default": {"url": "memory:", "layers": [Broken()]}, "other": "memory:",
    })  # fmt: skip
    ticket = mail(from_email="a@example.com").enqueue()
    other = mail(from_email="a@example.com").enqueue(using="other")
    work(backend)
    ticket.refresh()
    other.refresh()
    assert (ticket.status, ticket.attempts, other.status) == ("queued", 0, "accepted")
    (pause,) = store.pauses.all()
    assert (pause.lane, pause.reason) == ("mail:default", "ZeroDivisionError: by somebody")
    assert caplog.text.count("in a way that nobody foresaw") == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"priority": 101}, "priority: 101"),
        ({"run_after": datetime(2030, 1, 1)}, "run_after.*aware"),  # noqa: DTZ001
        ({"expires": 5}, "expires: 5"),
        ({"expires": timedelta(seconds=-1)}, "expires.*before the mail could be sent"),
        ({"expires": timedelta(hours=1), "run_after": timedelta(hours=2)}, "expires"),
        ({"idempotency_key": ""}, "idempotency_key: ''"),
        ({"idempotency_key": "x" * 256}, "idempotency_key"),
        ({"queue_name": ""}, "queue_name: ''"),
        ({"connection": "x"}, "connection: 'x'"),
    ],
)
def test_wrong_options_are_refused(backend: SQLiteBackend, options: dict[str, Any], says: str) -> None:
    """The error names argument and value; nothing is queued."""
    with pytest.raises(InvalidTask, match=says):
        mail().enqueue(**options)
    assert list(MailStore(backend).tickets()) == []


def test_a_message_that_cannot_be_sent_is_refused_at_once(backend: SQLiteBackend) -> None:
    """Nobody to send to, or an unknown mailer: the enqueue says so."""
    with pytest.raises(InvalidMessage):
        Message("x", "y").enqueue()
    with pytest.raises(ConfigurationError, match="no mailer is named 'nobody'"):
        mail().enqueue(using="nobody")


def test_a_mail_that_a_layer_sends_elsewhere_is_accepted_for_whom_it_was_meant(
    backend: SQLiteBackend,
) -> None:
    """Redirected from one address to one other, it ends accepted for the one that the ticket names."""
    redirected = modernmail.Mailer(
        "memory:", from_email="shop@example.com", layers=[Redirect(to="staging@example.com")]
    )
    modernmail.configure({"default": redirected})
    ticket = mail("you@example.com").enqueue()
    assert work_until(backend, ticket).recipients == {"you@example.com": "accepted"}


def test_people_can_decide(backend: SQLiteBackend, store: MailStore) -> None:
    """Discard gives a mail up, retry brings it forward; both refuse what is over or not there."""
    waiting = mail().enqueue(run_after=timedelta(days=1))
    assert store.retry(waiting.id).status == "queued"
    given_up = mail().enqueue()
    assert store.discard(given_up.id).status == "discarded"
    assert store.ticket(given_up.id).is_finished
    work(backend)
    assert len(outbox()) == 1
    for refuse in (store.retry, store.discard, store.resend):
        with pytest.raises(QueueError):
            refuse(waiting.id)
        with pytest.raises(TaskResultDoesNotExist, match="no mail 'zz'"):
            refuse("zz")
    assert store.counts() == {"accepted": 1, "discarded": 1}
    with pytest.raises(TaskResultDoesNotExist):
        tasks.get_ticket(tasks.send_mail.call.__name__)


def test_what_waits_again_is_not_forgotten(backend: SQLiteBackend, store: MailStore) -> None:
    """Forgetting is for what has ended, and a mail that somebody sends again has not."""
    brought_forward = mail().enqueue(run_after=timedelta(days=1))
    store.retry(brought_forward.id)
    expired = mail().enqueue(expires=timedelta(microseconds=1))
    work(backend)
    assert store.ticket(expired.id).status == "expired"
    store.resend(expired.id)
    assert backend.jobs.purge(time.time() + 1000) == 1  # the one that was sent
    assert work_until(backend, tasks.get_ticket(expired.id)).is_finished


def test_the_content_of_a_mail_is_forgotten_with_it(backend: SQLiteBackend, store: MailStore) -> None:
    """What was given up is kept for a while, to be looked at; then nothing of it is left."""
    given_up, waiting = (mail().enqueue(run_after=timedelta(days=1)) for _ in range(2))
    store.discard(given_up.id)

    def kept() -> int:
        return backend.database.rows("SELECT count(*) FROM modernmail_content")[0][0]  # type: ignore[return-value]

    assert kept() == 2
    assert backend.jobs.purge(time.time() + 60) == 1
    assert kept() == 1
    assert store.ticket(waiting.id).status == "queued"


def test_a_stopped_worker_finishes_what_is_in_data_and_gives_the_rest_back(backend: SQLiteBackend) -> None:
    """The mail whose content is out is waited for; the others are queued as if nobody had had them."""
    with ScriptedSMTPServer([Rule("BODY", nth=1).hold("go").proceed()]) as server:
        use(server)
        tickets = tasks.enqueue_many(mail() for _ in range(5))
        worker = Worker(backend)
        runner = threading.Thread(target=worker.run)
        runner.start()
        server.wait_for_step("BODY")
        worker.stop()
        server.release("go")
        runner.join(20)
        assert not runner.is_alive()
    for ticket in tickets:
        ticket.refresh()
    statuses = [ticket.status for ticket in tickets]
    assert statuses.count("accepted") == len(server.commits) >= 1
    assert set(statuses) == {"accepted", "queued"}
    assert {ticket.attempts for ticket in tickets if ticket.status == "queued"} == {0}


def test_a_slow_server_keeps_no_mail_from_the_other_hands(backend: SQLiteBackend) -> None:
    """While one connection waits for its answer, the other sends all the rest."""
    with ScriptedSMTPServer([Rule("BODY", nth=1, session=1).hold("go").proceed()]) as server:
        use(server, pool=2)
        tickets = tasks.enqueue_many(mail() for _ in range(10))
        worker = Worker(backend, concurrency=2, until_empty=True)
        runner = threading.Thread(target=worker.run)
        runner.start()
        server.wait_for_step("BODY")
        server.wait_for(lambda server: len(server.commits) == 9)
        server.release("go")
        runner.join(20)
        assert not runner.is_alive()
    assert {tasks.get_ticket(ticket.id).status for ticket in tickets} == {"accepted"}


def test_a_mail_that_went_to_another_worker_is_not_sent(backend: SQLiteBackend) -> None:
    """At the commit point the lease is lost: no final dot is written, and whoever has the mail now sends it."""
    with ScriptedSMTPServer([Rule("DATA", session=1).hold("go").proceed()]) as server:
        use(server)
        ticket = mail().enqueue()
        worker = Worker(backend, until_empty=True)
        runner = threading.Thread(target=worker.run)
        runner.start()
        server.wait_for_step("DATA")
        backend.database.execute("DELETE FROM modernmail_lease")
        backend.database.execute("UPDATE modernmail_job SET phase = 'queued', lease = NULL")
        server.release("go")
        runner.join(20)
        work_until(backend, ticket)
    assert (ticket.status, len(server.commits)) == ("accepted", 1)


def test_a_late_outcome_overwrites_unknown_until_someone_resends(
    backend: SQLiteBackend, store: MailStore
) -> None:
    """The worker was thought dead while its server was slow: what it hears in the end still counts."""
    with ScriptedSMTPServer([Rule("BODY", session=1).hold("go").proceed()]) as server:
        use(server)
        ticket = mail().enqueue()
        worker = Worker(backend)
        runner = threading.Thread(target=worker.run)
        runner.start()
        server.wait_for_step("BODY")
        backend.database.execute("UPDATE modernmail_lease SET until = 0")
        work(backend)
        ticket.refresh()
        assert ticket.status == "unknown"
        server.release("go")
        server.wait_for(lambda server: server.commits)
        deadline = time.monotonic() + 10
        while ticket.status == "unknown" and time.monotonic() < deadline:
            ticket.refresh()
        worker.stop()
        runner.join()
    assert (ticket.status, len(server.commits)) == ("accepted", 1)


def test_a_late_outcome_leaves_a_mail_that_was_resent_as_it_is(
    backend: SQLiteBackend, store: MailStore
) -> None:
    """Who resends what is unknown accepts a second copy, and gets it: the late outcome does not drop its content."""
    with ScriptedSMTPServer([Rule("BODY", session=1).hold("go").proceed()]) as server:
        use(server)
        ticket = mail().enqueue()
        worker = Worker(backend, until_empty=True)
        runner = threading.Thread(target=worker.run)
        runner.start()
        server.wait_for_step("BODY")
        backend.database.execute("UPDATE modernmail_lease SET until = 0")
        Pulse(backend, Lease(backend.database, "w", 30), lambda line: None, Trouble("w")).recover()
        worker.stop()
        store.resend(ticket.id)
        server.release("go")
        runner.join()
        work_until(backend, ticket)
    assert (ticket.status, len(server.commits)) == ("accepted", 2)


def test_a_mail_that_went_to_another_worker_between_two_transactions_goes_no_further(
    backend: SQLiteBackend,
) -> None:
    """The worker stood still for longer than its lease: who has the mail counts as such, the others are left to the next."""
    people = [f"u{number}@example.com" for number in range(5)]
    with ScriptedSMTPServer([Rule("DATA", session=1, nth=2).hold("go").proceed()]) as server:
        use(server, max_recipients=2)
        ticket = mail(*people).enqueue()
        worker = Worker(backend, until_empty=True)
        runner = threading.Thread(target=worker.run)
        runner.start()
        server.wait_for_step("DATA", 2)
        backend.database.execute("UPDATE modernmail_lease SET until = 0")
        Pulse(backend, Lease(backend.database, "w", 30), lambda line: None, Trouble("w")).recover()
        ticket.refresh()
        assert ticket.status == "unknown"
        worker.stop()
        server.release("go")
        runner.join()
        ticket.refresh()
        assert [commit.recipients for commit in server.commits] == [tuple(people[:2])]
        assert list(ticket.recipients.values()) == ["accepted"] * 2 + ["deferred"] * 3
        work_until(backend, ticket)
    assert ticket.status == "accepted"
    assert sorted(name for commit in server.commits for name in commit.recipients) == people


def test_mail_held_at_an_earlier_boot_is_unknown(backend: SQLiteBackend) -> None:
    """The mark of its commit point may have gone with the power: it is reported, not sent again; tasks are."""
    import chores

    ticket = mail().enqueue()
    task = chores.note.enqueue("again")
    lease = Lease(backend.database, "before the power went", 30)
    assert len(lease.claim(lambda _: 1)) == 1
    assert len(lease.claim(lambda _: 1)) == 1
    backend.database.execute("UPDATE modernmail_lease SET boot = 'an earlier one'")
    work(backend)
    ticket.refresh()
    task.refresh()
    assert (ticket.status, task.status, outbox()) == ("unknown", "SUCCESSFUL", [])


def test_two_mails_with_one_message_id_are_kept_apart(backend: SQLiteBackend) -> None:
    """Each is sent and marked as itself."""
    message = mail().header("Message-ID", "<same@example.com>")
    tickets = [message.enqueue() for _ in range(3)]
    work(backend, concurrency=1)
    assert len(outbox()) == 3
    assert {tasks.get_ticket(ticket.id).status for ticket in tickets} == {"accepted"}


def test_a_mail_to_more_people_than_a_transaction_takes(backend: SQLiteBackend) -> None:
    """Several transactions serve one mail, each with its commit point; all are accepted once."""
    people = [f"u{number}@example.com" for number in range(25)]
    with ScriptedSMTPServer() as server:
        use(server, max_recipients=10)
        ticket = mail(*people).enqueue()
        work_until(backend, ticket)
    assert ticket.status == "accepted"
    assert sorted(name for commit in server.commits for name in commit.recipients) == sorted(people)


def test_the_worker_reports_each_mail(backend: SQLiteBackend) -> None:
    """One line for each mail: id, Message-ID, phase, attempt, mailer and counts, as JSON values."""
    ticket = mail("a@example.com", "b@example.com").enqueue()
    lines: list[dict[str, Any]] = []
    work(backend, report=lines.append)
    assert json.loads(json.dumps(lines)) == [
        {
            "id": ticket.id, "name": ticket.message_id, "phase": "accepted", "attempt": 1,
            "mailer": "default", "recipients": {"accepted": 2},
        }
    ]  # fmt: skip


@pytest.mark.parametrize("status", STATUSES)
def test_mails_are_found_by_the_status_of_a_recipient(
    backend: SQLiteBackend, store: MailStore, status: str
) -> None:
    """For each status: those mails, and only those, that have a recipient of it."""
    mixed = [mail("a@example.com", "b@example.com").enqueue() for _ in range(12)]
    known = {"accepted": 0, "rejected": 1, "unknown": 2, "expired": 3, "discarded": 4}
    phases = ["waiting", "queued", "leased", "content", *known]
    for at, (ticket, phase) in enumerate(zip(mixed, phases, strict=False)):
        settled = list(known)[at % len(known)] if at < 4 else phase
        state = {"a@example.com": {"status": settled}}
        if at >= 4:
            state["b@example.com"] = {"status": phase if at % 2 else "accepted"}
        sql = "UPDATE modernmail_job SET phase = ?, outcome = ? WHERE id = ?"
        backend.database.execute(sql, (phase, json.dumps({"recipients": state}), int(ticket.id, 16)))
    everything = list(store.tickets())
    assert len(everything) == 12
    wanted = [ticket.id for ticket in everything if status in ticket.recipients.values()]
    assert [ticket.id for ticket in store.tickets(status)] == wanted
    assert wanted or status == "deferred"


def test_a_report_that_fails_stops_nothing(backend: SQLiteBackend, caplog: pytest.LogCaptureFixture) -> None:
    """When nobody reads what the worker prints, mail goes out all the same, once."""
    tickets = tasks.enqueue_many(mail() for _ in range(3))

    def fail(line: dict[str, Any]) -> None:
        raise BrokenPipeError

    worker = work(backend, report=fail)
    assert {tasks.get_ticket(ticket.id).status for ticket in tickets} == {"accepted"}
    assert (worker.counts, len(outbox())) == ({"accepted": 3}, 3)
    assert caplog.text.count("a report failed") == 3


@pytest.mark.parametrize("url", ["immediate:", "thread:", "aio:"])
def test_mail_queued_in_process(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is sent once, by this process; the ticket changes as it goes; what durable backends offer is
    refused."""
    tasks.configure(url)
    told: list[str] = []
    mail_enqueued.connect(enqueued := lambda **more: told.append("enqueued"))
    mail_finished.connect(finished := lambda **more: told.append(more["ticket"].status))

    async def main() -> tuple[Ticket, Ticket, Ticket]:
        good = await mail().aenqueue()
        bad = await mail("bad@example.com").aenqueue()
        direct = (await tasks.aenqueue_many([mail()]))[0] if url == "aio:" else mail().enqueue()
        await tasks.task_backends.aclose()
        await mailers["default"].aclose()
        return good, bad, direct

    with ScriptedSMTPServer([Rule("RCPT", contains="bad@").reply("450 4.2.1 later")]) as server:
        use(server)
        good, bad, direct = asyncio.run(main())
        mailers["default"].close()
    mail_enqueued.disconnect(enqueued)
    mail_finished.disconnect(finished)
    assert (good.status, bad.status, direct.status) == ("accepted", "deferred", "accepted")
    assert good.is_finished
    assert bad.is_finished
    assert sorted(told) == ["accepted", "accepted", "deferred", "enqueued", "enqueued", "enqueued"]
    (error,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert "for bad@example.com (deferred: 450 4.2.1 later)" in error
    assert f"mail {bad.message_id} is not tried again" in caplog.text
    good.refresh()
    for option, value in (
        ("run_after", timedelta(1)), ("expires", timedelta(1)), ("idempotency_key", "x"),
    ):  # fmt: skip
        with pytest.raises(InvalidTask, match=rf"{option}.*sqlite:///path"):
            tasks.task_backends[url].validate_mail(tasks.outbox.MailOptions(**{option: value}))  # type: ignore[attr-defined]


def test_dummy_keeps_tickets_and_parcels() -> None:
    """For tests: nothing is sent."""
    tasks.configure("dummy:")
    ticket = mail().enqueue(priority=3)
    backend: Any = tasks.task_backends["default"]
    assert (backend.tickets, backend.parcels[0].message_id) == ([ticket], ticket.message_id)
    backend.clear()
    assert backend.tickets == backend.parcels == []


def test_dummy_takes_what_a_durable_queue_takes() -> None:
    """A program whose queue is durable is tested as it is: with keys, times and an end, and the ticket found again."""
    tasks.configure("dummy:")
    first = mail().enqueue(
        idempotency_key="order:1", run_after=timedelta(hours=1), expires=timedelta(hours=2)
    )
    assert (first.status, first.idempotency_key) == ("queued", "order:1")
    assert first.next_attempt_at is not None
    assert first.expires is not None
    assert first.expires - first.next_attempt_at == timedelta(hours=1)
    assert mail().enqueue(idempotency_key="order:1") is first
    assert tasks.get_ticket(first.id) is first
    with pytest.raises(IdempotencyConflict, match="order:1"):
        mail(subject="Another").enqueue(idempotency_key="order:1")
    assert len(tasks.task_backends["default"].parcels) == 1  # type: ignore[attr-defined]
    with pytest.raises(InvalidTask, match="transaction"):
        mail().enqueue(connection=object())
    with pytest.raises(TaskResultDoesNotExist):
        tasks.get_ticket("nowhere")


def test_send_mail_is_queued_like_a_task(backend: SQLiteBackend) -> None:
    """`tasks.send_mail.enqueue` takes the arguments of `send_mail` and returns a ticket."""
    ticket = tasks.send_mail.using(priority=5, idempotency_key="one").enqueue(
        "Subject", "Hello", None, ["you@example.com"], html_message="<p>Hello</p>", bcc=["b@example.com"]
    )
    assert (ticket.priority, ticket.idempotency_key) == (5, "one")

    async def main() -> Ticket:
        return await tasks.send_mail.aenqueue("Subject", "Hello", "me@example.com", ["you@example.com"])

    other = asyncio.run(main())
    modernmail.configure(
        {"default": {"url": "memory:", "from_email": "shop@example.com"}, "a": "memory:", "b": "memory:"}
    )
    mailed = ("Subject", "Hello", "me@example.com", ["you@example.com"])
    set_up = tasks.send_mail.using(using="a")
    assert [set_up.enqueue(*mailed).mailer, set_up.enqueue(*mailed, using="b").mailer] == ["a", "b"]
    work(backend)
    ticket.refresh()
    other.refresh()
    assert (ticket.status, other.status) == ("accepted", "accepted")
    assert ticket.recipients == {"you@example.com": "accepted", "b@example.com": "accepted"}
    assert tasks.send_mail.call("S", "H", None, ["you@example.com"]).accepted == ("you@example.com",)


def test_the_seed_example_runs_as_a_task(backend: SQLiteBackend) -> None:
    """`return send_mail(...)` in a task: the mail arrives and the result holds the receipt."""
    import chores

    result = chores.email_users.enqueue(
        emails=["you@example.com"], subject="You have a message", message="Hello there!"
    )
    work(backend)
    result.refresh()
    assert result.return_value["recipients"]["you@example.com"]["status"] == "accepted"
    assert len(outbox()) == 1


def test_logging_names_no_secret(backend: SQLiteBackend, caplog: pytest.LogCaptureFixture) -> None:
    """A mailer's password is in no log line of a worker that cannot log in."""
    with caplog.at_level(logging.DEBUG), ScriptedSMTPServer(credentials={"u": "x"}, tls="implicit") as server:
        use(server, username="u", password="hush-hush")
        mail().enqueue()
        work(backend)
    assert "hush-hush" not in caplog.text


def test_what_a_dead_worker_left_is_resent_where_its_mailer_says_so(backend: SQLiteBackend) -> None:
    """Unknown after a crash: parked and told by default, sent again for a mailer with on_unknown="resend"."""
    told: list[Ticket] = []
    mail_finished.connect(receiver := lambda **more: told.append(more["ticket"]))
    modernmail.configure({
        "default": "memory:", "eager": {"url": "memory:", "on_unknown": "resend"},
    })  # fmt: skip
    parked, resent = (mail(from_email="a@example.com").enqueue(using=name) for name in ("default", "eager"))
    lease = Lease(backend.database, "it dies", 30)
    while jobs := lease.claim(lambda _: 1):
        assert lease.commit_point(jobs[0].id, jobs[0].lease or "")
    backend.database.execute("UPDATE modernmail_lease SET until = 0")
    lines: list[dict[str, Any]] = []
    work(backend, report=lines.append)
    mail_finished.disconnect(receiver)
    for ticket in (parked, resent):
        ticket.refresh()
    assert (parked.status, resent.status) == ("unknown", "accepted")
    assert lines[0] == {"phase": "recovered", "queued": 0, "unknown": 2}
    assert lines[1] == {
        "id": parked.id, "name": parked.message_id, "phase": "unknown", "attempt": 1, "mailer": "default",
        "recipients": {"unknown": 1},
    }  # fmt: skip
    assert [ticket.id for ticket in told] == [parked.id, resent.id]


def test_an_outcome_is_stored_while_the_next_mail_is_on_its_way(
    backend: SQLiteBackend, store: MailStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the commit point of a mail one outcome at most is not stored yet, that of the mail right before it."""
    for number in range(8):
        mail(f"u{number}@example.com").enqueue()
    open_at_commit: list[int] = []
    real = Lease.commit_point

    def watched(self: Lease, number: int, token: str, marks: Sequence[Mark] = ()) -> bool:
        is_ours = real(self, number, token, marks)
        open_at_commit.append(
            backend.database.rows("SELECT count(*) FROM modernmail_job WHERE phase = 'content'")[0][0]
        )  # type: ignore[arg-type]
        return is_ours

    monkeypatch.setattr(Lease, "commit_point", watched)
    with ScriptedSMTPServer(capabilities=["PIPELINING"]) as server:
        use(server)
        work(backend, concurrency=1)
        assert len(server.commits) == 8
    assert len(open_at_commit) == 8
    assert max(open_at_commit) <= 2
    assert store.counts() == {"accepted": 8}


def test_an_outcome_takes_the_room_of_its_claim(backend: SQLiteBackend) -> None:
    """What becomes of a mail is stored in the page where it stood: none is split, which would write four."""
    numbers = range(60)
    tasks.enqueue_many(mail(f"customer.{number}@example.com") for number in numbers)
    lease = Lease(backend.database, "w", 30)
    claimed = lease.claim(lambda _: len(numbers))
    before = backend.database.rows("PRAGMA page_count")
    reply = Reply(250, ("2.0.0 Ok: queued as 4Zx3wB1Tqkz1jH",))
    for number, job in zip(numbers, claimed, strict=True):
        assert lease.commit_point(job.id, job.lease or "")
        known = {**Outcome("accepted", reply=reply, phase="done").to_dict(), "at": time.time()}
        outcome = json.dumps({"recipients": {f"customer.{number}@example.com": known}})
        assert not lease.finish([Mark(job.id, job.lease or "", "accepted", outcome)])
    assert backend.database.rows("PRAGMA page_count") == before


def test_an_outcome_that_fails_pauses_the_mailer_and_sends_nobody_twice(
    backend: SQLiteBackend,
    store: MailStore,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whether it failed while the next mail was on its way or not: that mail is unknown, those not begun are kept."""
    for number in range(8):
        mail(f"u{number}@example.com").enqueue()
    calls = itertools.count(1)

    def failing(*arguments: Any) -> Any:
        if next(calls) == 4:
            raise RuntimeError("nobody foresaw it")
        return merged(*arguments)

    monkeypatch.setattr("modernmail.tasks.settlement.merged", failing)
    with ScriptedSMTPServer(capabilities=["PIPELINING"]) as server:
        use(server)
        work(backend, concurrency=1)
        Pulse(backend, Lease(backend.database, "w", 30), lambda line: None, Trouble("w")).recover()
        sent = [commit.recipients for commit in server.commits]
    counts = store.counts()
    assert "nobody foresaw it" in caplog.text
    assert counts["unknown"] == 1
    assert counts["accepted"] == len(sent) - 1
    assert sum(counts.values()) == 8


def test_counts_are_those_of_the_tickets(backend: SQLiteBackend, store: MailStore) -> None:
    """Mails of several recipients, in whatever state: accepted, refused in part, deferred, waiting, queued, given up."""
    rules = [
        Rule("RCPT", contains="no").reply("550 5.1.1 unknown"),
        Rule("RCPT", contains="later").reply("451 4.2.1 busy"),
    ]
    with ScriptedSMTPServer(rules) as server:
        use(server)
        for recipients in (
            ["a", "b"],
            ["a", "no"],
            ["no1", "no2", "no3"],
            ["a", "later"],
            ["later1", "later2"],
        ):
            mail(*(f"{name}@example.com" for name in recipients)).enqueue()
        work(backend, concurrency=1)
    mail("a@example.com", "b@example.com", "c@example.com").enqueue(run_after=timedelta(hours=1))
    mail("a@example.com", "b@example.com").enqueue()
    store.discard(mail("a@example.com").enqueue().id)
    summed: Counter[str] = Counter()
    for ticket in store.tickets():
        summed.update(ticket.counts)
    assert (
        store.counts() == summed == {"accepted": 4, "rejected": 4, "deferred": 3, "queued": 5, "discarded": 1}
    )
