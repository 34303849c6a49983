"""Queues of other releases: files as they were written then, tables on their way to this release, payloads of a later one."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import modernmail
from modernmail import Message, tasks
from modernmail.tasks.sqlite import SQLiteBackend
from modernmail.tasks.sqlite.boot import boot_id
from modernmail.tasks.sqlite.mail import MailStore
from modernmail.tasks.sqlite.schema import MIGRATIONS
from modernmail.tasks.sqlite.taskstore import TaskStore
from modernmail.tasks.worker import Worker
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent.parent
QUEUES = Path(__file__).parent / "queues"  # what releases wrote, as SQL; all of it signed
KEY = "a key of thirty-two characters!!"
VERSIONS = range(1, len(MIGRATIONS) + 1)

# The phases of the mails in these files, by recipient; and what they are when they have been worked.
THEN = {
    "ok@example.com": "accepted", "later@example.com": "waiting", "never@example.com": "rejected", "drop@example.com": "unknown",
    "x@example.com": "expired", "p@example.com": "queued", "q@example.com": "queued", "w@example.com": "waiting",
    "d@example.com": "discarded", "l@example.com": "leased", "c@example.com": "content",
}  # fmt: skip
SENT = ["l@example.com", "later@example.com", "p@example.com", "q@example.com", "w@example.com"]
WORKED = {**THEN, **dict.fromkeys(SENT, "accepted"), "c@example.com": "unknown"}


def opened(folder: Path, version: int) -> SQLiteBackend:
    """Return the backend of a file as the release wrote it that had tables of this version."""
    path = folder / "queue.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((QUEUES / f"v{version}.sql").read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    tasks.configure(f"sqlite:////{path}")
    backend = tasks.task_backends["default"]
    assert isinstance(backend, SQLiteBackend)
    return backend


def phases(backend: SQLiteBackend) -> dict[str, str]:
    """Return the phase of each mail by its first recipient."""
    return {ticket.envelope.recipients[0]: ticket.phase for ticket in MailStore(backend).tickets()}


@pytest.fixture
def mailers() -> Iterator[ScriptedSMTPServer]:
    """The mailers that the mails are for, both of one server."""
    with ScriptedSMTPServer() as server:
        modernmail.configure(
            {name: {"url": server.url(), "from_email": "shop@example.com"} for name in ("default", "bad")}
        )
        yield server


def work(backend: SQLiteBackend) -> None:
    """Run a worker for all that is there, whose time has come."""
    backend.database.execute("UPDATE modernmail_job SET run_after = 0 WHERE run_after IS NOT NULL")
    backend.database.execute("UPDATE modernmail_pause SET until = 0")
    for _ in range(2):  # the first mail of a mailer that was paused is a probe
        Worker(backend, until_empty=True, concurrency=1).run()


@pytest.mark.parametrize("key", ["", KEY], ids=["", "signed"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_queue_of_any_version_is_listed_and_worked(
    mailers: ScriptedSMTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, key: str
) -> None:
    """Mails in each phase and tasks are as they were; what was to be sent is, once, and its signature is right."""
    monkeypatch.setenv("MODERNMAIL_QUEUE_KEY", key)
    backend = opened(tmp_path, version)
    assert phases(backend) == THEN
    assert [task["status"] for task in TaskStore(backend).tasks()] == ["done", "failed", "waiting"]
    backend.database.execute("UPDATE modernmail_lease SET boot = ?", (boot_id(),))
    work(backend)
    assert phases(backend) == WORKED
    assert [task["status"] for task in TaskStore(backend).tasks()] == ["done", "failed", "done"]
    assert sorted(name for commit in mailers.commits for name in commit.recipients) == SENT
    again = Message("queued", "Text", to=["q@example.com"])
    (first,) = (ticket for ticket in MailStore(backend).tickets() if ticket.idempotency_key == "q")
    assert again.enqueue(idempotency_key="q").id == first.id
    assert backend.database.rows("PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("version", VERSIONS)
def test_what_was_held_when_the_machine_was_upgraded_is_unknown(
    mailers: ScriptedSMTPServer, tmp_path: Path, version: int
) -> None:
    """A boot lies in between: the mark of a commit point may be lost, so both that were held are reported, not sent."""
    backend = opened(tmp_path, version)
    work(backend)
    assert phases(backend) == {**WORKED, "l@example.com": "unknown"}


@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("version", [0, *VERSIONS[:-1]])
def test_a_migration_that_is_killed_is_done_by_the_next_process(
    mailers: ScriptedSMTPServer, tmp_path: Path, version: int
) -> None:
    """At whichever statement: the tables are those of before or those of this release, whole; no mail is lost or sent twice."""
    backend = opened(tmp_path, version) if version else None
    found = migrating("killed", tmp_path / "queue.db")
    assert found == sorted(found)
    assert set(found) == {version, len(MIGRATIONS)}
    assert found.count(version) > sum(map(len, MIGRATIONS[version:]))
    if backend is not None:
        work(backend)
        assert sorted(name for commit in mailers.commits for name in commit.recipients) == sorted(
            set(SENT) - {"l@example.com"}
        )


@pytest.mark.once
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("version", [0, *VERSIONS[:-1]])
def test_processes_that_migrate_at_the_same_moment_do_it_once(tmp_path: Path, version: int) -> None:
    """Each of them goes on, with the tables that one has made."""
    if version:
        opened(tmp_path, version)
    assert migrating("together", tmp_path / "queue.db") == [8]
    with closing(sqlite3.connect(tmp_path / "queue.db")) as connection:
        assert connection.execute(
            "SELECT count(*) FROM modernmail_job WHERE name = 'chores.note'"
        ).fetchone() == (8,)


def migrating(how: str, file: Path) -> list[int]:
    """Return the numbers that the program prints."""
    run = subprocess.run(
        [sys.executable, "-m", "engines.migrating", how, str(file)],
        env={**os.environ, "PYTHONPATH": str(TESTS)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert not run.returncode, run.stderr
    return [int(word) for word in run.stdout.split()]
