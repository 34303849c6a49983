"""Ids of jobs: 63 bits that grow with time, so that the newest row is the last of its table.

The upper 51 bits are the microseconds since 2020, the lower 12 count from a random start. One column is then
key, order of arrival and public id at once, and an insert touches one page of one tree. The database has the last
word: what is not greater than all there are becomes the next number after them, whatever the clock says.
"""

from __future__ import annotations

import secrets
import time
from itertools import count

_START = 1_577_836_800_000_000  # 2020-01-01 in microseconds
_LAST = 1 << 50  # microseconds, in 2055: a clock beyond must not use up the numbers that are left
_counter = count(secrets.randbits(12))


def new_id() -> int:
    """Return an id of now; a low one, which the database replaces, when the clock is before 2020 or far ahead."""
    moment = time.time_ns() // 1000 - _START
    return (moment if moment < _LAST else 0) << 12 | next(_counter) & 0xFFF


def to_text(number: int) -> str:
    """Return the id as users see it.

    >>> to_text(255), to_number("ff")
    ('ff', 255)
    """
    return f"{number:x}"


def to_number(text: str) -> int | None:
    """Return the number of an id, None for text that is none."""
    try:
        number = int(text, 16)
    except (TypeError, ValueError):
        return None
    return number if 0 <= number < 1 << 63 else None
