"""A process that sends as fast as its rate limit lets it, and writes down when: run as a program.

`python sender.py STORE LIMIT UNIT SECONDS FILE`: STORE is a Redis URL or a path; mails go to one or three people by turns
when UNIT is recipients. FILE gets a line for each mail: when it was let through, by the clock all processes share, and its
cost.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from modernmail import Backend, Mailer, Message, Receipt
from modernmail.backends.backend import accepted
from modernmail.layers import RateLimit, RedisLimits, SQLiteLimits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail import Parcel
    from modernmail.runtime import IO


class Clock(Backend):
    """Remembers when each mail came, and to how many."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Note the time."""
        self.lines.append(f"{time.monotonic():.6f} {len(parcel.envelope.addresses)}\n")
        return accepted(parcel, "noted")


def main(store: str, limit: str, unit: str, seconds: str, file: str) -> None:
    """Send for some seconds, beginning when a line comes on standard input."""
    kept = RedisLimits(store) if "://" in store else SQLiteLimits(store)
    backend = Clock()
    mailer = Mailer(backend, layers=[RateLimit(limit, unit=unit, store=kept)])
    people = [f"p{number}@example.com" for number in range(3)]
    parcels = [
        Message("Hi", "Text", from_email="me@example.com", to=people[:count]).parcel()
        for count in ((1, 3) if unit == "recipients" else (1,))
    ]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    end = time.monotonic() + float(seconds)

    def mails() -> Iterator[Parcel]:
        while time.monotonic() < end:
            yield from parcels

    mailer.send_many(mails()).finish()
    Path(file).write_text("".join(backend.lines))


if __name__ == "__main__":
    main(*sys.argv[1:])
