"""`Retry`: tries again what is safe to try again, after growing delays."""

from __future__ import annotations

import random

from ..errors import ConfigurationError, DeliveryError
from .layer import Again, Layer
from .options import seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta

    from ..outcome import Outcome
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO


class Retry(Layer):
    """Try deferred recipients again: at most `max_attempts` in all, within `deadline` of the first one's beginning.

    The delay before the second attempt is `delay`, before each further one `factor` times as long, at most `max_delay`; a
    random part of it, up to `jitter` (0 to 1), is left out, so that many mails do not come back together. Times are
    seconds or timedeltas. Deferred is whom the server put off (4xx), and everybody when the connection was lost before the
    content was sent. What another attempt cannot cure, such as a 5xx greeting, is not tried again. `unknown=True` tries
    those again, too, who may have got the mail: some will get it twice.

    The mail is the same in every attempt, and goes to nobody who has it. Other mails go on in the meantime.

    >>> from modernmail import Mailer
    >>> mailer = Mailer("smtp://mail.example.com", layers=[Retry(max_attempts=4, delay=2, deadline=60)])
    """

    def __init__(
        self,
        max_attempts: int = 3,
        *,
        delay: float | timedelta = 1.0,
        factor: float = 2.0,
        max_delay: float | timedelta = 60.0,
        jitter: float = 0.5,
        deadline: float | timedelta = 300.0,
        unknown: bool = False,
    ) -> None:
        is_count = isinstance(max_attempts, int) and not isinstance(max_attempts, bool) and max_attempts >= 1
        _check("max_attempts", max_attempts, is_count, "a whole number from 1")
        self.max_attempts = max_attempts
        self.delay = seconds("Retry: delay", delay)
        self.max_delay = seconds("Retry: max_delay", max_delay)
        self.deadline = seconds("Retry: deadline", deadline)
        _check("factor", factor, _is_number(factor) and factor >= 1, "1 or more")
        _check("max_delay", max_delay, self.max_delay >= self.delay, "not shorter than delay")
        _check("jitter", jitter, _is_number(jitter) and 0 <= jitter <= 1, "from 0 to 1")
        self.factor = factor
        self.jitter = jitter
        self.unknown = unknown

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Return `Again` for those who may be tried again, while there is patience left."""
        if receipt.is_complete or receipt.attempts >= self.max_attempts:
            return receipt
        error = receipt.error
        if isinstance(error, DeliveryError) and not error.is_transient and not self.unknown:
            return receipt
        again = [name for name, outcome in receipt.recipients.items() if self._is_curable(outcome)]
        if not again:
            return receipt
        delay = self.delay_after(receipt.attempts)
        if receipt.seconds + delay > self.deadline:
            return receipt
        return Again(delay, again)

    def delay_after(self, attempts: int) -> float:
        """Return the seconds to wait after so many attempts; with jitter it is another number each time."""
        delay = self.delay
        for _ in range(attempts - 1):
            if delay >= self.max_delay or not delay:
                break
            delay *= self.factor
        return min(delay, self.max_delay) * (1 - self.jitter * random.random())  # noqa: S311  # it keeps no secret

    def _is_curable(self, outcome: Outcome) -> bool:
        if outcome.status == "unknown":
            return self.unknown
        # A session refused with 5xx is deferred, as it says nothing about a recipient, and will be refused again.
        return outcome.status == "deferred" and (outcome.reply is None or outcome.reply.code < 500)

    def __repr__(self) -> str:
        return f"<Retry {self.max_attempts} attempts within {self.deadline:g} s>"


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check(name: str, value: object, is_right: bool, expected: str) -> None:
    if not is_right:
        raise ConfigurationError(f"Retry: {name}={value!r}: must be {expected}")
