"""The peers of an enqueue: sqlite3 with nothing around it, huey's SqliteHuey, Django's ImmediateBackend."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

from .chores import ARGUMENTS, STORED, email_users

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path


def durable(path: Path, table: str) -> sqlite3.Connection:
    """Return a connection to a new file, as durable as the queue: WAL, synchronous FULL."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(table)
    return connection


def bare(folder: Path) -> Callable[[], object]:
    """Return an insert and commit of a job."""
    table = "CREATE TABLE job (id INTEGER PRIMARY KEY, name TEXT, payload TEXT, at REAL)"
    connection = durable(folder / "bare.db", table)
    sql = "INSERT INTO job (name, payload, at) VALUES (?, ?, ?)"
    return lambda: connection.execute(sql, ("queue.email_users", STORED, time.time()))


def bare_mail(folder: Path) -> Callable[[], object]:
    """Return an insert and commit of what an M1 has in octets."""
    connection = durable(folder / "bare-mail.db", "CREATE TABLE mail (id INTEGER PRIMARY KEY, content BLOB)")
    content = b"x" * 1300
    return lambda: connection.execute("INSERT INTO mail (content) VALUES (?)", (content,))


def huey(folder: Path, name: str) -> Callable[[], object] | None:
    """Return an enqueue on huey's SqliteHuey with fsync, None without huey."""
    try:
        from huey import SqliteHuey
    except ImportError:
        return None
    queue = SqliteHuey(name, filename=str(folder / f"{name}.db"), fsync=True, results=False)

    def email(emails: list[str], subject: str, message: str) -> None: ...

    sent = queue.task()(email)
    return lambda: sent(**ARGUMENTS)


def django() -> Callable[[], object] | None:
    """Return an enqueue on Django's ImmediateBackend, None where there is no Django 6."""
    try:
        from django.tasks import task as django_task
    except ImportError:
        return None
    logging.getLogger("django").setLevel(logging.ERROR)
    enqueued: Any = django_task(email_users.func)
    return lambda: enqueued.enqueue(**ARGUMENTS)


def in_threads(step: Callable[[], object], threads: int, count: int) -> Callable[[], None]:
    """Return a step that has so many threads do another, `count` times in all."""

    def each() -> None:
        for _ in range(count // threads):
            step()

    def run() -> None:
        those = [threading.Thread(target=each) for _ in range(threads)]
        for one in those:
            one.start()
        for one in those:
            one.join()

    return run


def in_coroutines(
    call: Callable[[], Coroutine[Any, Any, object]], at_once: int, count: int
) -> Callable[[], None]:
    """Return a step that has so many coroutines at once await a call, `count` times in all."""

    async def each() -> None:
        for _ in range(count // at_once):
            await call()

    async def run() -> None:
        await asyncio.gather(*(each() for _ in range(at_once)))

    return lambda: asyncio.run(run())


def repeated(count: int, step: Callable[[], object]) -> Callable[[], None]:
    """Return a step that does another so many times."""

    def run() -> None:
        for _ in range(count):
            step()

    return run
