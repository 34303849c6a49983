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
import tempfile
from typing import TYPE_CHECKING

from composing import nodemailer
from composing.judge import fault
from composing.mails import mails
from composing.peers import ours, set_django_up, version_of
from report import Figures, Section, chosen, in_turns
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

ABOUT = """M1 and M2 are those of the section before. Clients and sink share one core, so that what either spends counts; a rate
is that of wall-clock time over loopback, connecting included. The sink counts the mails it takes, and each contender's
first mails were read back from it and compared with what was asked for. `smtp-source`, a C program that comes with the
sink, composes nothing: it sends the same octets again and again, waits for each reply before the next command, and has as
many recipients and a body of the same size. Ratios to it are those to its faster form."""

DJANGO, NODEMAILER = "Django, `send_messages`", "Nodemailer, pool"
SLOT = 0.3  # seconds that a turn takes
SOURCES = {"smtp-source, 1 connection": 1, "smtp-source, 10 connections": 10}


class Race:
    """One mail, sent by contenders in turns."""

    def __init__(self, mail: Mail, contenders: list[Contender], rounds: int, slot: float) -> None:
        self.mail = mail
        self.size = len(ours(mail).as_bytes())
        self.faults = {each.name: wrong for each in contenders if (wrong := self._wrong(each))}
        with sink.Sink() as server:
            self._server = server
            turns = {
                each.name: self._turn(each.seconds, slot)
                for each in contenders
                if each.name not in self.faults
            }
            turns |= {name: self._turn(self._source(number), slot) for name, number in SOURCES.items()}
            self.figures: Figures = in_turns(turns, rounds)
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

    def _turn(self, seconds: Callable[[int, Mail, int], float], slot: float) -> Callable[[], float]:
        """Return a turn of as many mails as fill a slot, all of which the sink has counted."""
        server = self._server

        def counted(count: int) -> float:
            before = server.messages
            taken = seconds(server.port, self.mail, count)
            assert server.messages - before == count, (
                f"the sink counted {server.messages - before} of {count}"
            )
            return taken / count

        count = max(20, int(slot / counted(20)))
        count = max(20, int(slot / counted(count)))
        return lambda: counted(count)


def racing(section: Section, title: str, race: Race, wanted: list[tuple[str, str, float]]) -> None:
    """Add the rates of a race, and the ratios that were wanted."""
    figures = race.figures
    section.add(f"### {title}")
    table = section.table("", "mails a second", f"times {race.source}")
    for name in figures.rounds:
        table.add(name, f"{1 / figures.median(name):,.0f}", f"{figures.ratio(name, race.source):.2f}")
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
    rounds, slot = (2, 0.05) if options.quick else (9, SLOT)
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
    both = [Contender("sync", ready(sent)), Contender("async", ready(asent))]
    for mail, least in ((m1, 1.8), (m2, 1.5)):
        race = Race(mail, both, rounds, slot)
        racing(
            section,
            f"Parcels made before, {mail.name}",
            race,
            [(name, "smtp-source", least) for name in ("sync", "async")],
        )
    ours_m1 = [Contender("modernmail, sync", built(sent)), Contender("modernmail, async", built(asent))]
    race = Race(m1, [*ours_m1, *peers], rounds, slot)
    racing(
        section,
        "Build, render and send M1",
        race,
        [
            (name, peer, least)
            for name in ("modernmail, sync", "modernmail, async")
            for peer, least in ((DJANGO, 25), (NODEMAILER, 8), ("smtp-source", 1))
        ],
    )
    qp = {"body_encoding": "quoted-printable"}
    ours_m2 = [
        Contender("modernmail, sync", built(sent, **qp)),
        Contender("modernmail, async", built(asent, **qp)),
    ]
    race = Race(m2, [*ours_m2, *peers], rounds, slot)
    racing(
        section,
        "Build, render and send M2, its bodies in quoted-printable",
        race,
        [(name, DJANGO, 14) for name in ("modernmail, sync", "modernmail, async")],
    )
    with sink.Sink() as server:
        files.racing(section, server, 3 if options.quick else 7)
        rooms(section, server.port, 10_000 if options.quick else 100_000)
    if pool is not None:
        pool.end()
    return section.end(options)


if __name__ == "__main__":
    sys.exit(main())
