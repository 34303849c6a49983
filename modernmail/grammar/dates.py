"""The date-time of mail (RFC 5322 3.3): written from an aware `datetime`, and checked when somebody wrote it.

Rules of the file: no locale, no time zone database, no guess about a zone that is missing.
"""

from __future__ import annotations

from time import gmtime, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime
    from typing import Final

_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LONGEST: Final = 200  # with a comment; it is not folded
_UNIVERSAL: Final = ("GMT", "UT")  # RFC 5322 4.3: old, harmless, and what web code writes

_now: tuple[int, str] = (0, "")


def date_now() -> str:
    """Return this second as the Date header says it, in UTC."""
    global _now  # one second's text is used for all its mails
    second = int(time())
    known = _now  # read once: another thread may be in another second
    if known[0] != second:
        at = gmtime(second)
        text = (
            f"{_DAYS[at.tm_wday]}, {at.tm_mday:02d} {_MONTHS[at.tm_mon - 1]} {at.tm_year} "
            f"{at.tm_hour:02d}:{at.tm_min:02d}:{at.tm_sec:02d} +0000"
        )
        known = _now = (second, text)
    return known[1]


def date_time(moment: datetime) -> str:
    """Return `moment`, which must be aware, as the Date header says it, to the second.

    Raises `ValueError` for a naive datetime. An offset of broken minutes is written in UTC.

    >>> from datetime import UTC, datetime
    >>> date_time(datetime(2026, 11, 5, 9, 7, 3, tzinfo=UTC))
    'Thu, 05 Nov 2026 09:07:03 +0000'
    """
    offset = moment.utcoffset()
    if offset is None:
        raise ValueError("a datetime without a time zone: give it one, as in datetime.now(UTC)")
    minutes, seconds = divmod(offset.days * 86400 + offset.seconds, 60)
    if seconds or offset.microseconds:
        moment, minutes = (moment - offset).replace(tzinfo=None), 0
    hours, minutes_past = divmod(abs(minutes), 60)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day:02} {_MONTHS[moment.month - 1]} {moment.year:04}"
        f" {moment.hour:02}:{moment.minute:02}:{moment.second:02}"
        f" {'-' if minutes < 0 else '+'}{hours:02}{minutes_past:02}"
    )


def date_fault(text: str) -> str:
    """Return what keeps `text` from being a date-time of RFC 5322; "" when it is one.

    A comment after the zone, as servers write it, is taken; so are GMT and UT.

    >>> date_fault("Thu, 5 Nov 2026 09:07 +0100 (CET)"), date_fault("5 Nov 2026 09:07:03 GMT")
    ('', '')
    >>> date_fault("2026-11-05T09:07:03Z")
    'expected a date such as Thu, 05 Nov 2026 09:07:03 +0000'
    """
    expected = "expected a date such as Thu, 05 Nov 2026 09:07:03 +0000"
    words = text.split()
    if words and words[-1][:1] == "(" and words[-1][-1:] == ")" and words[-1][1:-1].isalnum():
        words.pop()
    day_name = words.pop(0) if words and words[0][-1:] == "," else ""
    if len(words) != 5 or not text.isascii() or len(text) > _LONGEST:
        return expected
    day, month, year, clock, zone = words
    times = clock.split(":")
    if not 2 <= len(times) <= 3 or not all(len(part) == 2 and part.isdigit() for part in times):
        return expected
    if month.title() not in _MONTHS or not (
        year.isdigit() and len(year) == 4 and day.isdigit() and len(day) < 3
    ):
        return expected
    if not _is_zone(zone):
        return f"the zone {zone!r} is not written as +0000"
    from datetime import UTC, datetime

    hour, minute, second = (*map(int, times), 0)[:3]  # a leap second is no moment for Python's readers
    try:
        when = datetime(
            int(year), _MONTHS.index(month.title()) + 1, int(day), hour, minute, second, tzinfo=UTC
        )
    except ValueError as error:
        return f"no such moment: {error}"
    if day_name and day_name[:-1].title() != _DAYS[when.weekday()]:
        return f"that day is a {_DAYS[when.weekday()]}, not {day_name[:-1]}"
    return ""


def _is_zone(zone: str) -> bool:
    if zone.upper() in _UNIVERSAL:
        return True
    return len(zone) == 5 and zone[0] in "+-" and zone[1:].isdigit() and int(zone[3:]) < 60
