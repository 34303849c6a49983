"""The Date field (RFC 5322 3.3, obsolete zones included)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_ZONES = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_DATE = re.compile(
    r"\s*(?:[A-Za-z]+,?\s+)?(\d{1,2})\s+([A-Za-z]{3})[a-z]*\s+(\d{2,4})\s+"
    r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(?:([+-])(\d{2})(\d{2})|([A-Za-z]+))?"
)


def read_date(value: str) -> datetime | None:
    """Return the moment, aware, or None when it cannot be read; an unknown zone is UTC.

    >>> read_date("Tue, 03 Nov 2026 10:00:00 +0100").isoformat()
    '2026-11-03T10:00:00+01:00'
    """
    match = _DATE.match(value)
    if match is None:
        return None
    day, month, year, hour, minute, second, sign, hours, minutes, name = match.groups()
    number = int(year) + (0 if len(year) == 4 else 2000 if int(year) < 50 else 1900)
    zone: timezone = UTC
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        zone = timezone(-offset if sign == "-" else offset) if offset < timedelta(hours=24) else UTC
    elif name:
        zone = timezone(timedelta(hours=_ZONES.get(name.upper(), 0)))
    try:
        moment = datetime(
            number, _MONTHS.get(month.lower(), 0), int(day), int(hour), int(minute), tzinfo=zone
        )
        return moment.replace(second=min(int(second or 0), 59))
    except ValueError:
        return None
