"""How many connections a pool may have: what was set, or for a while what the server lets in: `Limit`.

The pool asks it for each decision, and tells it when one connection was refused while others were there.

Rules of the file: a refusal beside connections that are open is a limit of the server's, whatever words it has for it; after
a minute one more is tried again.
"""

from __future__ import annotations

_WHILE = 60.0  # seconds


class Limit:
    """At most `most` connections, or fewer for a while.

    >>> limit = Limit(10)
    >>> limit.refused_beside(3, now=100.0)
    >>> limit.at(130.0), limit.at(161.0)
    (3, 10)
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._let_in = most
        self._until = 0.0

    def at(self, now: float) -> int:
        """Return how many there may be now."""
        return self._let_in if now < self._until else self._most

    def refused_beside(self, others: int, now: float) -> None:
        """Take it in that the server let nobody in beside so many others."""
        self._let_in = others
        self._until = now + _WHILE
