"""The deadline of a whole send, as the pipeline keeps it: `Deadline`, which does nothing when none is set.

Rules of the file: a mail whose deadline has passed is not begun, and nothing more is written for it; what waits for a reply
then is given up, and the wire with it.
"""

from __future__ import annotations

from .patience import Bounded, Patience, late

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..runtime import IO
    from .delivery import Delivery
    from .transaction import Transaction


class Deadline:
    """`total` seconds for each mail, None for as long as it takes."""

    __slots__ = ("_io", "total")

    def __init__(self, total: float | None, io: IO) -> None:
        self.total = total
        self._io = io

    def bounded(self, usual: Patience, *marks: tuple[int, Delivery]) -> Patience:
        """Return how long to wait for replies: as usual, less when the deadline of a mail comes first."""
        return usual if self.total is None else Bounded(usual.each, marks, self.total)

    def is_over(self, delivery: Delivery) -> bool:
        """Return whether the time of this mail is over."""
        if self.total is None:
            return False
        now = self._io.now()
        return delivery.deadline(self.total, now) <= now

    @property
    def reason(self) -> str:
        """What is said of a mail that it came over."""
        return late(self.total or 0.0)

    def lapse(self, transaction: Transaction) -> str:
        """Settle a transaction that was not begun in time; return the reason."""
        transaction.lost(self.reason)
        return self.reason
