"""Jobs that have just come in: one page for each enqueue, and admitted to the index by whoever looks next."""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING

import chores
from working import work

from modernmail import Message, tasks
from modernmail.tasks.sqlite import SQLiteBackend, identifier, schema
from modernmail.tasks.sqlite.job import NewJob
from modernmail.tasks.sqlite.lease import Lease
from modernmail.tasks.sqlite.mail import MailStore

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

FRAME = 24 + 4096  # octets that a page takes in the log
_OLD_INSERT = """INSERT INTO modernmail_job
    (id, lane, queue, priority, phase, run_after, expires, name, payload, signature, key, digest, enqueued_at)
    VALUES (?, 'task', 'default', 0, 'queued', NULL, NULL, 'chores.note', ?, NULL, NULL, NULL, ?)"""


def claimed(backend: SQLiteBackend, at_most: int = 1) -> list[int]:
    """Return the ids of the jobs that a worker gets now."""
    lease = Lease(backend.database, "w", 30)
    return [job.id for job in lease.claim(lambda lane: at_most)]


def written(backend: SQLiteBackend) -> list[int]:
    """Return how many pages each of ten enqueues writes into the log."""
    log = backend.database.path.with_name("queue.db-wal")
    pages = []
    for value in range(10):
        before = log.stat().st_size
        chores.note.enqueue(value)
        pages.append((log.stat().st_size - before) // FRAME)
    return pages


def test_an_enqueue_writes_one_page(backend: SQLiteBackend) -> None:
    """The row, and no index: a second page is written only now and then, when the first is full."""
    assert sorted(written(backend))[:8] == [1] * 8


def test_priorities_hold_among_all_that_came(backend: SQLiteBackend) -> None:
    """The last of 2,500 jobs goes first, when it has the highest priority; the others in order of arrival."""
    rest = chores.note.enqueue_many([(0,)] * 2500)
    urgent = chores.note.using(priority=5).enqueue("urgent")
    assert backend.jobs.count_ready(9999) == 2501
    assert claimed(backend) == [int(urgent.id, 16)]
    assert claimed(backend, 3) == [int(one.id, 16) for one in rest[:3]]
    assert backend.jobs.count_ready(9999) == 2497


def test_ids_follow_each_other_whatever_the_clock_says(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the clock set back by an hour, what is enqueued comes after what was there, and is found."""
    first = chores.note.enqueue("first")
    assert claimed(backend) == [int(first.id, 16)]
    real = time.time_ns
    monkeypatch.setattr(identifier.time, "time_ns", lambda: real() - 3_600_000_000_000)
    second = chores.note.enqueue("second")
    third, fourth = chores.note.enqueue_many([("third",), ("fourth",)])
    number = backend.jobs.insert(NewJob("task", "chores.note", "{}", key="k", digest=b""))
    expected = [int(one.id, 16) for one in (second, third, fourth)] + [number]
    assert expected == sorted(expected)
    assert expected[0] > int(first.id, 16)
    assert claimed(backend, 9) == expected


def test_forgetting_the_newest_job_hides_no_later_one(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark falls back with the greatest id, so that a job enqueued by a slow clock is above it."""
    chores.note.enqueue("forgotten")
    work(backend)
    assert backend.jobs.purge(time.time() + 60) == 1
    real = time.time_ns
    monkeypatch.setattr(identifier.time, "time_ns", lambda: real() - 3_600_000_000_000)
    chores.note.enqueue("kept")
    work(backend)
    assert chores.done == ["forgotten", "kept"]


def test_a_transaction_that_commits_late_is_found(backend: SQLiteBackend) -> None:
    """Others cannot write in between, so its job has the greatest id when it appears."""
    own = sqlite3.connect(backend.database.path, isolation_level=None)
    own.execute("BEGIN")
    late = chores.note.enqueue("late", connection=own)
    assert claimed(backend) == []
    own.execute("COMMIT")
    assert claimed(backend) == [int(late.id, 16)]
    many = chores.note.using(connection=own).enqueue_many([("a",), ("b",)])
    own.close()
    assert claimed(backend, 9) == [int(one.id, 16) for one in many]


def test_jobs_of_an_older_release_are_run_too(backend: SQLiteBackend, tmp_path: Path) -> None:
    """A file of version 1 is migrated with its jobs; a program of that release may go on enqueueing into it."""
    path = tmp_path / "old.db"
    own = sqlite3.connect(path, isolation_level=None)
    own.execute("PRAGMA journal_mode = WAL")
    schema.migrate(own, schema.MIGRATIONS[:1])
    payload = '{"v":1,"args":["%s"],"kwargs":{}}'
    own.execute(_OLD_INSERT, (identifier.new_id(), payload % "before", time.time()))
    tasks.configure(f"sqlite:////{path}")
    new = tasks.task_backends["default"]
    assert isinstance(new, SQLiteBackend)
    chores.note.enqueue("new")
    own.execute(_OLD_INSERT, (identifier.new_id(), payload % "meanwhile", time.time()))
    assert new.jobs.count_ready(9) == 3
    # A worker of that release finds what is new as well: all that is queued says so.
    assert own.execute("SELECT count(*) FROM modernmail_job WHERE phase = 'queued'").fetchone() == (3,)
    own.close()
    work(new, concurrency=1)
    assert sorted(chores.done) == ["before", "meanwhile", "new"]  # type: ignore[type-var]


def test_a_job_that_is_changed_before_it_is_admitted(backend: SQLiteBackend) -> None:
    """Discarded, it is not sent; tried again by hand, it is sent once."""
    store = MailStore(backend)
    gone, again = (Message("Hello", "Text", to=["you@example.com"]).enqueue() for _ in "12")
    assert store.discard(gone.id).status == "discarded"
    assert store.retry(again.id).status == "queued"
    assert claimed(backend, 9) == [int(again.id, 16)]
    assert claimed(backend, 9) == []


def test_signed_jobs_of_a_batch_are_each_as_they_were_given(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Payload and signature fit each other, whatever characters are in them; nothing in a batch of nothing."""
    values = ["plain", 'quoted "\\" text', "ünïcode \u0000 \U0001f4e7", "[1]", "null"]
    assert chores.note.enqueue_many([]) == []
    chores.note.enqueue_many((value,) for value in values)
    work(backend, concurrency=1)
    assert chores.done == values
    backend.close()
    chores.done.clear()
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", "secret key of enough bytes")
    chores.note.enqueue_many((value,) for value in values)
    work(backend, concurrency=1)
    assert chores.done == values
