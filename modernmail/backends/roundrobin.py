"""`roundrobin(smtp://a smtp://b)`: the backends take turns."""

from __future__ import annotations

from itertools import count

from .failover import Failover
from .several import SeveralReceipts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..runtime import IO
    from .backend import Backend, Parcels, Receipts

_AT_ONCE = 20  # mails of one sending that one member gets in its turn, so that they share its pipeline


class RoundRobin(Failover):
    """The members take turns, mail by mail; of a large sending each gets twenty in a row, and under asyncio all work at once.

    What one cannot take, the next one takes, as with `Failover`.

    >>> from modernmail.backends.url import backend_from_url
    >>> backend_from_url("roundrobin(smtp://a.example failover(smtp://b.example smtp://c.example))")
    <RoundRobin(SMTPBackend a.example:587, Failover(SMTPBackend b.example:587, SMTPBackend c.example:587))>
    """

    def __init__(self, members: Iterable[Backend], *, retry_period: float = 60.0) -> None:
        super().__init__(members, retry_period=retry_period)
        self._count = count()

    def deliver(self, parcels: Parcels, io: IO) -> Receipts:
        """Return the receipts of a burst, from the members by turns."""
        if io.is_async and len(self._members) > 1 and not getattr(parcels, "is_single", False):
            from .fanout import FanOut

            return FanOut([self._receipts(parcels, io, own=at) for at in range(len(self._members))])
        return self._receipts(parcels, io)

    def _receipts(self, parcels: Parcels, io: IO, own: int | None = None) -> SeveralReceipts:
        return SeveralReceipts(
            self._members,
            parcels,
            io,
            period=self.retry_period,
            start=self._turn if own is None else lambda: own,
            most=_AT_ONCE if own is None else None,
        )

    def _turn(self) -> int:
        return next(self._count) % len(self._members)
