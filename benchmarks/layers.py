"""What layers and subscribers cost: processor time of a client that sends M1 to smtp-sink, with and without them.

`nox -s bench -- layers`, or `python benchmarks/layers.py [--quick | --write]`. Needs root and smtp-sink of Debian's package
postfix.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)
sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

import time
from typing import TYPE_CHECKING

from composing.mails import mails
from composing.peers import ours
from report import Section, chosen, in_turns, time_of, timed
from sending import sink

from modernmail import Mailer, Parcel, Receipt
from modernmail.layers import Layer, MemorySuppressions, RateLimit, Redirect, Retry, Suppress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modernmail import Message
    from modernmail.insight import Event
    from modernmail.runtime import IO

ABOUT = """Processor time of the client alone, for composing and sending one M1 by `send_many` over one connection to `smtp-sink`.
Idle layers have nothing to do for these mails: a staging guard that allows the recipient, a suppression list without him,
two rate limits that are never reached, and retries of what never fails. *Five with every hook*
are layers that only hand on what they get, in `before`, `admit` and `after`. The subscriber is an empty function. A ratio
is to the mailer without any of them, in the same round, unless it says otherwise."""

MOST = 1.15  # times the processor time without layers
ROUNDS = {True: 3, False: 150}  # by --quick
MAILS = 400  # in a turn: short, so that contenders share the same moment


class Idle(Layer):
    """Every hook, and nothing in it."""

    async def before(self, parcel: Parcel, io: IO) -> Parcel:
        return parcel

    async def admit(self, parcel: Parcel, io: IO) -> None:
        return None

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt:
        return receipt


def idle() -> list[Layer]:
    """Return five layers that people use, with nothing to do."""
    return [
        Redirect(allow=["*@example.com", "*@example.org", "*@xn--bcher-kva.example"]),
        Suppress(MemorySuppressions(["nobody@example.net"])),
        RateLimit("1000000/s", burst=1_000_000),
        RateLimit("1000000000/day", burst=1_000_000_000),
        Retry(),
    ]


def ignore(event: Event) -> None:
    """Hear of an event."""


def main() -> int:
    """Measure, tell, and return the exit status."""
    options = chosen(__doc__)
    if not sink.is_there():
        print(f"smtp-sink is not there: {sink.INSTALL}")
        return 1
    m1 = mails()[0]
    count = 200 if options.quick else MAILS

    def messages() -> Iterator[Message]:
        for _ in range(count):
            yield ours(m1)

    with sink.Sink() as server:
        url = f"smtp://{sink.HOST}:{server.port}"
        watched, both = Mailer(url), Mailer(url, layers=idle())
        for mailer in (watched, both):
            mailer.subscribe(ignore)
        mailers = {
            "neither": Mailer(url),
            "five idle layers": Mailer(url, layers=idle()),
            "five with every hook": Mailer(url, layers=[Idle() for _ in range(5)]),
            "a subscriber": watched,
            "five idle layers and a subscriber": both,
        }

        def step(mailer: Mailer) -> Callable[[], object]:
            return lambda: mailer.send_many(messages()).finish()

        turns = {name: timed(step(mailer), count, time.process_time) for name, mailer in mailers.items()}
        figures = in_turns(turns, rounds=ROUNDS[options.quick])
        for mailer in mailers.values():
            mailer.close()
        expected = (ROUNDS[options.quick] + 1) * count * len(mailers)
        if server.messages != expected:
            print(f"the sink took {server.messages} mails of {expected}")
            return 1
    section = Section("layers", "Layers and subscribers", ABOUT)
    table = section.table("", "a mail", "times as much", "wanted")
    table.add("neither", time_of(figures.median("neither")), "1")
    for name in list(mailers)[1:]:
        peer = "a subscriber" if name.endswith("and a subscriber") else "neither"
        ratio = 1 / figures.ratio(name, peer)
        told = name if peer == "neither" else f"{name}, beside a subscriber alone"
        table.add(told, time_of(figures.median(name)), *section.most(ratio, MOST))
    section.versions(Postfix=sink.version())
    return section.end(options)


if __name__ == "__main__":
    sys.exit(main())
