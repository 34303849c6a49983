"""Celery, Dramatiq and procrastinate, on real brokers with real workers."""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any

import chores
import pytest

pytest.importorskip("celery", reason="pip install celery[redis]")
pytest.importorskip("dramatiq")
pytest.importorskip("procrastinate")

from celery import Celery
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from engines.worker import EngineWorker, wait_for
from kombu import pools

import modernmail
from modernmail import Message, tasks
from modernmail.contrib.celery import CeleryBackend
from modernmail.contrib.dramatiq import DramatiqBackend
from modernmail.contrib.procrastinate import ProcrastinateBackend
from modernmail.errors import (
    ConfigurationError,
    IdempotencyConflict,
    InvalidTask,
    PayloadRejected,
    QueueUnavailable,
    TaskResultDoesNotExist,
)
from modernmail.tasks import Schedule, task_backends
from modernmail.tasks.engine import EngineBackend
from modernmail.tasks.signals import mail_finished
from modernmail.tasks.slip import Slip
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from modernmail.tasks import Ticket

# The guests' own; what is ours is held to no warnings everywhere else.
pytestmark = [
    pytest.mark.once,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KINDS = ["celery-redis", "celery-rabbitmq", "dramatiq-redis", "dramatiq-rabbitmq", "procrastinate-postgres"]


class Engine:
    """One engine on its broker, configured as the default backend of this process."""

    def __init__(self, kind: str, broker: str, results: str) -> None:
        self.name, _, self.broker = kind.partition("-")
        self.environment = {"TEST_BROKER": broker, "TEST_RESULTS": results}
        os.environ.update(self.environment)
        sys.modules.pop(f"engines.{self.name}_app", None)
        self.module = importlib.import_module(f"engines.{self.name}_app")
        self.backend = task_backends["default"]
        assert isinstance(self.backend, EngineBackend)

    def worker(self, folder: Path, name: str = "a", **environment: str) -> EngineWorker:
        """Return a worker of this engine; `with` runs it."""
        return EngineWorker(self.name, {**self.environment, **environment}, folder, name)

    def failed(self) -> int | None:
        """How many jobs the engine keeps as failed; None for Celery, which keeps none."""
        if self.name == "procrastinate":
            sql = "SELECT count(*) AS jobs FROM procrastinate_jobs WHERE status = 'failed'"
            return self.module.app.connector.get_sync_connector().execute_query_all(sql)[0]["jobs"]
        if self.name == "celery":
            return None
        broker = self.module.broker
        if self.broker == "redis":
            return broker.client.hlen("dramatiq:default.XQ.msgs")
        return broker.get_queue_message_counts("default")[2]

    def close(self) -> None:
        """Let go of the broker."""
        for name in self.environment:
            os.environ.pop(name, None)
        if self.name == "celery":
            self.module.app.pool.force_close_all()
            self.module.app.close()
            pools.reset()
        elif self.name == "dramatiq":
            self.module.broker.close()
        else:
            self.module.app.close()


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Each engine on each broker it is supported on, empty."""
    kind: str = request.param
    if kind == "celery-redis":
        url = request.getfixturevalue("redis").url
        engine = Engine(kind, url, url)
    elif kind == "celery-rabbitmq":
        results = request.getfixturevalue("redis").url
        engine = Engine(kind, request.getfixturevalue("rabbitmq_url"), results)
    elif kind == "dramatiq-redis":
        url = request.getfixturevalue("redis").url
        engine = Engine(kind, url, url)
    elif kind == "dramatiq-rabbitmq":
        results = request.getfixturevalue("redis").url
        engine = Engine(kind, request.getfixturevalue("rabbitmq_url"), results)
    else:
        engine = Engine(kind, request.getfixturevalue("postgres_url"), "")
        engine.module.app.open()
        engine.module.app.schema_manager.apply_schema()
    yield engine
    engine.close()


class Newer(Slip):
    """A job as a later release may write it."""

    def to_text(self) -> str:
        """Return it in a version that nobody here knows."""
        return json.dumps({"slip": json.dumps([99, self.id, "whatever"]), "signature": None})


def refreshed(ticket: Ticket) -> Ticket:
    """Return the ticket as it stands now."""
    ticket.refresh()
    return ticket


def mail(*to: str, subject: str = "Hello") -> Message:
    """Return a message to these people."""
    return Message(subject, "Text", to=list(to) or ["you@example.com"])


def test_tasks_and_mail_on_engines(engine: Engine, tmp_path: Path) -> None:
    """Functions, async ones, retries, contexts, failures and waits are as on the library's own backends;
    queued mail arrives, and deferred recipients are tried again, alone; a job of a newer release is kept as failed."""
    assert isinstance(engine.backend, EngineBackend)
    engine.backend.put(Newer("2f", "task", "chores.add", {"args": [1], "kwargs": {}}), wait=0.0)
    add = chores.add.enqueue(1, b=4)
    assert add.status == "READY"
    add.refresh()
    assert (add.status, add.kwargs) == ("READY", {"b": 4})
    later = chores.add_later.enqueue(2)
    context = chores.which_attempt.enqueue("x")
    lucky = chores.third_time_lucky.enqueue()
    failed = chores.fail.enqueue()
    waiting = chores.add.using(run_after=timedelta(seconds=1)).enqueue(7)
    deferral = Rule("RCPT", contains="later@", session=1).reply("450 4.2.1 later")
    with ScriptedSMTPServer([deferral, Rule("RCPT", contains="never@").reply("550 5.1.1 no")]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        ticket = mail("now@example.com", "later@example.com", "never@example.com").enqueue()
        assert (ticket.status, refreshed(ticket).status) == ("queued", "queued")
        sent = chores.email_users.enqueue(["you@example.com"], subject="S", message="M")
        everything = (add, later, context, lucky, failed, waiting, sent)

        def all_finished() -> bool:
            for result in (*everything, ticket):
                result.refresh()
            return all(result.is_finished for result in (*everything, ticket))

        environment = {"TEST_SMTP": server.url(idle=0.001), "TEST_RETRY": "0.1"}
        with engine.worker(tmp_path, **environment) as worker:
            wait_for(all_finished, "all finished", worker)
            wait_for(lambda: engine.failed() in (1, None), "the job of a newer release is kept", worker)
            assert "job of version 99; this release reads 1" in worker.log.read_text()
    modernmail.configure({})
    assert (add.return_value, later.return_value) == (5, 4)
    assert context.return_value == [1, context.id, "x"]
    assert (lucky.return_value, lucky.attempts, len(lucky.errors)) == (3, 3, 2)
    assert (failed.status, failed.errors[0].exception_class) == ("FAILED", ValueError)
    assert waiting.return_value == 9
    assert waiting.started_at - waiting.enqueued_at >= timedelta(seconds=1)
    assert sent.return_value["recipients"]["you@example.com"]["status"] == "accepted"
    assert ticket.recipients == {
        "now@example.com": "accepted", "later@example.com": "accepted", "never@example.com": "rejected",
    }  # fmt: skip
    assert ticket.attempts == 2
    arrived = sorted(name for commit in server.commits for name in commit.recipients)
    assert arrived == ["later@example.com", "now@example.com", "you@example.com"]
    with pytest.raises(TaskResultDoesNotExist):
        chores.add.get_result("nothing")


def test_long_waits_are_made_of_short_ones(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait longer than the engine is trusted with is handed over in parts."""
    backend = engine.backend
    assert isinstance(backend, EngineBackend)
    backend.longest_wait = 100.0
    waits: list[float] = []
    monkeypatch.setattr(backend, "put", lambda slip, *, wait, **_: waits.append(wait))
    result = chores.note.using(run_after=timedelta(seconds=250)).enqueue("too early")
    text = backend.look_up(result.id)
    assert text is not None
    backend.perform(text)
    assert [round(wait) for wait in waits] == [100, 100]
    assert chores.done == []


def test_a_task_that_has_ended_is_not_run_again(engine: Engine) -> None:
    """Engines deliver twice now and then: the record says that it is done."""
    backend = engine.backend
    assert isinstance(backend, EngineBackend)
    result = chores.note.enqueue("once")
    text = backend.look_up(result.id)
    assert text is not None
    backend.perform(text)
    backend.perform(text)
    assert chores.done == ["once"]
    for rubbish in (
        "rubbish",
        "[]",
        "{}",
        '{"slip":"[1]","signature":null}',
        '{"slip":"7","signature":null}',
    ):
        with pytest.raises(PayloadRejected, match="none of modernmail's"):
            backend.perform(rubbish)
    gone = Slip("1f", "task", "chores.gone", {"args": [], "kwargs": {}})
    backend.perform(gone.to_text())
    record = backend.recorded("1f")
    assert record is not None
    assert record.progress["status"] == "FAILED"


def test_what_an_engine_cannot_do_is_refused(engine: Engine) -> None:
    """Priorities and transactions where there are none, and URLs that name nothing."""
    backend = engine.backend
    if not backend.supports_priority:
        with pytest.raises(InvalidTask, match="has no priorities"):
            chores.add.using(priority=1).enqueue(1)
    with pytest.raises(InvalidTask, match="connection"):
        chores.add.enqueue(1, connection=object())
    for url, says in (("", "wants a path"), (":x", "cannot be found"), ("os:path", "is module, not a")):
        with pytest.raises(ConfigurationError, match=says):
            tasks.task_backends[f"{engine.name}:{url}"]
    name = "broker" if engine.name == "dramatiq" else "app"
    again = tasks.task_backends[f"{engine.name}:engines.{engine.name}_app:{name}"]
    assert type(again) is type(backend)


COMES_BACK = {"celery-redis": 12, "celery-rabbitmq": 5, "dramatiq-redis": 8, "dramatiq-rabbitmq": 5,
              "procrastinate-postgres": 60}  # fmt: skip


@pytest.mark.crash
def test_a_killed_workers_mail_is_sent_by_the_next(engine: Engine, tmp_path: Path) -> None:
    """The whole process group dies in mid-send; the next worker has the mail in time, and sends it once."""
    seconds = COMES_BACK[f"{engine.name}-{engine.broker}"]
    with ScriptedSMTPServer([Rule("DATA", session=1).hang()]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        ticket = mail().enqueue()
        with engine.worker(tmp_path, "a", TEST_SMTP=server.url()) as worker:
            server.wait_for_step("DATA", timeout=60)
            worker.kill()
            died = time.monotonic()
        with engine.worker(tmp_path, "b", TEST_SMTP=server.url()) as worker:
            wait_for(lambda: server.commits, "the mail is sent", worker, seconds + 30)
            took = time.monotonic() - died
            wait_for(lambda: refreshed(ticket).is_finished, "the ticket knows", worker, 10)
    assert took < seconds
    assert (ticket.status, len(server.commits)) == ("accepted", 1)


def test_a_worker_killed_after_the_dot_leaves_unknown(engine: Engine, tmp_path: Path) -> None:
    """The record says that the content was out: the mail is not sent again by the next worker."""
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    ticket = mail().enqueue()
    backend = engine.backend
    assert isinstance(backend, EngineBackend)
    text = backend.look_up(ticket.id)
    assert text is not None
    slip = Slip.from_text(text)
    slip.progress["phase"] = "content"
    backend.keep(slip)
    backend.perform(text)
    assert refreshed(ticket).status == "unknown"
    assert ticket.is_finished
    modernmail.configure({})


def test_mail_options_on_engines(engine: Engine) -> None:
    """Expired mail is not sent, a faulty mailer keeps its mail, and what the engine cannot keep is refused."""
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    backend = engine.backend
    assert isinstance(backend, EngineBackend)
    late = mail().enqueue(expires=timedelta(milliseconds=1))
    time.sleep(0.002)
    backend.perform(backend.look_up(late.id) or "")
    assert refreshed(late).status == "expired"
    kept = mail().enqueue()
    modernmail.configure({"other": "memory:"})
    backend.perform(backend.look_up(kept.id) or "")
    assert (refreshed(kept).status, kept.attempts) == ("queued", 0)
    assert kept.next_attempt_at is not None
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    with pytest.raises(InvalidTask, match="by_reference"):
        mail().enqueue(by_reference=True)
    if backend.supports_idempotency:
        first = mail().enqueue(idempotency_key="k")
        assert mail().enqueue(idempotency_key="k").id == first.id
        with pytest.raises(IdempotencyConflict):
            mail(subject="Other").enqueue(idempotency_key="k")
    else:
        with pytest.raises(InvalidTask, match="idempotency_key"):
            mail().enqueue(idempotency_key="k")
    with pytest.raises(TaskResultDoesNotExist):
        tasks.get_ticket("nothing")
    modernmail.configure({})


def test_mail_performed_in_this_process(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """What a worker does with each delivery: defers, sends to who is left, drops what has ended, refuses the
    rest."""
    backend = engine.backend
    assert isinstance(backend, EngineBackend)
    backend.schedule = Schedule.from_text("0", patience=60)
    ended: list[str] = []
    mail_finished.connect(receiver := lambda **told: ended.append(told["ticket"].status))
    script = [
        Rule("RCPT", contains="later@", session=1).reply("450 4.2.1 later"),
        Rule("BODY", contains="", session=3).commit().close(),
    ]
    with ScriptedSMTPServer(script) as server:
        setting = {"url": server.url(), "from_email": "shop@example.com"}
        modernmail.configure({"default": setting})
        ticket = mail("now@example.com", "later@example.com").enqueue(priority=0)
        for _ in range(2):
            backend.perform(backend.look_up(ticket.id) or "")
            modernmail.mailers["default"].close()
        assert refreshed(ticket).recipients == {
            "now@example.com": "accepted",
            "later@example.com": "accepted",
        }
        assert ticket.attempts == 2
        backend.perform(backend.look_up(ticket.id) or "")
        assert len(server.commits) == 2
        lost = mail().enqueue()
        backend.perform(backend.look_up(lost.id) or "")
        assert refreshed(lost).status == "unknown"
        modernmail.configure({"default": {**setting, "on_unknown": "resend"}})
        again = mail().enqueue()
        text = backend.look_up(again.id) or ""
        slip = Slip.from_text(text)
        slip.progress["phase"] = "content"
        backend.keep(slip)
        backend.perform(text)
        assert (refreshed(again).status, len(server.commits)) == ("accepted", 4)
        broken = mail().enqueue()
        slip = Slip.from_text(backend.look_up(broken.id) or "")
        slip.payload["parcel"]["version"] = 99
        backend.keep(slip)
        backend.perform(slip.to_text())
        assert refreshed(broken).status == "rejected"
        modernmail.mailers["default"].close()
    mail_finished.disconnect(receiver)
    modernmail.configure({})
    assert ended == ["accepted", "unknown", "accepted", "rejected"]
    assert "its outcome is unknown" in caplog.text


def test_a_broker_that_takes_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is away, or full, whatever it raises then: the enqueue fails with QueueUnavailable, which says which backend it
    was."""
    if engine.name == "procrastinate":
        engine.module.app.close()
    else:

        def fail(*_: object, **__: object) -> None:
            raise ZeroDivisionError("OOM command not allowed")

        where = engine.backend._job if engine.name == "celery" else engine.module.broker  # type: ignore[attr-defined]
        monkeypatch.setattr(where, "apply_async" if engine.name == "celery" else "enqueue", fail)
    with pytest.raises(QueueUnavailable, match="the task backend 'default'"):
        chores.add.enqueue(1)


def test_rabbitmq_confirms_what_it_takes() -> None:
    """Otherwise an enqueue would succeed whose mail a broker that went down, or found it too large, has never had."""
    app = Celery("tests", broker="amqp://localhost")
    assert CeleryBackend(app).takes_back
    assert app.conf.broker_transport_options == {"confirm_publish": True}
    other = Celery("tests", broker="amqp://localhost")
    other.conf.broker_transport_options = {"confirm_publish": False, "heartbeat": 5}
    CeleryBackend(other)
    assert other.conf.broker_transport_options == {"confirm_publish": False, "heartbeat": 5}
    assert not CeleryBackend(
        Celery("tests", broker="redis://localhost")
    ).takes_back  # a full one takes nothing
    broker = RabbitmqBroker(url="amqp://localhost")
    DramatiqBackend(broker)
    assert broker.confirm_delivery


def test_a_store_of_results_that_cannot_be_reached(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """To enqueue and to look a result up fail with QueueUnavailable; a job in a worker's hands is put off, not lost."""
    if engine.name == "procrastinate":
        pytest.skip("records and jobs are in one database")
    backend: Any = engine.backend
    result = chores.add.enqueue(1)
    text = backend.look_up(result.id)

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("an error of its own")

    with monkeypatch.context() as patch:
        store, names = (backend.app.backend, ("store_result", "get_task_meta")) if engine.name == "celery" else (
            backend._results, ("store_result", "get_result"))  # fmt: skip
        for name in names:
            patch.setattr(store, name, fail)
        for call in (lambda: chores.add.enqueue(1), result.refresh):
            with pytest.raises(
                QueueUnavailable, match=r"the task backend 'default'.*the result backend cannot be used"
            ):
                call()
        put: list[Slip] = []
        patch.setattr(backend, "put", lambda slip, **_: put.append(slip))
        backend.perform(text)
    (slip,) = put
    assert slip.id == result.id
    assert 55 < (slip.not_before or 0) - time.time() <= 60


def test_a_key_taken_half_way(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever took a key and failed, or died, before the mail was handed over: who repeats the enqueue hands it over, once."""
    engine = Engine("procrastinate-postgres", postgres_url, "")
    engine.module.app.open()
    engine.module.app.schema_manager.apply_schema()
    backend: Any = engine.backend

    def jobs() -> list[str]:
        rows = engine.module.app.connector.get_sync_connector().execute_query_all(
            "SELECT args->>'slip' AS slip FROM procrastinate_jobs WHERE task_name = 'modernmail.perform'"
        )
        return [Slip.from_text(row["slip"]).id for row in rows]

    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    for step in ("put", "advance"):
        with monkeypatch.context() as patch:

            def fail(*_: object, **__: object) -> None:
                raise QueueUnavailable("the connection is gone")

            patch.setattr(backend, step, fail)
            with pytest.raises(QueueUnavailable, match="the connection is gone"):
                mail(subject=step).enqueue(idempotency_key=step)
        ticket = mail(subject=step).enqueue(idempotency_key=step)
        assert mail(subject=step).enqueue(idempotency_key=step).id == ticket.id
        assert jobs().count(ticket.id) == 1
        assert refreshed(ticket).status == "queued"
    assert len(jobs()) == 2
    modernmail.configure({})
    engine.close()


def test_the_table_of_records_is_made_once(postgres_url: str) -> None:
    """Programs that first use a new database at the same time do not fail over each other's table."""
    engine = Engine("procrastinate-postgres", postgres_url, "")
    engine.module.app.open()
    engine.module.app.schema_manager.apply_schema()
    connector = engine.module.app.connector.get_sync_connector()
    for _ in range(20):
        connector.execute_query("DROP TABLE IF EXISTS modernmail_record")
        others = [ProcrastinateBackend(engine.module.app, str(number)) for number in range(4)]
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(lambda other: other.look_up("nothing"), others)) == [None] * 4
    engine.close()


@pytest.mark.parametrize("engine", [kind for kind in KINDS if "postgres" not in kind], indirect=True)
def test_records_change_hands_once(engine: Engine) -> None:
    """Of two workers that have seen the same record at the same moment, one writes its step."""
    backend: Any = engine.backend
    keep, others = backend.keep, ThreadPoolExecutor(1)
    slip = Slip("abc", "mail", "default", {}, progress={"phase": "queued"})
    keep(slip)
    seen = backend.look_up("abc")
    slower: list[Any] = []

    def keep_later(slip: Slip, connection: Any = None) -> None:
        if not slower:
            other = replace(slip, progress={"phase": "leased by another"})
            slower.append(others.submit(backend.advance, other, seen))
            wait(slower, timeout=0.3)
        keep(slip)

    backend.keep = keep_later
    slip.progress = {"phase": "leased"}
    assert backend.advance(slip, seen)
    assert not slower[0].result()
    assert Slip.from_text(backend.look_up("abc")).progress == {"phase": "leased"}
    others.shutdown()


def test_postgres_says_what_time_it_is(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker whose clock is behind that of the database puts a job off for as long as it has to wait, instead of getting it
    again at once, for as long as its clock is behind."""
    engine = Engine("procrastinate-postgres", postgres_url, "")
    engine.module.app.open()
    engine.module.app.schema_manager.apply_schema()
    result = chores.add.using(run_after=timedelta(minutes=5)).enqueue(1)
    backend: Any = engine.backend
    text = backend.look_up(result.id)

    class Behind(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return super().now(tz) - timedelta(hours=2)

    monkeypatch.setattr("modernmail.contrib.procrastinate.datetime", Behind, raising=False)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - 7200)
    backend.perform(text)
    rows = engine.module.app.connector.get_sync_connector().execute_query_all(
        "SELECT extract(epoch FROM scheduled_at - now())::int AS left FROM procrastinate_jobs ORDER BY id"
    )
    assert [round(row["left"] / 60) for row in rows] == [5, 125]
    engine.close()


def test_records_of_postgres_change_hands_once(postgres_url: str) -> None:
    """A worker writes its step only on the record that it has seen; a first record never replaces a later one."""
    engine = Engine("procrastinate-postgres", postgres_url, "")
    engine.module.app.open()
    engine.module.app.schema_manager.apply_schema()
    backend: Any = engine.backend
    slip = Slip("abc", "mail", "default", {}, progress={"phase": "queued"})
    assert backend.advance(slip, None)
    seen = backend.look_up("abc")
    assert not backend.advance(slip, None)
    for phase, is_first in (("leased", True), ("other", False)):
        slip.progress = {"phase": phase}
        assert backend.advance(slip, seen) is is_first
    assert Slip.from_text(backend.look_up("abc")).progress == {"phase": "leased"}
    engine.close()


def test_other_queues_are_the_engines_own(engine: Engine) -> None:
    """A queue's name goes through to the engine."""
    result = chores.add.using(queue_name="newsletters").enqueue(1)
    assert result.task.queue_name == "newsletters"
    result.refresh()
    assert result.status == "READY"


@pytest.mark.parametrize("rows", ["dict_row", "tuple_row", "namedtuple_row", "scalar_row"])
def test_a_connection_of_postgres_reads_rows_as_its_owner_likes(postgres_url: str, rows: str) -> None:
    """Its row factory is the caller's business: a key is found again, and a wait is as long as it was to be."""
    import psycopg

    engine = Engine("procrastinate-postgres", postgres_url, "")
    engine.module.app.open()
    engine.module.app.schema_manager.apply_schema()
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    with psycopg.connect(postgres_url, row_factory=getattr(psycopg.rows, rows)) as connection:
        first, again = (
            mail().enqueue(connection=connection, idempotency_key="k", run_after=timedelta(hours=1))
            for _ in range(2)
        )
        assert connection.row_factory is getattr(psycopg.rows, rows)
    assert first.id == again.id
    found = engine.module.app.connector.get_sync_connector().execute_query_all(
        "SELECT round(extract(epoch FROM scheduled_at - now()) / 60)::int AS minutes FROM procrastinate_jobs"
    )
    assert found == [{"minutes": 60}]
    modernmail.configure({})
    engine.close()


def test_rollback_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    """A task enqueued in a psycopg transaction is there after the commit, and never after a rollback."""
    import psycopg

    engine = Engine("procrastinate-postgres", postgres_url, "")
    engine.module.app.open()
    engine.module.app.schema_manager.apply_schema()
    with psycopg.connect(postgres_url) as connection:
        undone = chores.note.enqueue("undone", connection=connection)
        connection.rollback()
        modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
        lost = mail().enqueue(connection=connection, idempotency_key="lost")
        connection.rollback()
        kept = chores.add.enqueue(1, connection=connection)
        with pytest.raises(TaskResultDoesNotExist):
            kept.refresh()
        connection.commit()
    with engine.worker(tmp_path) as worker:
        wait_for(lambda: kept.refresh() or kept.is_finished, "the task finished", worker)
    with pytest.raises(TaskResultDoesNotExist):
        undone.refresh()
    with pytest.raises(TaskResultDoesNotExist):
        lost.refresh()
    modernmail.configure({})
    engine.close()
