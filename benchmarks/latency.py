"""How often sending waits for a distant server: turnarounds a mail, counted by a proxy that delays both directions.

`nox -s bench -- latency`, or `python benchmarks/latency.py [--quick | --write]`. The server is Postfix's smtp-sink where it
is installed, and `modernmail.testing.ScriptedSMTPServer` for CHUNKING, which that does not offer.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)
sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

import statistics
from contextlib import ExitStack
from typing import TYPE_CHECKING

from composing.mails import Mail, mails
from report import Section, chosen
from sending import sink
from waiting.measures import Way, amany, by_smtplib, many, single

from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterable

ABOUT = """A proxy between client and server passes on what either writes half a round trip later. A turnaround is a write of
the client after something of the server has reached it: the client has waited, and the mail has cost a round trip. They are
counted by the proxy; the time is given in round trips, too, and is a little more, since client, server and proxy also
work. For `send_many` the greeting and EHLO count as well. The mail is M1, to one recipient and to ten, {count} times each;
times are medians of {rounds} rounds."""

CHUNKED = "?chunking=on&window=8"
CAPABILITIES = ("PIPELINING", "CHUNKING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 67108864")
TRIPS = (0.02, 0.05)  # seconds


def ways(*, is_chunked: bool) -> list[tuple[Way, float | None]]:
    """Return the ways of sending, and the turnarounds a mail that each may cost."""
    if is_chunked:
        return [(many(CHUNKED), 0.25), (amany(CHUNKED), 0.25), (single("?chunking=on"), 1.1)]
    return [(many(), 1.2), (amany("?pool=1"), 1.2), (single(), 2.1), (by_smtplib(), None)]


def measured(
    section: Section,
    port: int,
    chosen_ways: Iterable[tuple[Way, float | None]],
    m1: Mail,
    count: int,
    rounds: int,
) -> None:
    """Add a table of what the ways cost against this server."""
    titles = [f"round trips of {trip * 1000:.0f} ms" for trip in TRIPS]
    table = section.table("", "recipients", *titles, "turnarounds", "wanted")
    for way, most in chosen_ways:
        for number in (1, 10):
            mail = m1._replace(
                to=[("", f"user{n}@example.com") for n in range(number)],
                people=[f"user{n}@example.com" for n in range(number)],
            )
            cells, turnarounds = [], 0.0
            for trip in TRIPS:
                found = [way.waited(port, trip, [mail] * count) for _ in range(rounds)]
                turnarounds = max(turnarounds, *(waited.turnarounds for waited in found))
                cells.append(f"{statistics.median(waited.round_trips for waited in found):.2f}")
            judged = (f"{turnarounds:.3g}",) if most is None else section.most(turnarounds, most)
            table.add(way.name, str(number), *cells, *judged)


def main() -> int:
    """Measure, print, and write the page when asked to."""
    options = chosen(__doc__)
    count, rounds = (16, 1) if options.quick else (40, 3)
    m1 = mails()[0]
    section = Section("latency", "Latency", ABOUT.format(count=count, rounds=rounds))
    with ExitStack() as stack:
        if sink.is_there():
            name, port = "smtp-sink, PIPELINING", stack.enter_context(sink.Sink()).port
            section.versions(Postfix=sink.version())
        else:
            print(f"left out: {sink.INSTALL}", file=sys.stderr)
            name, port = "ScriptedSMTPServer, PIPELINING", stack.enter_context(ScriptedSMTPServer()).port
        section.add(f"### {name}")
        measured(section, port, ways(is_chunked=False), m1, count, rounds)
        section.add("### ScriptedSMTPServer, PIPELINING and CHUNKING")
        server = stack.enter_context(ScriptedSMTPServer(capabilities=CAPABILITIES))
        measured(section, server.port, ways(is_chunked=True), m1, count, rounds)
    return section.end(options)


if __name__ == "__main__":
    sys.exit(main())
