"""What a worker says in the log while its queue cannot be used: `Trouble`.

A full disk stays full for hours, and is tried again every second. It is told at once, then after a minute, after two more,
after four more, up to once an hour; and when it is over, once.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass

from modernmail.errors import MailError

logger = logging.getLogger("modernmail.tasks")

FIRST, LONGEST = 60.0, 3600.0  # seconds between two lines about the same trouble


@dataclass(slots=True)
class _Told:
    text: str
    since: float
    until: float  # nothing is said before
    wait: float
    is_over: bool = False


class Trouble:
    """What one worker cannot do, by its name; for all its threads."""

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._lock = threading.Lock()
        self._told: dict[str, _Told] = {}

    def tell(self, what: str, error: Exception, again_in: float) -> None:
        """Say that the worker cannot do this, for this reason, and tries again in some seconds; unless it was just said."""
        now, text = time.monotonic(), str(error)
        with self._lock:
            told = self._told.get(what)
            if told is None or told.text != text:
                told = self._told[what] = _Told(text, now, now, FIRST)
            if now < told.until:
                return
            wait = told.wait
            told.until, told.wait, told.is_over = now + wait, min(wait * 2, LONGEST), False
        logger.error(
            "worker %s cannot %s: %s; trying again in %g s (said again in %.0f s at the earliest)",
            self._worker, what, error, again_in, wait, exc_info=not isinstance(error, MailError),
        )  # fmt: skip

    def passed(self, what: str) -> None:
        """Say that the worker could do this again, if it was said that it could not."""
        told = self._told.get(what)
        if told is None:
            return
        with self._lock:
            now = time.monotonic()
            if now >= told.until:
                # The next time is another trouble; before, it is the same one, coming and going.
                self._told.pop(what, None)
            if told.is_over:
                return
            told.is_over = True
        logger.warning("worker %s can %s again, after %.0f s", self._worker, what, now - told.since)
