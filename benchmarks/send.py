"""What sending costs: mails a second to Postfix's smtp-sink, beside smtp-source, Django, Nodemailer and others.

`nox -s bench -- send`, or `python benchmarks/send.py [--quick | --write]`. Clients and sink share one core. The sink counts
what it takes, and what each contender sends is read back once before it counts. Needs Linux, root, and smtp-sink and
smtp-source of Debian's package postfix; Django 6 needs Python 3.12 or later, Nodemailer node and npm.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)
sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

import os
import statistics
import tempfile
from typing import TYPE_CHECKING

from composing import nodemailer
from composing.judge import fault
from composing.mails import mails
from composing.peers import ours, set_django_up, version_of
from report import Figures, Section, chosen, in_turns, time_of
from sending import files, sink
from sending.contenders import (
    Contender,
    Pool,
    asent,
    built,
    by_aiosmtplib,
    by_django,
    by_smtplib,
    ready,
    sent,
)
from sending.growth import growth

if TYPE_CHECKING:
    from collections.abc import Callable

    from composing.mails import Mail

ABOUT = """M1 and M2 are those of the section before. Clients and sink share one core; a figure is the processor time that both
have spent, the kernel's work for them and connecting included, and a rate what that makes in a second. Each contender is
warm: it has sent for two and a half seconds before its turns count. The sink counts the mails it takes, and each
contender's first mails were read back from it and compared with what was asked for.
`smtp-source`, a C program that comes with the sink, composes nothing: it sends the same octets again and again, waits for
each reply before the next command, and has as many recipients and a body of the same size. Ratios to it are those to its
faster form. The last column is what the sink itself spent: nobody can be quicker than that."""

DJANGO, NODEMAILER = "Django, `send_messages`", "Nodemailer, pool"
SYNC, ASYNC = "modernmail, sync, 1 connection", "modernmail, async, 10 connections"
SLOT = 0.3  # seconds that a turn takes
WARM = 2.5  # seconds that each contender sends before its turns count: V8 compiles Nodemailer during its first 5,000 mails
SOURCES = {"smtp-source, 1 connection": 1, "smtp-source, 10 connections": 10}


class Race:
    """One mail, sent by contenders in turns."""

    def __init__(
        self, mail: Mail, contenders: list[Contender], rounds: int, slot: float, warm: float
    ) -> None:
        self.mail = mail
        self._slot = slot
        self.size = len(ours(mail).as_bytes().partition(b"\r\n\r\n")[2])
        self.shares: dict[str, list[float]] = {}  # the sink's processor time of a mail
        self.faults = {each.name: wrong for each in contenders if (wrong := self._wrong(each))}
        with sink.Sink() as server:
            self._server = server
            turns = {
                each.name: self._turn(each.name, each.seconds)
                for each in contenders
                if each.name not in self.faults
            }
            turns |= {name: self._turn(name, self._source(number)) for name, number in SOURCES.items()}
            self.figures: Figures = in_turns(turns, rounds, warm)
        self.shares = {name: shares[-rounds:] for name, shares in self.shares.items()}
        self.source = min(SOURCES, key=self.figures.median)

    def _wrong(self, contender: Contender) -> str | None:
        """Return what is wrong with the mails that a contender sends."""
        with sink.Sink(keeps=True) as server:
            contender.seconds(server.port, self.mail, 2)
            kept = server.kept()
        if len(kept) != 2:
            return f"{len(kept)} mails arrived of 2"
        return fault(kept[0], self.mail) or fault(kept[1], self.mail)

    def _source(self, connections: int) -> Callable[[int, Mail, int], float]:
        source = sink.Source(connections)
        return lambda port, mail, count: source.seconds(port, count, self.size, len(mail.to))

    def _turn(self, name: str, seconds: Callable[[int, Mail, int], float]) -> Callable[[], float]:
        """Return a turn of as many mails as fill a slot, all of which the sink has counted."""
        server, shares = self._server, self.shares.setdefault(name, [])

        def counted(count: int) -> float:
            before, spent = server.messages, server.processor_time()
            taken = seconds(server.port, self.mail, count)
            assert server.messages - before == count, (
                f"the sink counted {server.messages - before} of {count}"
            )
            shares.append((server.processor_time() - spent) / count)
            return taken / count

        count = max(20, int(self._slot / counted(20)))
        count = max(20, int(self._slot / counted(count)))
        return lambda: counted(count)


def faces(kind: Callable[..., Callable[[int, Mail, int], float]], **options: str) -> list[Contender]:
    """Return what we have: sync, and async over one and over ten connections."""
    return [
        Contender(SYNC, kind(sent, **options)),
        Contender("modernmail, async, 1 connection", kind(asent(1), **options)),
        Contender(ASYNC, kind(asent(10), **options)),
    ]


def racing(section: Section, title: str, race: Race, wanted: list[tuple[str, str, float]]) -> None:
    """Add the rates of a race, and the ratios that were wanted."""
    figures = race.figures
    section.add(f"### {title}")
    table = section.table("", "mails a second", f"times {race.source}", "a mail", "of which the sink")
    for name in figures.rounds:
        table.add(
            name,
            f"{1 / figures.median(name):,.0f}",
            f"{figures.ratio(name, race.source):.2f}",
            time_of(figures.median(name)),
            time_of(statistics.median(race.shares[name])),
        )
    if race.faults:
        section.add("\n".join(f"- {name}: {wrong}." for name, wrong in race.faults.items()))
    table = section.table("", "beside", "ratio", "wanted")
    for name, peer, least in wanted:
        beside = race.source if peer == "smtp-source" else peer
        if name in figures and beside in figures:
            table.add(name, beside, *section.least(figures.ratio(name, beside), least))


def rooms(section: Section, port: int, count: int) -> None:
    """Add what memory it takes."""
    section.add("### Memory\n\nGrowth of the process at its peak, as the kernel counts it.")
    table = section.table("", "MB", "wanted")
    with tempfile.TemporaryDirectory() as folder:
        for size in (10, 50):
            path = files.made(folder, size << 20)
            table.add(
                f"a file of {size} MiB from a path",
                *section.most(growth(port, "file", str(path)) / 1e6, 1, ".2f"),
            )
    table.add(
        f"{count:,} messages from a generator",
        *section.most(growth(port, "many", str(count)) / 1e6, 2, ".2f"),
    )


def main() -> int:
    """Measure, print, and write the page when asked to."""
    options = chosen(__doc__)
    if not sink.is_there():
        print(f"needed: {sink.INSTALL}", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the sink and node inherit it
    rounds, slot, warm = (2, 0.05, 0.0) if options.quick else (9, SLOT, WARM)
    m1, m2 = mails()[:2]
    section = Section("send", "Sending", ABOUT)
    versions = {"Postfix": sink.version()}
    peers = [
        Contender("smtplib, `EmailMessage`", by_smtplib),
        Contender("aiosmtplib, `EmailMessage`", by_aiosmtplib),
    ]
    versions["aiosmtplib"] = version_of("aiosmtplib") or ""
    django = set_django_up()
    if django is not None:
        peers.append(Contender(DJANGO, by_django))
        versions["Django"] = django
    else:
        print("left out: pip install django>=6", file=sys.stderr)
    pool = Pool() if nodemailer.is_there() else None
    if pool is not None:
        peers.append(Contender(NODEMAILER, pool.seconds))
        versions["Nodemailer"] = pool.version
    else:
        print(f"left out: {nodemailer.INSTALL}", file=sys.stderr)
    section.versions(**versions)
    for mail, least in ((m1, 1.8), (m2, 1.5)):
        race = Race(mail, faces(ready), rounds, slot, warm)
        wanted = [(name, "smtp-source", least) for name in (SYNC, ASYNC)]
        racing(section, f"Parcels made before, {mail.name}", race, wanted)
    race = Race(m1, [*faces(built), *peers], rounds, slot, warm)
    least_of = ((DJANGO, 25), (NODEMAILER, 8), ("smtp-source", 1))
    wanted = [(name, peer, least) for name in (SYNC, ASYNC) for peer, least in least_of]
    racing(section, "Build, render and send M1", race, wanted)
    race = Race(m2, [*faces(built, body_encoding="quoted-printable"), *peers], rounds, slot, warm)
    wanted = [(name, DJANGO, 14) for name in (SYNC, ASYNC)]
    racing(section, "Build, render and send M2, our bodies in quoted-printable", race, wanted)
    with sink.Sink() as server:
        files.racing(section, server, 3 if options.quick else 7)
        rooms(section, server.port, 10_000 if options.quick else 100_000)
    if pool is not None:
        pool.end()
    return section.end(options)


if __name__ == "__main__":
    sys.exit(main())
