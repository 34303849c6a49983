"""What queueing costs: enqueueing, durable and in process, one by one, in batches and from threads; draining mail.

`nox -s bench -- queue`, or `python benchmarks/queue.py [--quick | --write]`. Figures are wall time, since much of it is
waiting for the disk. Django needs Python 3.12 or later; draining needs `smtp-sink` (Debian's package postfix), run as
root, or any SMTP server named in MODERNMAIL_SINK.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)
sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

import os
import sqlite3
import tempfile
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from queueing import drains, peers
from queueing.chores import ARGUMENTS, email_users, mail
from report import Section, chosen, in_turns, time_of, timed

import modernmail
from modernmail import tasks
from modernmail.tasks.sqlite import SQLiteBackend

if TYPE_CHECKING:
    from collections.abc import Callable

    from report import Figures, Table

ABOUT = """A durable enqueue returns when the job is on the disk: `synchronous=FULL`, in a WAL file, as the peers have it (huey
with `fsync=True`), each in a file of its own. Each therefore waits for the disk once, and what can be saved is everything
else: the first line tells what that wait is. So nobody who enqueues alone is twice as fast as huey here: the bare insert
beside it tells what an enqueue that costs nothing would reach. Threads that enqueue at the same time share one wait, and so
do coroutines.

Draining is a worker with one connection to `smtp-sink`. Beside it stands a loop that reads a mail from a table, sends it by
smtplib, deletes and logs it in one transaction; then the next. That is how django-mailer sends, which opens a connection for
each mail, so it is measured in that style first (that is where 5 times was wanted), and then over a connection that stays
open, which is harder to beat and which nobody who uses django-mailer gets. The last rows tell how far a queue could get that
costs nothing: the engine alone, with mails that are ready. Figures are wall time for one job or mail."""

THREADS = 8
COROUTINES = 40


def synced(folder: Path) -> Callable[[], object]:
    """Return a write of one page into a file that has its length, and the wait for it."""
    file = os.open(folder / "page", os.O_RDWR | os.O_CREAT)
    os.pwrite(file, bytes(4_000_000), 0)
    os.fsync(file)
    at = 0

    def step() -> None:
        nonlocal at
        at = (at + 4096) % 4_000_000
        os.pwrite(file, b"x" * 4096, at)
        os.fdatasync(file)

    return step


def enqueueing(section: Section, folder: Path, *, is_quick: bool) -> None:
    """Add durable enqueues, alone, in batches and from threads, each into a file of its own, as the peers have it."""
    rounds, count, batch = (3, 40, 200) if is_quick else (15, 160, 1000)
    names = ("ours", "threads", "coroutines", "batch", "mail")
    backends = {name: SQLiteBackend(str(folder / f"{name}.db"), name) for name in names}
    tasks.configure({**backends})
    to = {name: email_users.using(backend=name) for name in names}
    calls = [ARGUMENTS] * batch
    steps: dict[str, Callable[[], object]] = {
        "disk": synced(folder),
        "bare": peers.bare(folder),
        "ours": lambda: to["ours"].enqueue(**ARGUMENTS),
        "bare mail": peers.bare_mail(folder),
        "our mail": lambda: mail().enqueue(backend="mail"),
    }
    threaded: dict[str, Callable[[], object]] = {"ours, threads": lambda: to["threads"].enqueue(**ARGUMENTS)}
    if (huey := peers.huey(folder, "huey")) is not None:
        steps["huey"] = huey
        threaded["huey, threads"] = peers.huey(folder, "huey-threads") or huey
    turns = {name: timed(peers.repeated(count, step), count) for name, step in steps.items()}
    for name, step in threaded.items():
        turns[name] = timed(peers.in_threads(step, THREADS, count), count)
    coroutines = peers.in_coroutines(lambda: to["coroutines"].aenqueue(**ARGUMENTS), COROUTINES, count)
    turns["coroutines"] = timed(coroutines, count)
    turns["batch"] = timed(lambda: to["batch"].enqueue_many(calls), batch)
    # Long enough that every log has its full length, and syncs no longer make a file grow.
    for turn in turns.values():
        turn()
        for _ in range(0 if is_quick else 6):
            turn()
    figures = in_turns(turns, rounds)
    table = section.table("enqueue on disk", "here", "peer", "times faster", "wanted")
    table.add("one page written and synced", time_of(figures.median("disk")))
    _row(section, table, figures, "one task", "ours", "bare sqlite3 insert and commit", "bare", 0.8)
    _row(section, table, figures, "one task", "ours", "huey SqliteHuey", "huey", 2)
    _row(section, table, figures, f"one task, {THREADS} threads", "ours, threads",
         f"huey, {THREADS} threads", "huey, threads", 2)  # fmt: skip
    _row(section, table, figures, f"one task, {COROUTINES} coroutines", "coroutines",
         f"huey, {THREADS} threads", "huey, threads", None)  # fmt: skip
    _row(section, table, figures, f"one of a batch of {batch:,}", "batch", "ours, one by one", "ours", 20)
    _row(section, table, figures, "one M1 mail, composed and rendered", "our mail",
         "bare insert of 1.3 kB", "bare mail", None)  # fmt: skip
    for backend in backends.values():
        backend.close()


def in_process(section: Section, *, is_quick: bool) -> None:
    """Add enqueues in this process beside Django's, the tasks run within the time."""
    rounds, count = (3, 100) if is_quick else (15, 1000)
    tasks.configure({"default": "immediate:", "threads": "thread:?workers=1&size=100000"})
    threads = email_users.using(backend="threads")
    steps: dict[str, Callable[[], object]] = {
        "immediate:": lambda: email_users.enqueue(**ARGUMENTS),
        "thread:": lambda: threads.enqueue(**ARGUMENTS),
    }
    if (django := peers.django()) is not None:
        steps["django"] = django
    figures = in_turns(
        {name: timed(peers.repeated(count, step), count) for name, step in steps.items()}, rounds
    )
    table = section.table("enqueue in the process", "here", "peer", "times faster", "wanted")
    for name in ("immediate:", "thread:"):
        _row(section, table, figures, f"`{name}`", name, "Django's ImmediateBackend", "django", 3)


def draining(section: Section, folder: Path, *, is_quick: bool) -> None:
    """Add a worker that drains M1 mails."""
    rounds, count = (1, 100) if is_quick else (5, 2000)
    few = max(20, count // 20)
    with drains.sink() as address:
        if address is None:
            section.add(
                "Draining was left out: it needs `smtp-sink` from Debian's package postfix, and root."
            )
            return
        modernmail.configure({"default": f"smtp://{address}"})
        backend = SQLiteBackend(str(folder / "drain.db"))
        tasks.configure(backend)
        turns = {
            "ours": lambda: drains.ours(backend, count),
            "engine": lambda: drains.engine(count),
            "each": lambda: drains.one_by_one(folder / "each.db", address, count, keeps_open=False),
            "kept open": lambda: drains.one_by_one(folder / "open.db", address, count, keeps_open=True),
        }
        django_mailer = drains.DjangoMailer()
        opened = None
        if django_mailer.is_here:
            turns["django-mailer"] = lambda: django_mailer.drain(address, few)
            opened = django_mailer.connections(folder / "sink.log")
        figures = in_turns(turns, rounds)
        modernmail.mailers["default"].close()
        backend.close()
    table = section.table("send one M1 mail from a table", "here", "peer", "times faster", "wanted")
    _row(section, table, figures, "a worker, one connection", "ours",
         "one at a time by smtplib, a connection for each mail, as django-mailer does", "each", 5)  # fmt: skip
    _row(section, table, figures, "a worker, one connection", "ours",
         "the same over a connection kept open", "kept open", None)  # fmt: skip
    _row(section, table, figures, "a worker, one connection", "ours",
         "django-mailer itself, with Django's ORM", "django-mailer", None)  # fmt: skip
    _row(section, table, figures, "ready mails through our engine, no queue", "engine",
         "one at a time by smtplib, a connection for each mail", "each", None)  # fmt: skip
    _row(section, table, figures, "ready mails through our engine, no queue", "engine",
         "the same over a connection kept open", "kept open", None)  # fmt: skip
    if opened is not None:
        plural = "" if opened == 1 else "s"
        section.add(
            f"django-mailer's `send_all` opened {opened:g} connection{plural} for each mail, counted by `smtp-sink` in this run:"
            " Django's SMTP backend closes what it opened itself after each `send_messages`, and django-mailer sends mail"
            " by mail."
        )


def _row(
    section: Section,
    table: Table,
    figures: Figures,
    what: str,
    name: str,
    peer_is: str,
    peer: str,
    wanted: float | None,
) -> None:
    """Add a row of a figure beside its peer's; a peer that is not here is named as missing."""
    here = time_of(figures.median(name))
    if peer not in figures:
        table.add(what, here, f"{peer_is}: not here")
        return
    ratio = figures.ratio(name, peer)
    cells = (f"{ratio:.3g}",) if wanted is None else section.least(ratio, wanted)
    table.add(what, here, f"{peer_is}, {time_of(figures.median(peer))}", *cells)


def versions() -> dict[str, str]:
    """Return the versions of what took part and is here."""
    found = {"SQLite": sqlite3.sqlite_version}
    for name in ("huey", "Django", "django-mailer"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> int:
    """Measure everything, print the section, write it where told; 0 when every ratio is as wanted."""
    options = chosen(__doc__)
    section = Section("queue", "The queue", ABOUT)
    modernmail.configure({"default": "null:"})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        drains.settle_django(folder)
        enqueueing(section, folder, is_quick=options.quick)
        in_process(section, is_quick=options.quick)
        draining(section, folder, is_quick=options.quick)
        tasks.configure({})
    section.versions(**versions())
    return section.end(options)


if __name__ == "__main__":
    sys.exit(main())
