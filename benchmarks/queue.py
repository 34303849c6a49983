"""What queueing costs: durable and in-process enqueue, batches, and a worker that drains mail, each beside a
peer.

`python benchmarks/queue.py [--quick] [--write FILE]`. Every pair is measured in turns within one run, and a
figure is the median of its rounds; look at the ratios, since the machine is shared. Django's tasks need
Python 3.12 or later; the drain needs `smtp-sink` (Debian's package postfix), run as root, or any SMTP server
named in MODERNMAIL_SINK.
"""

from __future__ import annotations

import sys

# This file has the name of a standard module, and a script's own folder comes first.
sys.path[:] = [folder for folder in sys.path if not folder.endswith("benchmarks")]

import argparse
import logging
import os
import platform
import shutil
import smtplib
import socket
import sqlite3
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import modernmail
from modernmail import Message, tasks
from modernmail.tasks import task
from modernmail.tasks.sqlite import SQLiteBackend
from modernmail.tasks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BODY = ("The quick brown fox jumps over the lazy dog. " * 24)[:1000]
ARGUMENTS = {"emails": ["you@example.com"], "subject": "You have a message", "message": "Hello there!"}
STORED = '{"v":1,"args":[],"kwargs":{"emails":["you@example.com"],"subject":"You have a message"}}'


@task
def email_users(emails: list[str], subject: str, message: str) -> int:
    """What is enqueued: it does nothing, so that the queue alone is measured."""
    return len(emails)


def seconds(step: Callable[[], object]) -> float:
    """Return how long a step takes."""
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def in_turns(steps: dict[str, Callable[[], object]], rounds: int, count: int = 1) -> dict[str, float]:
    """Return the median microseconds of one unit of each step, each step being `count` units, measured in
    turns.

    With single operations in turns, a moment in which the disk or a processor is somebody else's falls on all
    alike.
    """
    for step in steps.values():
        for _ in range(3):
            step()
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(seconds(step))
    return {name: statistics.median(found) / count * 1e6 for name, found in times.items()}


def repeated(count: int, step: Callable[[], object]) -> Callable[[], None]:
    """Return a step that does another so many times."""

    def run() -> None:
        for _ in range(count):
            step()

    return run


def bare(folder: Path) -> Callable[[], None]:
    """Return an insert and commit with sqlite3 and nothing around it: WAL, synchronous FULL."""
    connection = sqlite3.connect(folder / "bare.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE job (id INTEGER PRIMARY KEY, name TEXT, payload TEXT, at REAL)")

    def insert() -> None:
        row = ("queue.email_users", STORED, time.time())
        connection.execute("INSERT INTO job (name, payload, at) VALUES (?, ?, ?)", row)
        connection.commit()

    return insert


def huey(folder: Path) -> Callable[[], object] | None:
    """Return an enqueue on huey's SqliteHuey with fsync, None without huey."""
    try:
        from huey import SqliteHuey
    except ImportError:
        return None
    queue = SqliteHuey(filename=str(folder / "huey.db"), fsync=True, results=False)

    def email(emails: list[str], subject: str, message: str) -> None: ...

    sent = queue.task()(email)
    return lambda: sent(**ARGUMENTS)


def django() -> Callable[[], object] | None:
    """Return an enqueue on Django's ImmediateBackend, None where there is no Django 6."""
    try:
        from django.conf import settings
        from django.tasks import task as django_task
    except ImportError:
        return None
    backend = {"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}}
    if not settings.configured:
        settings.configure(TASKS=backend, USE_TZ=True)
    logging.getLogger("django").setLevel(logging.ERROR)
    enqueued = django_task(email_users.func)
    return lambda: enqueued.enqueue(**ARGUMENTS)


@contextmanager
def sink() -> Iterator[str | None]:
    """Give the host:port of an SMTP server that takes everything; None when there is none to be had."""
    if named := os.environ.get("MODERNMAIL_SINK"):
        yield named
        return
    program = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
    if not Path(program).exists() or os.geteuid() != 0:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "-u", "nobody", f"127.0.0.1:{port}", "1000"], stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.01)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def drain_ours(backend: SQLiteBackend, count: int) -> float:
    """Return the seconds in which one worker with one stream sends so many M1 mails."""
    tasks.enqueue_many(
        Message("Hello", BODY, from_email="me@example.com", to=[f"u{n}@example.com"]) for n in range(count)
    )
    worker = Worker(backend, concurrency=1, until_empty=True)
    took = seconds(worker.run)
    assert worker.counts["accepted"] == count, worker.counts
    return took


def drain_one_by_one(path: Path, address: str, count: int) -> float:
    """Return the seconds for as many mails, one at a time by smtplib: read one, send it, delete it and log
    it."""
    host, _, port = address.partition(":")
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, sender TEXT, recipient TEXT, content BLOB);"
        "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, recipient TEXT, at REAL, result TEXT);"
    )
    mailer = modernmail.mailers["default"]
    rows = []
    for n in range(count):
        to = f"u{n}@example.com"
        parcel = mailer.parcel(Message("Hello", BODY, from_email="me@example.com", to=[to]))
        rows.append(("me@example.com", to, bytes(parcel.content)))
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO message (sender, recipient, content) VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")

    def run() -> None:
        with smtplib.SMTP(host, int(port)) as client:
            while row := connection.execute("SELECT * FROM message ORDER BY id LIMIT 1").fetchone():
                number, sender, recipient, content = row
                client.sendmail(sender, [recipient], content)
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("DELETE FROM message WHERE id = ?", (number,))
                log = (recipient, time.time(), "sent")
                connection.execute("INSERT INTO log (recipient, at, result) VALUES (?, ?, ?)", log)
                connection.execute("COMMIT")

    took = seconds(run)
    connection.close()
    return took


class Table:
    """The lines of the report: what was measured, and whether it is as good as it should be."""

    def __init__(self) -> None:
        self.lines = ["| what | here | peer | ratio | wanted |", "|---|---:|---:|---:|---:|"]
        self.is_good = True

    def add(
        self, what: str, here: float, peer_name: str, peer: float, wanted: float, unit: str = "µs"
    ) -> None:
        """Add a line; the ratio is how many times the peer's speed this is."""
        ratio = peer / here
        self.is_good &= ratio >= wanted
        line = f"| {what} | {here:.1f} {unit} | {peer_name} {peer:.1f} {unit} | {ratio:.2f} | ≥ {wanted:g} |"
        self.lines.append(line)

    def skip(self, what: str, why: str) -> None:
        """Add a line for what could not be measured here."""
        self.lines.append(f"| {what} | | {why} | | |")


def measure_enqueue(table: Table, folder: Path, rounds: int) -> None:
    """Durable enqueue beside a bare insert and huey; a batch beside one by one."""
    backend = SQLiteBackend(str(folder / "queue.db"))
    tasks.configure(backend)
    calls = [ARGUMENTS] * 1000
    steps: dict[str, Callable[[], object]] = {
        "bare": bare(folder),
        "ours": lambda: email_users.enqueue(**ARGUMENTS),
    }
    peer = huey(folder)
    if peer is not None:
        steps["huey"] = peer
    # Long enough that every log has its full length, and syncs no longer make a file grow.
    in_turns(steps, 1200)
    times = in_turns(steps, rounds * 150)
    table.add("durable enqueue (FULL)", times["ours"], "bare sqlite3 insert + commit", times["bare"], 0.8)
    if "huey" in times:
        table.add("durable enqueue (FULL)", times["ours"], "huey SqliteHuey, fsync", times["huey"], 2.0)
    else:
        table.skip("durable enqueue beside huey", "pip install huey")
    batch = in_turns(
        {
            "one": lambda: email_users.enqueue(**ARGUMENTS),
            "many": lambda: email_users.enqueue_many(calls),
        },
        rounds * 8,
    )
    table.add("a task of a batch of 1,000", batch["many"] / 1000, "one by one", batch["one"], 20.0)
    message = Message("Hello", BODY, from_email="me@example.com", to=["you@example.com"])
    mails = in_turns({"ours": message.enqueue, "bare": bare_mail(folder)}, rounds * 150)
    table.add(
        "durable enqueue of an M1 mail, rendering included", mails["ours"], "bare, 1.3 kB", mails["bare"], 0.5
    )
    backend.close()


def bare_mail(folder: Path) -> Callable[[], None]:
    """Return a bare insert and commit of what a mail has in octets."""
    connection = sqlite3.connect(folder / "bare-mail.db")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE mail (id INTEGER PRIMARY KEY, content BLOB)")
    content = b"x" * 1300

    def insert() -> None:
        connection.execute("INSERT INTO mail (content) VALUES (?)", (content,))
        connection.commit()

    return insert


def measure_in_process(table: Table, rounds: int) -> None:
    """In-process enqueue beside Django's ImmediateBackend; the tasks are run within the time."""
    tasks.configure({"default": "immediate:", "threads": "thread:?workers=1&size=100000"})
    threads = email_users.using(backend="threads")
    steps: dict[str, Callable[[], object]] = {
        "immediate": repeated(1000, lambda: email_users.enqueue(**ARGUMENTS)),
        "thread": repeated(1000, lambda: threads.enqueue(**ARGUMENTS)),
    }
    peer = django()
    if peer is None:
        table.skip("in-process enqueue beside Django", "Django 6 needs Python 3.12")
        return
    steps["django"] = repeated(1000, peer)
    times = in_turns(steps, rounds, 1000)
    for name in ("immediate", "thread"):
        table.add(
            f"in-process enqueue, {name}:", times[name], "Django ImmediateBackend", times["django"], 3.0
        )


def measure_drain(table: Table, folder: Path, rounds: int, count: int) -> None:
    """A worker that drains M1 mails to smtp-sink, beside one at a time by smtplib."""
    with sink() as address:
        if address is None:
            table.skip("draining M1 mails", "apt-get install postfix, for smtp-sink, and run as root")
            return
        modernmail.configure({"default": f"smtp://{address}"})
        backend = SQLiteBackend(str(folder / "drain.db"))
        tasks.configure(backend)
        ours, theirs = [], []
        for _ in range(rounds):
            ours.append(drain_ours(backend, count))
            theirs.append(drain_one_by_one(folder / "one.db", address, count))
        modernmail.mailers["default"].close()
        backend.close()
    # The round that was disturbed least: a whole drain cannot be measured in turns with another.
    here, peer = min(ours) / count * 1e6, min(theirs) / count * 1e6
    table.add("draining M1 mails, one worker, one stream", here, "one by one, smtplib", peer, 5.0)


def main() -> int:
    """Measure, print the table, write it where told; 0 when every ratio is as wanted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table there too")
    options = parser.parse_args()
    rounds, count = (3, 500) if options.quick else (9, 3000)
    sys.modules.setdefault("queue_benchmark", sys.modules[__name__])
    email_users.func.__module__ = "queue_benchmark"
    modernmail.configure({"default": "null:"})
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        measure_enqueue(table, Path(folder), rounds)
        measure_in_process(table, rounds)
        measure_drain(table, Path(folder), min(rounds, 5), count)
    tasks.configure({})
    about = (
        f"Measured {date.today()} on {os.cpu_count()} cores with Python {platform.python_version()}, SQLite "  # noqa: DTZ011
        f"{sqlite3.sqlite_version}, modernmail {modernmail_version()}: medians of one run, in turns."
    )
    text = "\n".join([*table.lines, "", about, ""])
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")
    return 0 if table.is_good else 1


def modernmail_version() -> str:
    """Return the version that is measured."""
    from importlib.metadata import version

    return version("modernmail")


if __name__ == "__main__":
    sys.exit(main())
