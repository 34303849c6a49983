"""What a recipient costs when M3 is merged to a thousand people."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, NamedTuple

from report import seconds

from .judge import fault
from .peers import ours

if TYPE_CHECKING:
    from .mails import Mail

PEOPLE = 1000


class Merged(NamedTuple):
    """What is personal besides the recipient, and the seconds a recipient costs."""

    what: str
    figure: float


def merged(m3: Mail, rounds: int) -> list[Merged]:
    """Return the figures with all parts shared, and with a personal text; copies are parsed back and compared first."""
    rows = [{"to": f"Näme {n} <user{n}@example.com>", "name": f"Näme {n}"} for n in range(PEOPLE)]
    found = []
    for what, text in (
        ("all parts the same", m3.text),
        ("a personal text part", f"Dear {{name}},\n{m3.text}"),
    ):
        template = ours(m3._replace(text=text, to=[], people=[]))
        for n, copy in enumerate(template.merge(rows[:3])):
            wanted = m3._replace(
                text=text.replace("{name}", f"Näme {n}"), to=[(f"Näme {n}", f"user{n}@example.com")]
            )
            wrong = fault(copy.as_bytes(), wanted)
            assert wrong is None, wrong
        figures = []
        for _ in range(rounds):
            copies = template.merge(rows)
            figures.append(seconds(lambda copies=copies: _render(copies), time.process_time) / PEOPLE)
        found.append(Merged(what, statistics.median(figures)))
    return found


def _render(copies: object) -> None:
    for copy in copies:  # type: ignore[attr-defined]
        for _ in copy.parcel().content.chunks():
            pass
