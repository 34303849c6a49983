"""Draining a table of M1 mails into an SMTP server: by one worker of ours, one at a time by smtplib, by django-mailer.

Each returns the seconds of one mail; putting the mails into the table is not counted.
"""

from __future__ import annotations

import logging
import os
import shutil
import smtplib
import socket
import subprocess
import time
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import modernmail
from modernmail import tasks
from modernmail.tasks.worker import Worker

from .chores import BODY, mail
from .peers import durable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.tasks.sqlite import SQLiteBackend


@contextmanager
def sink(log: Path | None = None) -> Iterator[str | None]:
    """Give the host:port of an SMTP server that takes everything; None when there is none to be had.

    With a `log` it is one of ours, which writes a line there for each connection.
    """
    if log is None and (named := os.environ.get("MODERNMAIL_SINK")):
        yield named
        return
    program = shutil.which("smtp-sink") or "/usr/sbin/smtp-sink"
    if not Path(program).exists() or os.geteuid() != 0:
        yield None
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [program, *(["-v"] if log else []), "-u", "nobody", f"127.0.0.1:{port}", "1000"]
    with (log or Path(os.devnull)).open("wb") as errors:
        process = subprocess.Popen(words, stderr=errors)
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


def ours(backend: SQLiteBackend, count: int) -> float:
    """One worker with one connection."""
    tasks.enqueue_many(mail(number) for number in range(count))
    worker = Worker(backend, concurrency=1, until_empty=True)
    began = time.perf_counter()
    worker.run()
    took = time.perf_counter() - began
    assert worker.counts["accepted"] == count, worker.counts
    return took / count


def engine(count: int) -> float:
    """Mails that are ready, through the engine that our worker sends with: no table, no outcome that is stored."""
    mailer = modernmail.mailers["default"]
    parcels = [mailer.parcel(mail(number)) for number in range(count)]
    began = time.perf_counter()
    with mailer.send_many(parcels) as sending:
        assert sending.finish().accepted == count
    return (time.perf_counter() - began) / count


def one_by_one(path: Path, address: str, count: int, *, keeps_open: bool) -> float:
    """Read a mail, send it by smtplib, delete it and log it; then the next.

    With a connection for each mail, as django-mailer does; or with one that is kept open for all.
    """
    host, _, port = address.partition(":")
    name = socket.getfqdn()  # looked up once, as Django does it
    connection = durable(
        path,
        "CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY, sender TEXT, recipient TEXT, content BLOB)",
    )
    connection.execute(
        "CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY, recipient TEXT, at REAL, result TEXT)"
    )
    mailer = modernmail.mailers["default"]
    parcels = [mailer.parcel(mail(number)) for number in range(count)]
    rows = [("me@example.com", parcel.envelope.recipients[0], bytes(parcel.content)) for parcel in parcels]
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO message (sender, recipient, content) VALUES (?, ?, ?)", rows)
    connection.execute("COMMIT")
    began = time.perf_counter()
    client = smtplib.SMTP(host, int(port), name) if keeps_open else None
    while row := connection.execute("SELECT * FROM message ORDER BY id LIMIT 1").fetchone():
        number, sender, recipient, content = row
        if client is not None:
            client.sendmail(sender, [recipient], content)
        else:
            with smtplib.SMTP(host, int(port), name) as its_own:
                its_own.sendmail(sender, [recipient], content)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("DELETE FROM message WHERE id = ?", (number,))
        log = (recipient, time.time(), "sent")
        connection.execute("INSERT INTO log (recipient, at, result) VALUES (?, ?, ?)", log)
        connection.execute("COMMIT")
    if client is not None:
        client.quit()
    took = time.perf_counter() - began
    connection.close()
    return took / count


class DjangoMailer:
    """django-mailer itself, on a SQLite file of its own; `is_here` is False without it or without Django 6."""

    def __init__(self) -> None:
        self.is_here = all(map(_has, ("django", "django.tasks", "mailer")))
        if self.is_here:
            import django
            from django.core.management import call_command

            logging.getLogger("mailer").setLevel(logging.ERROR)
            django.setup()
            call_command("migrate", verbosity=0)

    def drain(self, address: str, count: int) -> float:
        """Queue and send so many mails as django-mailer does."""
        from django.conf import settings
        from django.core.mail import EmailMessage
        from mailer.backend import DbBackend
        from mailer.engine import send_all
        from mailer.models import Message

        host, _, port = address.partition(":")
        settings.EMAIL_HOST, settings.EMAIL_PORT = host, int(port)
        letters = [EmailMessage("Hello", BODY, "me@example.com", [f"u{n}@example.com"]) for n in range(count)]
        DbBackend().send_messages(letters)
        began = time.perf_counter()
        send_all()
        took = time.perf_counter() - began
        assert not Message.objects.exists()
        return took / count

    def connections(self, log: Path, count: int = 20) -> float | None:
        """Return how many connections it opens for a mail, counted by the server; None without `smtp-sink`."""
        with sink(log) as address:
            if address is None:
                return None
            while not (before := _connects(log)):
                time.sleep(0.01)  # until it has told of the one that looked whether it is there
            self.drain(address, count)
            return (_connects(log) - before) / count


def _connects(log: Path) -> int:
    return log.read_text("ascii").count(": connect ")


def settle_django(folder: Path) -> None:
    """Give Django the settings of all its parts here; nothing without Django."""
    try:
        from django.conf import settings
    except ImportError:
        return
    with suppress(RuntimeError):
        settings.configure(
            TASKS={"default": {"BACKEND": "django.tasks.backends.immediate.ImmediateBackend"}},
            INSTALLED_APPS=["mailer"],
            DATABASES={
                "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "django.db")}
            },
            DEFAULT_AUTO_FIELD="django.db.models.AutoField",
            EMAIL_BACKEND="mailer.backend.DbBackend",
            MAILER_EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
            MAILER_USE_FILE_LOCK=False,
            USE_TZ=True,
        )


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
