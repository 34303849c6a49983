"""What only shows in a queue that has grown: SQLite's steps, rows and statements are counted, not seconds."""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import chores
import pytest

from modernmail import Message, tasks
from modernmail.tasks.pulse import Pulse
from modernmail.tasks.sqlite.job import Job
from modernmail.tasks.sqlite.lease import Lease
from modernmail.tasks.sqlite.taskstore import TaskStore
from modernmail.tasks.trouble import Trouble
from modernmail.tasks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.tasks.sqlite import SQLiteBackend


@contextmanager
def counted_steps(backend: SQLiteBackend) -> Iterator[list[int]]:
    """Count the steps of SQLite's machine: the list has their number afterwards."""
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    with backend.database.write() as connection:
        connection.set_progress_handler(count, 1)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 0)


def ended(backend: SQLiteBackend, number: int) -> None:
    """Store so many tasks that ended ten seconds ago."""
    chores.add.enqueue_many([(1,)] * number)
    backend.database.execute(
        "UPDATE modernmail_job SET phase = 'done', fresh = NULL, enqueued_at = enqueued_at - 10, finished_at = ?"
        " WHERE finished_at IS NULL",
        (time.time() - 10,),
    )


def test_forgetting_costs_the_same_however_much_there_is_to_forget(backend: SQLiteBackend) -> None:
    """A step looks at so many jobs, whether 300 or 9,000 ended long ago: it had walked over all of these each time."""
    taken = []
    for number in (300, 9000):
        ended(backend, number)
        with counted_steps(backend) as steps:
            assert backend.jobs.purge(time.time() - 1, at_most=100) == 100
        taken.append(steps[0])
    assert taken[1] < 2 * taken[0]


def test_what_is_kept_is_looked_at_once_and_keeps_nothing_behind_it(backend: SQLiteBackend) -> None:
    """Unknown jobs before those that can go are walked over in steps, and the next step goes on behind them."""
    ended(backend, 250)
    backend.database.execute("UPDATE modernmail_job SET phase = 'unknown'")
    ended(backend, 50)
    gone = []
    while True:
        gone.append(backend.jobs.purge(time.time() - 1, at_most=100))
        if backend.jobs.forgetting.is_through:
            break
    assert gone == [0, 0, 50, 0]
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(250,)]


def test_a_beat_forgets_in_short_transactions(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No transaction deletes more than a thousand jobs, or many megabytes of content: others can enqueue in between."""
    monkeypatch.setattr("modernmail.tasks.pulse.PURGE", 0)
    backend.ttl = 1
    ended(backend, 2500)
    large = tasks.enqueue_many(Message("Hi", "x" * 5_000_000, to=["a@example.com"]) for _ in range(5))
    for ticket in large:
        backend.database.execute(
            "UPDATE modernmail_job SET phase = 'rejected', enqueued_at = 1, finished_at = 1 WHERE id = ?",
            (int(ticket.id, 16),),
        )
    with backend.database.write() as connection:
        deleted: list[int] = []
        before = connection.total_changes

        def look(statement: str) -> None:
            nonlocal before
            if statement == "COMMIT":
                deleted.append(connection.total_changes - before)
                before = connection.total_changes

    connection.set_trace_callback(look)
    try:
        Pulse(backend, Lease(backend.database, "w", 30), lambda line: None, Trouble("w")).beat()
    finally:
        connection.set_trace_callback(None)
    assert sum(deleted) >= 2510  # a job and a content for each mail
    assert max(deleted) <= 1001  # and the mark
    assert len(deleted) >= 4
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(0,)]
    assert backend.database.rows("SELECT count(*) FROM modernmail_content") == [(0,)]


def test_a_list_of_tasks_reads_only_those_in_it(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a thousand tasks the failed one is looked into, and no other."""
    ended(backend, 1000)
    failed = chores.fail.enqueue()
    Worker(backend, until_empty=True).run()
    looked: list[int] = []
    real = Job.from_row
    monkeypatch.setattr(Job, "from_row", lambda row: looked.append(row[0]) or real(row))
    assert [task["id"] for task in TaskStore(backend).tasks("failed")] == [failed.id]
    assert len(looked) == 1
    assert len(list(TaskStore(backend).tasks())) == 1001


def test_a_worker_that_only_empties_the_queue_forgets_too(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cron starts each minute never lives until its first round; so much and no more at a time."""
    monkeypatch.setattr("modernmail.tasks.pulse.AT_ONCE", 10)
    backend.ttl = 5
    ended(backend, 250)
    left = []
    for _ in range(2):
        Worker(backend, until_empty=True).run()
        left.append(backend.database.rows("SELECT count(*) FROM modernmail_job")[0][0])
    assert left == [50, 0]


@pytest.mark.parametrize("contents", [None, 1, 30])
def test_no_step_of_the_way_of_a_mail_walks_over_the_table(
    backend: SQLiteBackend, contents: int | None
) -> None:
    """Each statement that an enqueue, a worker or its heartbeat runs finds its rows by an index, and sorts none; also where
    somebody's ANALYZE has told SQLite, when there were a few contents, that there are never more."""
    ended(backend, 300)
    tasks.enqueue_many(Message("Hi", "Text", to=["a@example.com"]) for _ in range(30))
    with backend.database.write() as connection:
        pass
    if contents is not None:
        connection.execute("ANALYZE")
        connection.execute("UPDATE sqlite_stat1 SET stat = ? WHERE tbl = 'modernmail_content'", (contents,))
        backend.database.close()  # statistics are read when a file is opened
        with backend.database.write() as connection:
            pass
    statements: set[str] = set()
    connection.set_trace_callback(statements.add)
    try:
        for key in (None, "key", "key"):
            Message("Hi", "Text", to=["a@example.com"]).enqueue(idempotency_key=key)
        Message("Hi", "Text", to=["a@example.com"]).enqueue(run_after=timedelta(hours=1))
        chores.add.enqueue(1)
        lease = Lease(backend.database, "w", 30)
        Worker(backend, until_empty=True, concurrency=2).run()
        tasks.enqueue_many(Message("Hi", "Text", to=["a@example.com"]) for _ in range(3))
        lease.claim(lambda lane: 2)
        pulse = Pulse(backend, lease, lambda line: None, Trouble("w"))
        pulse.beat()
        backend.database.execute("UPDATE modernmail_lease SET until = 0")
        pulse.beat()
    finally:
        connection.set_trace_callback(None)
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
    looked_at = [each for each in statements if each.startswith(kinds) and "sqlite_master" not in each]
    assert len(looked_at) > 25
    walks = [
        f"{step}: {statement}"
        for statement in looked_at
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
        if "TEMP B-TREE" in step or (step.startswith(_WALKS) and not _ends_at_once(statement, step))
    ]
    assert walks == []


_WALKS = ("SCAN modernmail_job", "SCAN modernmail_content")


def _ends_at_once(statement: str, step: str) -> bool:
    """True for a walk along an index of ours that ends at the first entry."""
    return " INDEX modernmail_" in step and ("LIMIT 1" in statement or "min(run_after)" in statement)
