"""When something is to happen, as users say it (an aware datetime, or a timedelta from now), and as it is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from modernmail.errors import InvalidTask


def check_moment(argument: str, value: object) -> None:
    """Raise `InvalidTask` unless the value is None, an aware datetime or a timedelta."""
    if isinstance(value, datetime):
        if value.utcoffset() is None:
            raise InvalidTask(argument, value, "must be aware: give it a tzinfo, such as datetime.UTC")
    elif value is not None and not isinstance(value, timedelta):
        raise InvalidTask(argument, value, "must be an aware datetime or a timedelta")


def moment_of(argument: str, value: datetime | timedelta, now: datetime) -> datetime:
    """Return the moment in UTC; `InvalidTask` when it cannot be stored as seconds since 1970 and read back.

    >>> moment_of("run_after", timedelta(hours=1), datetime(2026, 1, 1, tzinfo=UTC)).isoformat()
    '2026-01-01T01:00:00+00:00'
    """
    try:
        moment = now + value if isinstance(value, timedelta) else value.astimezone(UTC)
        datetime.fromtimestamp(moment.timestamp(), UTC)
    except (OverflowError, ValueError, OSError):
        raise InvalidTask(argument, value, "must lie between the years 1 and 9999") from None
    return moment


def moment_at(seconds: float | None) -> datetime | None:
    """Return the moment that is stored as seconds since 1970, in UTC; None for none.

    >>> moment_at(1767225600.0)
    datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def iso(moment: datetime | None) -> str | None:
    """Return a moment in ISO 8601, None for none: as `to_dict` says it."""
    return None if moment is None else moment.isoformat()
