"""How long the replies of one exchange may take: `Patience`, and `Bounded` when a whole send has a deadline.

The pipeline makes them, the wires ask them.

Rules of the file: a limit is for a reply as a whole, however many reads it takes; moments are those of `time.monotonic`.
The deadline of a mail begins when it is at the front: what the mail before it took of a shared exchange is not its own.
"""

from __future__ import annotations

from math import inf
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .delivery import Delivery


FAREWELL = 0.5  # seconds that QUIT may take


class Patience:
    """Seconds for each reply in turn, the last for all that follow.

    >>> patience = Patience(600.0, 30.0)
    >>> patience.due(0, 1000.0), patience.due(5, 1000.0), patience.until(0, 1000.0)
    (1600.0, 1030.0, inf)
    """

    __slots__ = ("each",)

    def __init__(self, *each: float) -> None:
        self.each = each

    def seconds(self, place: int) -> float:
        """Return the seconds that reply number `place` may take, from 0."""
        return self.each[place] if place < len(self.each) else self.each[-1]

    def due(self, place: int, now: float) -> float:
        """Return the moment when reply number `place` must be there, the one before it having come now."""
        each = self.each
        return now + (each[place] if place < len(each) else each[-1])

    def until(self, place: int, now: float) -> float:
        """Return the moment that nothing may outlast while reply number `place` is awaited."""
        return inf

    def late(self, place: int) -> str:
        """Return what to say when reply number `place` did not come in time."""
        return f"no reply within {self.seconds(place):g} s"

    def stuck(self, place: int, seconds: float) -> str:
        """Return what to say when the server took nothing for so many seconds."""
        return f"the server took no data for {seconds:g} s"


class Bounded(Patience):
    """The same, when a send has a deadline of `total` seconds.

    `marks` are the mails whose replies these are, in turn, each with the number of replies up to which it is at the front.
    """

    __slots__ = ("_marks", "_total")

    def __init__(self, each: Sequence[float], marks: Sequence[tuple[int, Delivery]], total: float) -> None:
        super().__init__(*each)
        self._marks = marks
        self._total = total

    def due(self, place: int, now: float) -> float:
        """Return the moment when reply number `place` must be there, the one before it having come now."""
        return min(now + self.seconds(place), self.until(place, now))

    def until(self, place: int, now: float) -> float:
        """Return the moment that nothing may outlast while reply number `place` is awaited."""
        for end, delivery in self._marks:
            if place < end:
                return delivery.deadline(self._total, now)
        return self._marks[-1][1].deadline(self._total, now)

    def late(self, place: int) -> str:
        """Return what to say when reply number `place` did not come in time."""
        return late(self._total) if self._is_over(place) else super().late(place)

    def stuck(self, place: int, seconds: float) -> str:
        """Return what to say when the server took nothing for so many seconds."""
        return late(self._total) if self._is_over(place) else super().stuck(place, seconds)

    def _is_over(self, place: int) -> bool:
        now = monotonic()
        return now >= self.until(place, now)


def late(total: float) -> str:
    """Return what to say when the deadline of a whole send has passed."""
    return f"the whole send has not ended within its deadline of {total:g} s"
