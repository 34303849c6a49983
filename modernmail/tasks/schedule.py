"""When a deferred mail is tried again: `Schedule`."""

from __future__ import annotations

import random
from dataclasses import dataclass

from modernmail.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The waits between attempts, in seconds, and how long attempts go on.

    After the delays of the list the wait is an hour, growing by an hour each time to `longest`; `jitter`
    moves each by up to that share of itself. `patience` seconds after it was enqueued a mail has expired.

    >>> Schedule(jitter=0).delay_after(1), Schedule(jitter=0).delay_after(9)
    (60.0, 14400.0)
    """

    delays: tuple[float, ...] = (60.0, 300.0, 900.0, 1800.0)
    growing: float = 3600.0
    longest: float = 4 * 3600.0
    jitter: float = 0.2
    patience: float = 2 * 86_400.0

    @classmethod
    def from_text(cls, text: str, *, patience: float) -> Schedule:
        """Return a schedule whose delays stand in the text, as in `60,300,900`; the last one repeats."""
        try:
            delays = tuple(float(part) for part in text.split(","))
        except ValueError:
            delays = ()
        if not delays or not all(0 <= delay < float("inf") for delay in delays):
            raise ConfigurationError(
                f"retry={text!r}: must be seconds, separated by commas, such as 60,300,900"
            )
        return cls(delays=delays, growing=0.0, longest=delays[-1], patience=patience)

    def delay_after(self, attempt: int) -> float:
        """Return the seconds to wait after this attempt, counted from 1."""
        if attempt <= len(self.delays):
            delay = self.delays[max(0, attempt - 1)]
        else:
            hours = self.growing * (attempt - len(self.delays))
            delay = min(hours, self.longest) if self.growing else self.longest
        return delay * (1 + random.uniform(-self.jitter, self.jitter))  # noqa: S311 - spreads load
