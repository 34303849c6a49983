"""When a failed task is tried again: `Retry`, given to `@task(retry=Retry(...))`."""

from __future__ import annotations

import random
from dataclasses import KW_ONLY, dataclass
from datetime import timedelta

from modernmail.errors import InvalidTask


@dataclass(frozen=True)
class Retry:
    """Try a task again after an exception, waiting longer each time.

    `max_attempts` counts the first one. The wait after attempt *n* is `delay * factor ** (n - 1)`, at most
    `max_delay`, then moved at random by up to `jitter` of itself either way, so that a thousand tasks that
    failed together do not come back together. `delay` and `max_delay` are seconds or timedeltas; `on` names
    the exceptions that are worth another attempt.

    >>> retry = Retry(max_attempts=4, delay=10, jitter=0)
    >>> [retry.delay_after(attempt, OSError()) for attempt in (1, 2, 3, 4)]
    [10.0, 20.0, 40.0, None]
    """

    max_attempts: int = 3
    _: KW_ONLY
    delay: float | timedelta = 1.0
    factor: float = 2.0
    max_delay: float | timedelta = 3600.0
    jitter: float = 0.25
    on: tuple[type[Exception], ...] = (Exception,)

    def __post_init__(self) -> None:
        if (
            isinstance(self.max_attempts, bool)
            or not isinstance(self.max_attempts, int)
            or self.max_attempts < 1
        ):
            raise InvalidTask("max_attempts", self.max_attempts, "must be a whole number from 1")
        for name in ("delay", "max_delay"):
            if not _seconds(getattr(self, name)) >= 0:
                raise InvalidTask(name, getattr(self, name), "must be seconds or a timedelta, from 0")
        if not self.factor >= 1:
            raise InvalidTask("factor", self.factor, "must be at least 1")
        if not 0 <= self.jitter <= 1:
            raise InvalidTask("jitter", self.jitter, "must be between 0 and 1")
        if not all(isinstance(kind, type) and issubclass(kind, Exception) for kind in self.on):
            raise InvalidTask("on", self.on, "must be a tuple of exception classes")

    def delay_after(self, attempt: int, error: BaseException) -> float | None:
        """Return the seconds to wait after this attempt (from 1) failed with `error`, or None to give up."""
        if attempt >= self.max_attempts or not isinstance(error, self.on):
            return None
        longest = _seconds(self.max_delay)
        try:
            delay = min(_seconds(self.delay) * self.factor ** (attempt - 1), longest)
        except OverflowError:
            delay = longest
        return delay * (1 + random.uniform(-self.jitter, self.jitter))  # noqa: S311 - spreads load, guards nothing


def _seconds(value: float | timedelta) -> float:
    return value.total_seconds() if isinstance(value, timedelta) else float(value)
