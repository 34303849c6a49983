"""The arguments of layers, read from code or from a URL: times, limits, lists; each with its own words when it is wrong."""

from __future__ import annotations

from ..errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta

_PERIODS = {
    **dict.fromkeys(("s", "sec", "second"), 1.0),
    **dict.fromkeys(("m", "min", "minute"), 60.0),
    **dict.fromkeys(("h", "hour"), 3600.0),
    **dict.fromkeys(("d", "day"), 86400.0),
}


def seconds(argument: str, value: float | timedelta) -> float:
    """Return a time as seconds, 0 or more.

    >>> from datetime import timedelta
    >>> seconds("delay", timedelta(minutes=2))
    120.0
    """
    total = getattr(value, "total_seconds", None)
    if total is not None:
        value = total()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"{argument}={value!r}: must be seconds or a timedelta, 0 or more")
    return float(value)


def rate(argument: str, text: str) -> tuple[int, float]:
    """Return a limit as its number and its period in seconds.

    >>> rate("limit", "100/s"), rate("limit", "5000/day")
    ((100, 1.0), (5000, 86400.0))
    """
    number, _, period = str(text).partition("/")
    length = _PERIODS.get(period.strip().lower())
    number = number.strip()
    if length is None or not number.isascii() or not number.isdecimal() or not int(number):
        raise ConfigurationError(
            f"{argument}={text!r}: must be a number for a period, such as 100/s, 20/minute, 500/h or 10000/day"
        )
    return int(number), length
