"""Moments, sizes, and the badge of a name, as the pages say them."""

from __future__ import annotations

import zlib
from datetime import datetime


def moment(when: datetime) -> str:
    """Return a short form of `when` for a list: the time today, else the day."""
    local, now = when.astimezone(), datetime.now().astimezone()
    if local.date() == now.date():
        return f"{local:%H:%M}"
    return f"{local.day} {local:%b}" if local.year == now.year else f"{local.day} {local:%b %Y}"


def full_moment(when: datetime) -> str:
    """Return `when` in words.

    >>> from datetime import datetime, UTC
    >>> full_moment(datetime(2026, 11, 3, 9, 5, tzinfo=UTC)).endswith("2026, 09:05")
    True
    """
    return f"{when:%a} {when.day} {when:%b %Y, %H:%M}"


def size(octets: int) -> str:
    """Return a number of octets as people say it.

    >>> size(999), size(38_000), size(5_400_000)
    ('999 B', '38 kB', '5.4 MB')
    """
    if octets < 1000:
        return f"{octets} B"
    if octets < 1_000_000:
        return f"{octets / 1000:.0f} kB"
    return f"{octets / 1_000_000:.1f} MB"


def initial(name: str) -> str:
    """Return the letter for a sender's badge."""
    return next((letter.upper() for letter in name if letter.isalnum()), "?")


def hue(name: str) -> int:
    """Return one of twelve colours for a name, always the same."""
    return zlib.crc32(name.casefold().encode()) % 12
