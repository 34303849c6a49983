"""What nobody foresees: rows that others wrote, functions that raise anything, clocks that were set, disks that are full."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import sys
import time
from concurrent.futures import CancelledError
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import chores
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from working import outbox, work

import modernmail
from modernmail import Message, tasks
from modernmail.errors import ConfigurationError, InvalidTask, InvalidValue, MailError, QueueUnavailable
from modernmail.layers.layer import Layer
from modernmail.tasks.pulse import Pulse
from modernmail.tasks.sqlite.lease import Lease
from modernmail.tasks.sqlite.mail import MailStore
from modernmail.tasks.sqlite.pause import Pauses
from modernmail.tasks.trouble import Trouble
from modernmail.tasks.worker import Worker
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from modernmail.parcel import Parcel
    from modernmail.runtime import IO
    from modernmail.tasks import Task, Ticket
    from modernmail.tasks.sqlite import SQLiteBackend

KEY = "a key of thirty-two characters!!"


def mail(to: str = "you@example.com", **more: Any) -> Message:
    """Return a message to somebody."""
    return Message("Hello", "Text", to=[to], **more)


def change(backend: SQLiteBackend, ticket: Ticket, **columns: object) -> None:
    """Write into the row of a mail what its queue never would."""
    for name, value in columns.items():
        sql = f"UPDATE modernmail_job SET {name} = ? WHERE id = ?"
        backend.database.execute(sql, (value, int(ticket.id, 16)))


@pytest.mark.parametrize("task", [chores.interrupt, chores.cancel, chores.cancel_later, chores.leave_later])
def test_a_task_may_raise_anything(backend: SQLiteBackend, task: Task[[], None]) -> None:
    """It has failed, whatever class the exception is of; the worker's only hand goes on with the next."""
    result = task.enqueue()
    following = chores.one_later.enqueue()
    work(backend, concurrency=1)
    result.refresh()
    following.refresh()
    assert (result.status, result.attempts, following.status) == ("FAILED", 1, "SUCCESSFUL")
    assert issubclass(
        result.errors[0].exception_class,
        (KeyboardInterrupt, SystemExit, CancelledError, asyncio.CancelledError),
    )


@pytest.mark.parametrize("task", [chores.cancel, chores.cancel_later, chores.leave, chores.leave_later])
def test_a_task_may_raise_anything_in_process(task: Task[[], None]) -> None:
    """On a loop or in a thread it has failed, whoever polls the result sees it, and the next one runs."""
    tasks.configure({"aio": "aio:", "thread": "thread:"})

    async def main() -> list[Any]:
        results = []
        for name in ("aio", "thread"):
            results += [await each.using(backend=name).aenqueue() for each in (task, chores.one_later)]
        await tasks.task_backends.aclose()
        return results

    assert [result.status for result in asyncio.run(main())] == ["FAILED", "SUCCESSFUL"] * 2


def test_control_c_ends_the_program_and_not_the_task() -> None:
    """`immediate:` runs in the main thread: what the user pressed there is for the program."""
    tasks.configure("immediate:")
    with pytest.raises(KeyboardInterrupt):
        chores.interrupt.enqueue()


@pytest.mark.parametrize("signature", ["é", b"\xff", 7, "1:"])
def test_a_signature_may_be_anything(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, signature: object
) -> None:
    """It is wrong, and that is all: the mail is refused, the task has failed, the others go out."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", KEY)
    backend.close()
    broken, sound = mail().enqueue(), mail().enqueue()
    result = chores.add.enqueue(1)
    change(backend, broken, signature=signature)
    backend.database.execute("UPDATE modernmail_job SET signature = ? WHERE lane = 'task'", (signature,))
    work(backend)
    assert [tasks.get_ticket(ticket.id).status for ticket in (broken, sound)] == ["rejected", "accepted"]
    job = backend.jobs.find(int(result.id, 16))
    assert job is not None
    assert (job.phase, "signature is wrong" in (job.outcome or "")) == ("failed", True)


def test_a_signed_mail_stays_with_its_mailer(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key, a mail that was moved to another mailer's lane is refused."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", KEY)
    backend.close()
    modernmail.configure(
        {name: {"url": "memory:", "from_email": "a@example.com"} for name in ("default", "other")}
    )
    ticket = mail().enqueue()
    change(backend, ticket, lane="mail:other")
    work(backend)
    ticket.refresh()
    assert ticket.status == "rejected"
    assert "signed for the mailer 'default'" in str(ticket.state)


@pytest.mark.parametrize(
    "outcome",
    [
        "{",
        "[" * 200_000,
        "[1]",
        "{}",
        '{"recipients":5}',
        '{"recipients":{"you@example.com":5}}',
        '{"recipients":{"x":{}},"since":"x"}',
    ],
)
def test_an_outcome_that_cannot_be_read_leaves_unknown(backend: SQLiteBackend, outcome: str) -> None:
    """Somebody may have that mail already: it is parked and listed, and sent when asked; the others go out."""
    store = MailStore(backend)
    broken, sound = mail().enqueue(), mail().enqueue()
    change(backend, broken, outcome=outcome)
    work(backend)
    assert [ticket.id for ticket in store.tickets("unknown")] == [broken.id]
    assert store.counts() == {"unknown": 1, "accepted": 1}
    assert store.pauses.all() == []
    store.resend(broken.id)
    work(backend)
    broken.refresh()
    sound.refresh()
    assert (broken.status, sound.status, len(outbox())) == ("accepted", "accepted", 2)


def test_a_payload_that_is_nested_too_deeply_is_refused(backend: SQLiteBackend) -> None:
    """It ends its own mail and its own task."""
    deep = "[" * 200_000
    broken, sound = mail().enqueue(), mail().enqueue()
    result = chores.add.enqueue(1)
    change(backend, broken, payload=deep)
    backend.database.execute("UPDATE modernmail_job SET payload = ? WHERE lane = 'task'", (deep,))
    work(backend)
    assert [tasks.get_ticket(ticket.id).status for ticket in (broken, sound)] == ["rejected", "accepted"]
    job = backend.jobs.find(int(result.id, 16))
    assert job is not None
    assert job.phase == "failed"


class Refusing(Layer):
    """A layer that raises, an error of the library's tree even, or something that is no error at all."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    async def before(self, parcel: Parcel, io: IO) -> Parcel:
        """Raise it."""
        self.calls += 1
        raise self.error


@pytest.mark.parametrize("error", [MailError("by a layer"), KeyboardInterrupt()])
def test_a_layer_may_raise_anything(backend: SQLiteBackend, error: BaseException) -> None:
    """Its mailer is paused with its mail kept, instead of being asked again at once and for ever."""
    layer = Refusing(error)
    modernmail.configure({"default": {"url": "memory:", "from_email": "a@example.com", "layers": [layer]}})
    ticket = mail().enqueue()
    work(backend)
    ticket.refresh()
    (pause,) = MailStore(backend).pauses.all()
    assert (ticket.status, ticket.attempts, layer.calls) == ("queued", 0, 1)
    assert type(error).__name__ in pause.reason


@pytest.mark.parametrize("scheme", ["thread:", "immediate:"])
def test_a_layer_may_raise_anything_in_process(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    """The ticket comes to an end that says why, and the log has the traceback."""
    tasks.configure(scheme)
    layer = Refusing(ZeroDivisionError("by somebody"))
    modernmail.configure({"default": {"url": "memory:", "from_email": "a@example.com", "layers": [layer]}})
    ticket = mail().enqueue()
    tasks.task_backends["default"].close()
    assert (ticket.status, ticket.is_finished) == ("unknown", True)
    assert "ZeroDivisionError: by somebody" in str(ticket.state)
    assert "ZeroDivisionError" in caplog.text
    modernmail.configure({})


def test_a_pause_ends_when_a_server_has_answered(backend: SQLiteBackend) -> None:
    """A mail that expired while its mailer was paused proves nothing: the pause stays, and so does its growing."""
    pauses = Pauses(backend.database)
    ticket = mail().enqueue(expires=timedelta(milliseconds=1))
    time.sleep(0.002)
    pauses.begin("mail:default", "bad login", time.time())
    backend.database.execute("UPDATE modernmail_pause SET until = 0")
    work(backend)
    ticket.refresh()
    assert ticket.status == "expired"
    assert [pause.times for pause in pauses.all()] == [1]
    with ScriptedSMTPServer([Rule("RCPT").reply("550 5.1.1 no such user")]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        mail().enqueue()
        backend.database.execute("UPDATE modernmail_pause SET until = 0")
        work(backend)
    assert pauses.all() == []


def test_hands_that_fail_together_make_one_pause(backend: SQLiteBackend) -> None:
    """What was claimed before the pause began is no second failure; what was claimed to probe it is."""
    pauses = Pauses(backend.database)
    claimed_at = time.time() - 1
    for _ in range(4):
        pause = pauses.begin("mail:default", "bad login", claimed_at)
    assert pause.times == 1
    assert pauses.begin("mail:default", "bad login", time.time()).times == 2


def test_a_clock_set_back_holds_no_mail(backend: SQLiteBackend) -> None:
    """A pause that would last longer than any is over: its mailer is probed."""
    pauses = Pauses(backend.database)
    pauses.begin("mail:default", "bad login", time.time())
    backend.database.execute("UPDATE modernmail_pause SET until = ?", (time.time() + 86_400,))
    ticket = mail().enqueue()
    work(backend)
    ticket.refresh()
    assert ticket.status == "accepted"


def test_a_clock_that_was_ahead_once_lets_ended_jobs_go(backend: SQLiteBackend) -> None:
    """Ids grow from the greatest there is, so all later ones look like those of that time: they are forgotten all the same."""
    chores.note.enqueue("ahead")
    year = 365 * 86_400
    backend.database.execute(
        "UPDATE modernmail_job SET id = id + ?, enqueued_at = ?", (year * 1_000_000 << 12, time.time() + year)
    )
    chores.note.enqueue_many([("later",)] * 3)
    kept = chores.note.enqueue("kept")
    work(backend, concurrency=1)
    old = time.time() - 100
    backend.database.execute(
        "UPDATE modernmail_job SET enqueued_at = ?, finished_at = ? WHERE payload LIKE '%later%'", (old, old)
    )
    assert backend.jobs.purge(time.time() - 60) == 3
    kept.refresh()


@pytest.mark.parametrize(
    "moment",
    [
        timedelta.max,
        datetime.max.replace(tzinfo=UTC),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))),
    ],
)
def test_a_moment_beyond_all_calendars_is_refused(backend: SQLiteBackend, moment: Any) -> None:
    """The error names argument and value, and nothing is stored."""
    for name in ("run_after", "expires"):
        with pytest.raises(InvalidTask, match=f"{name}.*between the years 1 and 9999"):
            mail().enqueue(**{name: moment})
    with pytest.raises(InvalidTask, match=r"run_after.*between the years"):
        chores.add.using(run_after=moment).enqueue(1)
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(0,)]


def test_a_key_that_is_no_text_is_refused(backend: SQLiteBackend) -> None:
    """A lone surrogate cannot be stored: the error says so, and names the argument."""
    with pytest.raises(InvalidTask, match=r"idempotency_key.*surrogates"):
        mail().enqueue(idempotency_key="\ud800")


def autocommit(path: object) -> list[sqlite3.Connection]:
    """Return connections on which each statement is a transaction of its own."""
    found = [sqlite3.connect(str(path), isolation_level=None)]
    if sys.version_info >= (3, 12):
        found.append(sqlite3.connect(str(path), autocommit=True))
    return found


def test_a_connection_without_a_transaction_stores_the_whole_mail_at_once(backend: SQLiteBackend) -> None:
    """With autocommit the row and the content of a mail, and all mails of a batch, become visible in one commit."""
    for own in autocommit(backend.database.path):
        before = len(list(MailStore(backend).tickets()))
        own.execute(
            "CREATE TEMP TRIGGER stop BEFORE INSERT ON modernmail_content BEGIN SELECT RAISE(FAIL, 'no space'); END"
        )
        for enqueue in (
            mail().enqueue,
            lambda connection: tasks.enqueue_many([mail(), mail()], connection=connection),
        ):
            with pytest.raises((QueueUnavailable, sqlite3.IntegrityError)):
                enqueue(connection=own)
            assert not own.in_transaction
        assert len(list(MailStore(backend).tickets())) == before
        own.execute("DROP TRIGGER stop")
        ticket = mail().enqueue(connection=own)
        assert not own.in_transaction
        own.close()
        assert MailStore(backend).content(ticket.id) is not None


@pytest.mark.parametrize(
    "rows", [sqlite3.Row, lambda cursor, row: {"first": row[0]}, lambda cursor, row: row[0]]
)
def test_a_connection_reads_rows_as_its_owner_likes(backend: SQLiteBackend, rows: Any) -> None:
    """Row and text factories are the caller's business: the mail is stored, its key is kept, and they are as they were."""
    own = sqlite3.connect(backend.database.path)
    own.row_factory, own.text_factory = rows, bytes
    tickets = [mail().enqueue(connection=own, idempotency_key="k") for _ in range(2)]
    results = chores.add.using(connection=own).enqueue_many([(1,), (2,)])
    own.commit()
    assert (own.row_factory, own.text_factory) == (rows, bytes)
    own.close()
    work(backend)
    assert tickets[0].id == tickets[1].id
    assert tasks.get_ticket(tickets[0].id).status == "accepted"
    assert [chores.add.get_result(result.id).return_value for result in results] == [3, 4]


def test_who_goes_on_after_an_error_commits_no_half_mail(backend: SQLiteBackend) -> None:
    """In the caller's transaction an enqueue that fails takes back what is its own, and nothing else."""
    own = sqlite3.connect(backend.database.path)
    own.execute("CREATE TABLE orders (id INTEGER)")
    own.execute(
        "CREATE TEMP TRIGGER stop BEFORE INSERT ON modernmail_content BEGIN SELECT RAISE(FAIL, 'no space'); END"
    )
    own.execute("INSERT INTO orders VALUES (1)")
    with pytest.raises((QueueUnavailable, sqlite3.IntegrityError)):
        mail().enqueue(connection=own)
    own.commit()
    assert own.execute("SELECT count(*) FROM orders").fetchone() == (1,)
    own.close()
    assert list(MailStore(backend).tickets()) == []


def test_a_claim_that_fails_leaves_nothing_to_lose(
    backend: SQLiteBackend, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that failed was no claim: the next heartbeat does not call it lost."""
    worker = Worker(backend)
    chores.note.enqueue(1)
    real = backend.database.patiently

    def full(step: Any, *arguments: Any) -> Any:
        if arguments == ("COMMIT",):
            raise QueueUnavailable("the queue is full")
        return real(step, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(backend.database, "patiently", full)
        with pytest.raises(QueueUnavailable):
            worker.lease.claim(lambda _: 1)
    assert worker.lease.renew()
    assert len(worker.lease.claim(lambda _: 1)) == 1
    assert worker.lease.renew()


def test_what_cannot_be_resent_keeps_no_other_from_it(backend: SQLiteBackend) -> None:
    """Of two mails that a dead worker left and whose mailer resends, one has lost its content: the other goes out."""
    modernmail.configure(
        {"default": {"url": "memory:", "from_email": "a@example.com", "on_unknown": "resend"}}
    )
    gone, sound = mail().enqueue(), mail().enqueue()
    lease = Lease(backend.database, "it dies", 30)
    for job in lease.claim(lambda _: 2):
        assert lease.commit_point(job.id, job.lease or "")
    backend.database.execute("DELETE FROM modernmail_content WHERE job = ?", (int(gone.id, 16),))
    backend.database.execute("UPDATE modernmail_lease SET until = 0")
    work(backend)
    assert [tasks.get_ticket(ticket.id).status for ticket in (gone, sound)] == ["unknown", "accepted"]


@pytest.mark.parametrize("key", ["x", "fifteen bytes!!"])
def test_a_key_that_could_be_guessed_is_refused(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """The error says how long it is, how long it must be, and how to make one; a worker says it before it takes anything."""
    ticket = mail().enqueue()
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", key)
    backend.close()
    says = rf"MODERNMAIL_QUEUE_KEY has {len(key)} bytes.*16 or more.*secrets\.token_urlsafe\(32\)"
    for use in (mail().enqueue, lambda: chores.add.enqueue(1), lambda: Worker(backend)):
        with pytest.raises(ConfigurationError, match=says):
            use()
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "sixteen bytes!!!")
    backend.close()
    mail().enqueue()
    ticket.refresh()
    assert ticket.status == "queued"


def test_a_full_disk_fills_no_log(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told at once and not at each attempt; when there is space again, that is told once, and all mail goes out."""
    for module in ("door", "worker"):
        monkeypatch.setattr(f"modernmail.tasks.{module}.SORRY", 0.001)
    for _ in range(3):
        mail().enqueue()
    real, refused = backend.database.patiently, itertools.count(1)

    def full(step: Any, *arguments: Any) -> Any:
        if arguments[:1] == ("BEGIN IMMEDIATE",) and next(refused) <= 50:
            raise QueueUnavailable("the queue is full: the disk has no space left")
        return real(step, *arguments)

    monkeypatch.setattr(backend.database, "patiently", full)
    work(backend, concurrency=1)
    assert MailStore(backend).counts() == {"accepted": 3}
    lines = [record.getMessage() for record in caplog.records if record.name == "modernmail.tasks"]
    assert len(lines) == 2
    assert (
        "cannot look for work: the queue is full: the disk has no space left; trying again in 0.001 s"
        in lines[0]
    )
    assert "can look for work again" in lines[1]


def test_what_was_taken_and_could_not_be_begun_is_told_and_its_end_too(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A commit point that cannot be stored sends nothing; the log names the trouble, and says when it is over."""
    mail().enqueue()
    worker = Worker(backend, concurrency=1, until_empty=True)
    real, refused = worker.lease.commit_point, itertools.count(1)

    def full(*arguments: Any) -> bool:
        if next(refused) <= 2:
            raise QueueUnavailable("the queue is full")
        return real(*arguments)

    monkeypatch.setattr(worker.lease, "commit_point", full)
    worker.run()
    assert MailStore(backend).counts() == {"accepted": 1}
    lines = [record.getMessage() for record in caplog.records if record.name == "modernmail.tasks"]
    assert ["cannot go on with jobs it took: the queue is full" in line for line in lines] == [True, False]
    assert "can go on with jobs it took again" in lines[1]


def test_a_log_that_grows_without_end_is_told(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody's open transaction keeps SQLite from beginning its log anew: it is named once, once more when the log has
    doubled, and when it is short again."""
    monkeypatch.setattr("modernmail.tasks.pulse.PURGE", 0)
    monkeypatch.setattr("modernmail.tasks.pulse.LOG", 1_000_000)
    pulse = Pulse(backend, Lease(backend.database, "w", 30), lambda line: None, Trouble("w"))
    database = backend.database
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT 1 FROM modernmail_job").fetchall()
        for octets in (1_100_000, 1000, 1000, 1_100_000):
            database.execute("INSERT INTO modernmail_content (content) VALUES (zeroblob(?))", (octets,))
            pulse.beat()
    database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
    pulse.beat()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 3
    for line, size in zip(lines, ("1 MB", "2 MB"), strict=False):
        assert f"has more than {size}: some program has had a transaction open for long (fuser " in line
    assert "can keep the log short again" in lines[2]


def test_trouble_is_told_less_and_less_often(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """At once, then after one minute, two, four, up to once an hour; another reason at once; the end of it once."""
    now = 1000.0
    monkeypatch.setattr("modernmail.tasks.trouble.time.monotonic", lambda: now)
    trouble = Trouble("w")
    told = []
    for _ in range(4 * 3600):
        before = len(caplog.records)
        trouble.tell("store", QueueUnavailable("full"), 1)
        if len(caplog.records) > before:
            told.append(now - 1000)
        now += 1
    assert told == [0, 60, 180, 420, 900, 1860, 3780, 7380, 10980]
    trouble.tell("store", QueueUnavailable("read-only"), 1)
    trouble.passed("claim")
    trouble.passed("store")
    trouble.passed("store")
    trouble.tell("store", QueueUnavailable("read-only"), 1)  # coming and going: it is the same one
    trouble.passed("store")
    assert [record.getMessage() for record in caplog.records[len(told) :]] == [
        "worker w cannot store: read-only; trying again in 1 s (said again in 60 s at the earliest)",
        "worker w can store again, after 0 s",
    ]


@pytest.mark.parametrize(
    "options", [{"concurrency": 0}, {"batch": 0}, {"concurrency": True}, {"queues": "default"}]
)
def test_a_worker_that_would_do_nothing_is_refused(backend: SQLiteBackend, options: dict[str, Any]) -> None:
    """No hands, or the letters of a name for queues: the error names argument and value, and what would be right."""
    ((name, value),) = options.items()
    with pytest.raises(InvalidValue, match=f"{name}: {value!r}: must be"):
        Worker(backend, **options)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@pytest.mark.parametrize("key", ["", KEY])
def test_a_batch_stores_what_single_enqueues_would(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """Whatever JSON can say, to the letter: the batch is cut into its payloads by SQLite, and signed payload by payload."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", key)
    backend.close()

    @settings(max_examples=60, deadline=None, database=None)
    @given(st.lists(json_values, min_size=1, max_size=3))
    def hold(values: list[object]) -> None:
        batch = chores.note.enqueue_many(
            [(value,) for value in [*values, "\ud800\0é€😀", 10**400, -0.0, 1e300]]
        )
        for result in batch:
            found = [
                backend.jobs.find(int(one.id, 16)) for one in (result, chores.note.enqueue(*result.args))
            ]
            assert all(found)
            assert len({(job.payload, job.signature) for job in found if job is not None}) == 1

    hold()
