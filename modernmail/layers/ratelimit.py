"""`RateLimit`: so many mails, or recipients, for a time, and no more."""

from __future__ import annotations

from threading import Lock

from ..errors import ConfigurationError, RateLimited
from ..forks import after_fork
from .layer import Layer, Stop, Wait
from .limits.bucket import Limit, MemoryLimits
from .options import rate, seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from ..parcel import Parcel
    from ..runtime import IO
    from .limits.bucket import LimitStore

_GRACE = 1.0  # seconds that one who waits may come late, before its place is given to the next


class RateLimit(Layer):
    """Let `limit` mails through, such as `"100/s"`, `"20/minute"`, `"500/h"`, `"10000/day"`, evenly.

    `burst` mails may go at once after a rest, so that within any period at most `limit` + `burst` go (and what 5 ms bring, by
    which a late wake-up is made up for). `unit` is what
    counts: `"messages"` or `"recipients"`; a mail to more recipients than `burst` goes at once, and those after it wait for
    as long as it takes. `patience` is how long a mail may wait; with 0 none does: what cannot go now is deferred, and
    `send()` raises `RateLimited`. Mails are served in the order of coming, whatever their thread or task.

    The rate is that of the layer: mailers that share it, share the rate. With `store` it is shared by all processes that
    open it and give it the same `name`: `SQLiteLimits(path)` on one machine, `RedisLimits(url)` across machines. Nothing is
    sent while a store cannot be asked. Each attempt at a mail counts.

    >>> from modernmail import Mailer
    >>> mailer = Mailer("smtp://mail.example.com", layers=[RateLimit("14/s"), RateLimit("50000/day", burst=1000)])
    """

    def __init__(
        self,
        limit: str,
        *,
        burst: int = 1,
        unit: str = "messages",
        patience: float | timedelta | None = None,
        store: LimitStore | None = None,
        name: str = "default",
    ) -> None:
        number, period = rate("limit", limit)
        if isinstance(burst, bool) or not isinstance(burst, int) or not 1 <= burst <= number:
            raise ConfigurationError(f"burst={burst!r}: must be a whole number from 1 to the limit, {number}")
        if unit not in ("messages", "recipients"):
            raise ConfigurationError(f"unit={unit!r}: must be messages or recipients")
        if store is not None and not hasattr(store, "take"):
            raise ConfigurationError(f"store={store!r}: must be SQLiteLimits(path) or RedisLimits(url)")
        if not isinstance(name, str):
            raise ConfigurationError(f"name={name!r}: must be a str, the same wherever the rate is shared")
        self.limit = Limit(number, period, burst)
        self.unit = unit
        self.patience = None if patience is None else seconds("patience", patience)
        self.store: LimitStore = store or MemoryLimits()
        self.name = name
        taker = getattr(self.store, "taker", None)
        self._take: Callable[[int], float] | None = None if taker is None else taker(name, self.limit)
        self._counts_recipients = unit == "recipients"
        self._begin()
        after_fork(self, RateLimit._begin)

    def _begin(self) -> None:
        """Begin with nobody waiting: also in a forked child, where those who wait are the parent's."""
        self._lock = Lock()
        # Who waits, in the order of coming: the parcel, how long it has waited, and until when its place is kept.
        self._waiting: dict[int, tuple[Parcel, float, float]] = {}

    async def admit(self, parcel: Parcel, io: IO) -> Wait | Stop | None:
        """Take what the mail costs, or say how long it has to wait."""
        cost = len(parcel.envelope.addresses) if self._counts_recipients else 1
        if self._take is not None:
            with self._lock:
                if not self._waiting:
                    wait = self._take(cost)
                    return self._answer(parcel, wait, io.now()) if wait else None
        store = self.store
        with self._lock:
            now = io.now()
            place = self._place(parcel, now)
            if place:
                return self._answer(parcel, place * cost / self.limit.rate, now)
            if store.is_local:
                wait = store.take(self.name, self.limit, cost)
                return self._answer(parcel, wait, now)
        try:
            wait = await io.run(store.take, self.name, self.limit, cost)
        except BaseException:
            with self._lock:
                self._waiting.pop(id(parcel), None)
            raise
        with self._lock:
            return self._answer(parcel, wait, io.now())

    def _place(self, parcel: Parcel, now: float) -> int:
        """Return how many are before this one; it has a place from now on."""
        waiting = self._waiting
        me = id(parcel)
        if me not in waiting:
            waiting[me] = (parcel, now, now + _GRACE)
        place = 0
        for key in list(waiting):
            if key == me:
                break
            if waiting[key][2] < now:
                del waiting[key]  # it does not come back: its sending was closed
            else:
                place += 1
        return place

    def _answer(self, parcel: Parcel, wait: float, now: float) -> Wait | Stop | None:
        me = id(parcel)
        if not wait:
            self._waiting.pop(me, None)
            return None
        began = self._waiting[me][1] if me in self._waiting else now
        if self.patience is not None and now + wait - began > self.patience:
            self._waiting.pop(me, None)
            reason = f"the rate limit of {self.limit.number} {self.unit} in {self.limit.period:g} s"
            error = RateLimited(f"{reason} is used up: the next may go in {wait:.3g} s", is_transient=True)
            return Stop(f"over {reason}", status="deferred", error=error)
        self._waiting[me] = (parcel, began, now + wait + _GRACE)
        return Wait(wait)

    async def close(self, io: IO) -> None:
        """Close the store; the next mail opens it again."""
        close = getattr(self.store, "close", None)
        if close is not None:
            close()

    def __repr__(self) -> str:
        return f"<RateLimit {self.limit.number} {self.unit} in {self.limit.period:g} s>"
