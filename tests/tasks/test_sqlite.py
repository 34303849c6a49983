"""`sqlite:///path`: tasks on disk, from enqueue to result, and what the file may do to them."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sqlite3
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import chores
import pytest
from forked import forks, in_a_child
from working import work

from modernmail import tasks
from modernmail.errors import (
    ConfigurationError,
    IdempotencyConflict,
    InvalidTask,
    QueueUnavailable,
    TaskResultDoesNotExist,
)
from modernmail.tasks import task
from modernmail.tasks.pulse import Pulse
from modernmail.tasks.signals import task_enqueued, task_finished
from modernmail.tasks.sqlite import SQLiteBackend, schema
from modernmail.tasks.sqlite.database import Database
from modernmail.tasks.sqlite.job import NewJob
from modernmail.tasks.sqlite.lease import Lease
from modernmail.tasks.sqlite.recovery import next_due, recover, wake
from modernmail.tasks.trouble import Trouble
from modernmail.tasks.worker import Worker

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def backend(tmp_path: Path) -> SQLiteBackend:
    """The default backend: a queue in a new file."""
    tasks.configure(f"sqlite:////{tmp_path}/queue.db?patience=0.2")
    backend = tasks.task_backends["default"]
    assert isinstance(backend, SQLiteBackend)
    return backend


def test_tasks_run_in_a_worker_and_results_come_back(backend: SQLiteBackend) -> None:
    """Sync and async functions are stored, run by a worker, and read back by id."""
    first = chores.add.enqueue(1, b=4)
    second = asyncio.run(chores.add_later.aenqueue(a=2))
    assert (first.status, first.attempts) == ("READY", 0)
    worker = work(backend)
    assert worker.counts == {"done": 2}
    for result, value in ((first, 5), (second, 4)):
        result.refresh()
        assert (result.status, result.return_value, result.errors) == ("SUCCESSFUL", value, [])
        assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
        assert result.worker_ids == [worker.id]
    asyncio.run(first.arefresh())
    assert chores.add.get_result(first.id) == first


def test_failures_retries_contexts_and_receipts(backend: SQLiteBackend) -> None:
    """What the in-process backends promise holds on disk as well."""
    failed, lucky, stubborn = (
        each.enqueue() for each in (chores.fail, chores.third_time_lucky, chores.stubborn)
    )
    receipt, odd, left = (
        each.enqueue() for each in (chores.return_receipt, chores.return_object, chores.leave)
    )
    context = chores.which_attempt.enqueue("x")
    work(backend)
    while lucky.status == "READY":
        work(backend)
        lucky.refresh()
    for result in (failed, stubborn, context, receipt, odd, left):
        result.refresh()
    assert (failed.status, failed.errors[0].exception_class) == ("FAILED", ValueError)
    assert (lucky.return_value, lucky.attempts, len(lucky.errors)) == (3, 3, 2)
    assert (stubborn.status, stubborn.attempts, len(stubborn.errors)) == ("FAILED", 3, 3)
    assert context.return_value == [1, context.id, "x"]
    assert receipt.return_value["recipients"]["a@example.com"]["status"] == "accepted"
    assert (odd.errors[0].exception_class, left.errors[0].exception_class) == (InvalidTask, SystemExit)


def test_priority_then_age_decides(backend: SQLiteBackend) -> None:
    """One hand takes the highest priority first, over all queues; among equals the oldest."""
    for name, priority, queue in (
        ("b", 0, "x"),
        ("c", -5, "y"),
        ("a", 9, "y"),
        ("b2", 0, "w"),
        ("a2", 9, "a"),
    ):
        chores.note.using(priority=priority, queue_name=queue).enqueue(name)
    work(backend, concurrency=1)
    assert chores.done == ["a", "a2", "b", "b2", "c"]


def test_a_worker_serves_the_queues_it_was_given(backend: SQLiteBackend) -> None:
    """Jobs of other queues stay."""
    chores.note.using(queue_name="slow").enqueue("slow")
    fast = chores.note.using(queue_name="fast").enqueue("fast")
    work(backend, queues=["fast", "other"])
    fast.refresh()
    assert chores.done == ["fast"]
    work(backend)
    assert chores.done == ["fast", "slow"]


def test_run_after_holds_a_task_back(backend: SQLiteBackend) -> None:
    """A task runs when its time has come: an hour from now it does not, a moment ago it does."""
    chores.note.using(run_after=timedelta(hours=1)).enqueue("later")
    chores.note.using(run_after=datetime(2020, 1, 1, tzinfo=UTC)).enqueue("now")
    soon = chores.note.using(run_after=timedelta(milliseconds=20)).enqueue("soon")
    work(backend)
    assert "later" not in chores.done
    worker = Worker(backend)
    runner = threading.Thread(target=worker.run)
    finished = threading.Event()

    @task_finished.connect
    def seen(**_: object) -> None:
        finished.set()

    try:
        if soon.status == "READY" and "soon" not in chores.done:
            runner.start()
            assert finished.wait(10)
            worker.stop()
            runner.join()
    finally:
        task_finished.disconnect(seen)
    assert chores.done == ["now", "soon"]


def test_enqueue_many_stores_all_or_none(backend: SQLiteBackend) -> None:
    """One bad call and nothing is stored; otherwise ids are in order and results found."""
    with pytest.raises(InvalidTask):
        chores.note.enqueue_many([(1,), (object(),)])
    work(backend)
    assert chores.done == []
    seen = []
    task_enqueued.connect(lambda **told: seen.append(told["task_result"].id))
    results = chores.note.enqueue_many((value,) for value in range(50))
    assert [result.id for result in results] == sorted({result.id for result in results})
    assert seen[-50:] == [result.id for result in results]
    work(backend, concurrency=1)
    assert chores.done == list(range(50))
    assert chores.note.get_result(results[7].id).args == [7]


def test_a_task_enqueued_in_a_transaction_lives_and_dies_with_it(backend: SQLiteBackend) -> None:
    """With the caller's connection a commit enqueues, a rollback does not, and the file may be the caller's
    own."""
    with sqlite3.connect(backend.database.path) as own:
        own.execute("CREATE TABLE orders (id INTEGER)")
        own.execute("INSERT INTO orders VALUES (1)")
        chores.note.enqueue("rolled back", connection=own)
        chores.note.using(connection=own).enqueue_many([("rolled back too",)])
        own.rollback()
        work(backend)
        assert chores.done == []
        own.execute("INSERT INTO orders VALUES (2)")
        result = chores.note.enqueue("committed", connection=own)
        with pytest.raises(TaskResultDoesNotExist):
            result.refresh()
    own.close()
    work(backend)
    assert chores.done == ["committed"]


def test_a_first_use_within_a_transaction_makes_the_tables_there(backend: SQLiteBackend) -> None:
    """The tables are part of the caller's transaction: rolled back, and made again when next needed."""
    own = sqlite3.connect(backend.database.path)
    for end in (own.rollback, own.commit):
        own.execute("BEGIN IMMEDIATE")
        chores.note.enqueue("x", connection=own)
        end()
    own.close()
    work(backend)
    assert chores.done == ["x"]
    assert backend.database.rows("PRAGMA journal_mode") == [("wal",)]


def test_a_connection_to_another_file_is_refused(backend: SQLiteBackend, tmp_path: Path) -> None:
    """A job in another file would never run."""
    for other in (sqlite3.connect(tmp_path / "other.db"), sqlite3.connect(":memory:")):
        with pytest.raises(InvalidTask, match=r"connection.*another file"):
            chores.note.enqueue(1, connection=other)
        other.close()
    with pytest.raises(InvalidTask, match=r"must be an open sqlite3\.Connection"):
        chores.note.enqueue(1, connection="queue.db")


def test_idempotency_keys_are_unique(backend: SQLiteBackend) -> None:
    """The same key and digest give the first job's id; another digest is a conflict."""
    job = NewJob("task", "chores.add", "{}", key="k", digest=b"1")
    number = backend.jobs.insert(job)
    assert backend.jobs.insert(job) == number
    assert backend.jobs.insert_many([job, NewJob("task", "x", "{}")])[0] == number
    with pytest.raises(IdempotencyConflict, match="'k' is taken"):
        backend.jobs.insert(NewJob("task", "chores.add", "{}", key="k", digest=b"2"))


def test_tasks_a_worker_cannot_import_are_refused(backend: SQLiteBackend) -> None:
    """A function that is not a task at its own path would be lost: the enqueue says so."""
    with pytest.raises(InvalidTask, match="a worker cannot import it"):
        task(chores.plain).enqueue()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("chores.gone", "has no attribute 'gone'"),
        ("no_such_module.add", "No module named"),
        ("chores.plain", "not a task"),
    ],
)
def test_a_task_whose_function_is_gone_fails_and_is_kept(
    backend: SQLiteBackend, name: str, says: str
) -> None:
    """The job ends FAILED with a named error that can be looked at; the worker goes on."""
    number = backend.jobs.insert(NewJob("task", name, '{"v":1,"args":[],"kwargs":{}}'))
    chores.note.enqueue("next")
    worker = work(backend)
    job = backend.jobs.find(number)
    assert job is not None
    assert job.phase == "failed"
    assert says in json.loads(job.outcome or "")["errors"][0][1]
    assert chores.done == ["next"]
    assert worker.counts == {"failed": 1, "done": 1}


def test_a_payload_of_a_newer_version_is_refused(backend: SQLiteBackend) -> None:
    """It fails with PayloadRejected, and is kept."""
    number = backend.jobs.insert(NewJob("task", "chores.add", '{"v":99,"args":[],"kwargs":{}}'))
    work(backend)
    job = backend.jobs.find(number)
    assert job is not None
    assert "payload of version 99; this release reads 1" in (job.outcome or "")


@pytest.mark.parametrize("payload", ["{", "[1]", "7", '{"v":1}', '{"v":1,"args":{},"kwargs":{}}'])
def test_a_payload_that_cannot_be_read_fails_its_task(backend: SQLiteBackend, payload: str) -> None:
    """It fails with PayloadRejected and is kept, with whatever is stored as its outcome; the worker goes on."""
    number = backend.jobs.insert(NewJob("task", "chores.add", payload))
    backend.database.execute("UPDATE modernmail_job SET outcome = '{'")
    chores.note.enqueue("next")
    worker = work(backend)
    job = backend.jobs.find(number)
    assert job is not None
    assert (job.phase, worker.counts, chores.done) == ("failed", {"failed": 1, "done": 1}, ["next"])
    assert "PayloadRejected" in (job.outcome or "")


def test_signed_jobs(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key, only what was signed with it is run: unsigned, changed and foreign jobs fail."""
    unsigned = chores.note.enqueue("unsigned")
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "another key of enough bytes")
    backend.close()
    foreign = chores.note.enqueue("foreign")
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "secret key of enough bytes")
    backend.close()
    changed = chores.note.enqueue("changed")
    sound = chores.note.enqueue("sound")
    sql = "UPDATE modernmail_job SET payload = replace(payload, 'changed', 'tampered') WHERE id = ?"
    backend.database.execute(sql, (int(changed.id, 16),))
    work(backend)
    assert chores.done == ["sound"]
    for result in (unsigned, foreign, changed):
        job = backend.jobs.find(int(result.id, 16))
        assert job is not None
        assert (job.phase, "PayloadRejected" in (job.outcome or "")) == ("failed", True)
    sound.refresh()
    assert sound.status == "SUCCESSFUL"


@pytest.mark.parametrize("wrong", ["nothing", "ffffffffffffffffffff", "-1", "1f"])
def test_an_unknown_id_is_an_error(backend: SQLiteBackend, wrong: str) -> None:
    """Ids that are malformed, too large or not there raise TaskResultDoesNotExist."""
    with pytest.raises(TaskResultDoesNotExist, match=wrong):
        chores.note.get_result(wrong)


def test_ended_jobs_are_forgotten_after_their_time(backend: SQLiteBackend) -> None:
    """Purging takes what ended before a time, and leaves what waits or is unknown."""
    old = chores.note.enqueue("old")
    work(backend)
    waiting = chores.note.enqueue("waiting")
    unknown = chores.note.enqueue("unknown")
    backend.database.execute(
        "UPDATE modernmail_job SET phase = 'unknown', finished_at = 1 WHERE id = ?", (int(unknown.id, 16),)
    )
    assert backend.jobs.purge(time.time() - 60) == 0
    assert backend.jobs.purge(time.time() + 60) == 1
    with pytest.raises(TaskResultDoesNotExist):
        old.refresh()
    waiting.refresh()
    unknown.refresh()


def test_a_long_queue_makes_no_step_longer(backend: SQLiteBackend) -> None:
    """To claim, to look for what is due and to enqueue take SQLite as many steps with 5,000 jobs as with 100; jobs of other
    queues and lanes are found all the same."""
    lease = Lease(backend.database, "w", 30)
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    def taken(queued: int) -> int:
        nonlocal steps
        for queue in ("a", "b"):
            chores.add.using(queue_name=queue).enqueue_many([(1,)] * (queued // 2))
        assert len(lease.claim(lambda lane: 1)) == 1  # admits them
        with backend.database.write() as connection:
            connection.set_progress_handler(count, 1)
        steps = 0
        for queues in (None, ("b",), ("none",)):
            assert len(lease.claim(lambda lane: 1, queues=queues)) == (queues != ("none",))
        wake(backend.database)
        next_due(backend.database)
        chores.add.enqueue(1)
        connection.set_progress_handler(None, 0)
        return steps

    few = taken(100)
    assert few < taken(5000) < 2 * few


def test_forgetting_keeps_up_with_what_ends(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A beat forgets so many jobs and no more; the next goes on until none is left, then it rests for a while."""
    monkeypatch.setattr("modernmail.tasks.pulse.AT_ONCE", 2)
    monkeypatch.setattr("modernmail.tasks.pulse.PURGE", 0)
    chores.add.enqueue_many([(1,)] * 5)
    work(backend)
    backend.ttl = -60
    pulse = Pulse(backend, Lease(backend.database, "w", 30), lambda line: None, Trouble("w"))
    monkeypatch.setattr("modernmail.tasks.pulse.PURGE", 60)
    left = []
    for _ in range(3):
        pulse.beat()
        left.append(backend.database.rows("SELECT count(*) FROM modernmail_job")[0][0])
    assert left == [3, 1, 0]
    backend.ttl = 60
    chores.add.enqueue(1)
    work(backend)
    backend.ttl = -60
    pulse.beat()
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(1,)]


def test_a_stopped_worker_finishes_what_has_begun(backend: SQLiteBackend) -> None:
    """`stop` lets the running task end, and leaves the queued one."""
    running = chores.wait_for_gate.enqueue()
    queued = chores.note.enqueue("queued")
    worker = Worker(backend, concurrency=1)
    runner = threading.Thread(target=worker.run)
    runner.start()
    while running.status == "READY":
        running.refresh()
    assert running.status == "RUNNING"
    worker.stop()
    assert worker.is_stopping
    chores.gate.set()
    runner.join(10)
    running.refresh()
    queued.refresh()
    assert (running.status, queued.status) == ("SUCCESSFUL", "READY")
    assert backend.database.rows("SELECT * FROM modernmail_lease") == []


def die(path: str) -> None:
    """Claim a job in a process of its own, and die without a word."""

    backend = SQLiteBackend(path, lease=0.5)
    assert Lease(backend.database, "dying", 0.5).claim(lambda _: 1)
    os._exit(1)


def test_a_lost_lease_is_logged_once(backend: SQLiteBackend, caplog: pytest.LogCaptureFixture) -> None:
    """A hand that is stuck in what was lost fills no log: a line for each loss, not for each heartbeat."""
    lease = Lease(backend.database, "w", 30)
    pulse = Pulse(backend, lease, lambda line: None, Trouble("w"))

    def lose() -> None:
        chores.note.enqueue(1)
        (job,) = lease.claim(lambda lane: 1)
        backend.database.execute("UPDATE modernmail_lease SET until = 0")
        for _ in range(3):
            pulse.beat()
        lease.let_go(job.lease)
        pulse.beat()
        (again,) = lease.claim(lambda lane: 1)
        lease.release([again])
        lease.let_go(again.lease)
        backend.database.execute("DELETE FROM modernmail_job")

    with caplog.at_level("WARNING", "modernmail.tasks"):
        lose()
        assert caplog.text.count("lost its lease") == 1
        lose()
        assert caplog.text.count("lost its lease") == 2


def test_a_dead_workers_task_comes_back_within_its_lease(backend: SQLiteBackend) -> None:
    """The next worker has it before the length of the lease is over, and counts the lost attempt."""
    result = chores.note.enqueue("again")
    process = multiprocessing.get_context("spawn").Process(target=die, args=(str(backend.database.path),))
    process.start()
    process.join()
    result.refresh()
    assert result.status == "RUNNING"
    died = time.monotonic()
    until = backend.database.rows("SELECT until FROM modernmail_lease")[0][0]
    assert until <= died + 0.5  # type: ignore[operator]
    worker = Worker(backend)
    worker.lease.length = 0.2
    runner = threading.Thread(target=worker.run)
    runner.start()
    while not result.is_finished:
        result.refresh()
    worker.stop()
    runner.join()
    assert chores.done == ["again"]
    assert (result.attempts, result.worker_ids) == (2, ["lost", worker.id])


@pytest.mark.parametrize(
    "path", ["", ":memory:", "a\0b"],
)  # fmt: skip
def test_what_is_no_file_is_refused(path: str) -> None:
    """A durable queue needs a file."""
    with pytest.raises(ConfigurationError, match="is no file"):
        Database(path)


def test_a_file_that_is_no_database(backend: SQLiteBackend) -> None:
    """The error names the file and says so; the file is left as it was."""
    backend.database.path.write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.raises(QueueUnavailable, match=r"queue\.db is not a SQLite database"):
        chores.note.enqueue(1)


def test_a_missing_folder() -> None:
    """The error says that the folder may be missing."""
    with pytest.raises(QueueUnavailable, match="cannot be opened: check that its folder exists"):
        SQLiteBackend("/nowhere/queue.db").jobs.find(1)


def test_a_corrupt_database(backend: SQLiteBackend) -> None:
    """A damaged page is an error that says corrupt."""
    chores.note.enqueue_many(({"value": "x" * 500},) for _ in range(200))
    backend.database.close()
    with sqlite3.connect(backend.database.path) as own:
        own.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    own.close()
    size = backend.database.path.stat().st_size
    with backend.database.path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))
    with pytest.raises(QueueUnavailable, match="is corrupt"):
        work(backend)


def test_a_locked_database_is_waited_for_then_named(backend: SQLiteBackend) -> None:
    """Another process's transaction is waited for, as long as patience says."""
    chores.note.enqueue(0)
    own = sqlite3.connect(backend.database.path, isolation_level=None, check_same_thread=False)
    own.execute("BEGIN IMMEDIATE")
    with pytest.raises(QueueUnavailable, match=r"is locked by another process for 0\.2 s"):
        chores.note.enqueue(1)
    backend.database.patience = 30
    release = threading.Timer(0.02, lambda: own.execute("COMMIT"))
    release.start()
    assert chores.note.enqueue(2).id
    release.join()
    own.close()


def test_a_read_only_database(backend: SQLiteBackend) -> None:
    """The error says read-only, and nothing was stored."""
    chores.note.enqueue(0)
    backend.database.execute("PRAGMA query_only = 1")
    with pytest.raises(QueueUnavailable, match="is read-only"):
        chores.note.enqueue(1)


@pytest.mark.parametrize("then", ["deleted", "replaced"])
def test_a_file_that_is_not_there_any_more(backend: SQLiteBackend, then: str) -> None:
    """Nothing is stored in a file that nobody will find, and its worker says so; once it is back all goes on."""
    chores.note.enqueue(0)
    path = backend.database.path
    aside = path.rename(path.with_name("aside.db"))
    if then == "replaced":
        path.write_bytes(b"")
    says = "cannot be found any more" if then == "deleted" else "is another file now"
    for enqueue in (lambda: chores.note.enqueue(1), lambda: chores.note.enqueue_many([(2,), (3,)])):
        with pytest.raises(QueueUnavailable, match=rf"{says}.*: put back the one that is open, or restart"):
            enqueue()
    with pytest.raises(QueueUnavailable, match=says):
        work(backend)
    with pytest.raises(QueueUnavailable, match=says):
        Lease(backend.database, "looking for work", 30.0).claim(lambda _: 1)
    aside.replace(path)
    chores.note.enqueue(4)
    work(backend)
    assert sorted(chores.done) == [0, 4]  # by several hands


def test_a_full_disk(backend: SQLiteBackend) -> None:
    """The error says full; what was stored before is still there."""
    kept = chores.note.enqueue("kept")
    pages = backend.database.rows("PRAGMA page_count")[0][0]
    backend.database.rows(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(QueueUnavailable, match="is full"):
        chores.note.enqueue_many([("x" * 5000,)])
    kept.refresh()


def test_a_worker_outlasts_an_unavailable_queue(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It says what is wrong, waits, and goes on; what came of a job is stored when the queue is back."""
    for module in ("door", "worker"):
        monkeypatch.setattr(f"modernmail.tasks.{module}.SORRY", 0.01)
    result = chores.add.enqueue(1)
    worker = Worker(backend, until_empty=True)
    failures = {"claim": 2, "finish": 3}

    def unavailable(name: str, method: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            failures[name] -= 1
            if failures[name] >= 0:
                raise QueueUnavailable("the queue is locked")
            return method(*args, **kwargs)

        return call

    monkeypatch.setattr(worker.lease, "claim", unavailable("claim", worker.lease.claim))
    monkeypatch.setattr(worker.lease, "finish", unavailable("finish", worker.lease.finish))
    worker.run()
    result.refresh()
    assert result.return_value == 3
    assert "trying again in" in caplog.text
    assert "cannot store what came of a job" in caplog.text


def test_a_hand_outlasts_what_nobody_foresaw(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error while it looks for work is logged with its traceback, and the next look finds the work."""
    monkeypatch.setattr("modernmail.tasks.door.SORRY", 0.01)
    result = chores.add.enqueue(1)
    worker = Worker(backend, until_empty=True, concurrency=1)
    claim = worker.lease.claim
    failures = iter([ZeroDivisionError("by nobody")])

    def fail_once(*args: Any, **kwargs: Any) -> Any:
        for failure in failures:
            raise failure
        return claim(*args, **kwargs)

    monkeypatch.setattr(worker.lease, "claim", fail_once)
    worker.run()
    result.refresh()
    assert result.return_value == 3
    assert "ZeroDivisionError: by nobody" in caplog.text


def test_tables_of_a_newer_release_are_refused(backend: SQLiteBackend) -> None:
    """The error says which versions are known, and to upgrade."""
    chores.note.enqueue(1)
    backend.database.execute("UPDATE modernmail_meta SET value = '99'")
    backend.database.close()
    with pytest.raises(QueueUnavailable, match=r"version 99.*up to 2: upgrade"):
        chores.note.enqueue(1)


def test_older_tables_are_migrated(backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening an older file runs the missing steps in one transaction; the jobs stay."""
    result = chores.add.enqueue(1)
    backend.database.close()
    steps = (*schema.MIGRATIONS, ("ALTER TABLE modernmail_job ADD COLUMN colour TEXT",))
    for function in (schema.is_current, schema.migrate):
        monkeypatch.setattr(function, "__defaults__", (steps,))
    result.refresh()
    assert backend.database.rows("SELECT colour FROM modernmail_job") == [(None,)]
    assert backend.database.rows("SELECT value FROM modernmail_meta WHERE name = 'schema'") == [("3",)]


def test_options_come_from_the_url(tmp_path: Path) -> None:
    """Lease, time to live, synchronous and patience; a wrong one is named."""
    url = f"sqlite:////{tmp_path}/q.db?lease=5&ttl=60&synchronous=normal&patience=1"
    backend = tasks.task_backends[url]
    assert isinstance(backend, SQLiteBackend)
    assert (backend.lease, backend.ttl, backend.database.synchronous) == (5.0, 60.0, "NORMAL")
    with pytest.raises(ConfigurationError, match="synchronous='off': must be FULL or NORMAL"):
        tasks.task_backends[f"sqlite:////{tmp_path}/q.db?synchronous=off"]
    with pytest.raises(ConfigurationError, match=r"lease='0': must be seconds, from 0\.1"):
        tasks.task_backends[f"sqlite:////{tmp_path}/q.db?lease=0"]


@forks
def test_a_forked_child_opens_the_file_anew(backend: SQLiteBackend) -> None:
    """Parent and child both go on using the queue; no connection crosses."""
    chores.note.enqueue("before")
    in_a_child(lambda: chores.note.enqueue("child"))
    chores.note.enqueue("parent")
    work(backend, concurrency=1)
    assert chores.done == ["before", "child", "parent"]


def enqueue_from_a_process(path: str, count: int) -> None:
    """Enqueue one by one into a file that others write as well."""
    tasks.configure(f"sqlite:////{path}")
    for value in range(count):
        chores.note.enqueue([os.getpid(), value])


def test_several_processes_enqueue_and_several_work(backend: SQLiteBackend) -> None:
    """Three writers and two workers at once: every task is run exactly once."""
    backend.database.patience = 30
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=enqueue_from_a_process, args=(str(backend.database.path), 60))
        for _ in range(3)
    ]
    workers = [Worker(SQLiteBackend(str(backend.database.path))) for _ in range(2)]
    runners = [threading.Thread(target=worker.run) for worker in workers]
    for each in (*writers, *runners):
        each.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    while backend.database.rows("SELECT 1 FROM modernmail_job WHERE phase <> 'done' LIMIT 1"):
        time.sleep(0.01)
    for worker in workers:
        worker.stop()
    for runner in runners:
        runner.join()
    assert len(chores.done) == 180
    assert len({tuple(each) for each in chores.done}) == 180  # type: ignore[arg-type]


def test_a_busy_process_makes_the_log_as_long_as_it_will_be(backend: SQLiteBackend) -> None:
    """A few enqueues leave a small file; many get a log that later commits overwrite, and no job is touched."""
    log = backend.database.path.with_name("queue.db-wal")
    for _ in range(10):
        chores.note.enqueue(1)
    assert log.stat().st_size < 1_000_000
    for _ in range(40):
        chores.note.enqueue(1)
    assert 4_000_000 < log.stat().st_size < 6_000_000
    length = log.stat().st_size
    for _ in range(40):
        chores.note.enqueue(1)
    assert log.stat().st_size == length
    assert backend.database.rows("SELECT count(*) FROM modernmail_content") == [(0,)]
    work(backend)
    assert len(chores.done) == 90


def test_a_task_that_takes_its_workers_along_is_given_up(backend: SQLiteBackend) -> None:
    """After five dead workers it fails, says so, and the next task is run."""
    deadly = chores.note.enqueue("deadly")
    lease = Lease(backend.database, "dying", 30)
    for _ in range(5):
        assert lease.claim(lambda _: 1)
        backend.database.execute("UPDATE modernmail_lease SET until = 0")
        assert recover(backend.database) == (1, [])
    chores.note.enqueue("next")
    work(backend)
    deadly.refresh()
    assert (deadly.status, chores.done) == ("FAILED", ["next"])
    assert "its worker died 5 times" in deadly.errors[0].traceback
