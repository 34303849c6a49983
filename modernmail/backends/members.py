"""The backends of a backend of backends, and how they are: `Member`, and the choice among them.

`failover` and `roundrobin` have one each, shared by all their sendings.

Rules of the file: decide in a pure function; a member that is down is left alone for its period, unless all are down and
nothing else is left; one that refused our credentials or our security is never asked again before its period.
"""

from __future__ import annotations

from time import monotonic

from ..errors import AuthenticationFailed, SecurityFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ..errors import MailError
    from .backend import Backend

_RESPITE = 1.0  # seconds without a new attempt, though all members are down


class Member:
    """One backend: since when it is down, and why; `error` is None while it is up."""

    __slots__ = ("backend", "error", "failed_at", "name")

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.name = repr(backend).strip("<>")
        self.error: MailError | None = None
        self.failed_at = 0.0

    def failed(self, error: MailError) -> None:
        """It is down from now on."""
        self.failed_at = monotonic()  # first: who finds the error finds its time, and no older one
        self.error = error

    def worked(self) -> None:
        """It is up."""
        self.error = None

    @property
    def refuses_us(self) -> bool:
        """True when another attempt would be another bad login, or as insecure as the last."""
        return isinstance(self.error, (AuthenticationFailed, SecurityFailed))


def choose(
    members: Sequence[Member], tried: Collection[int], start: int, period: float, now: float
) -> int | None:
    """Return the number of the member to try next; None when none is left that is worth it.

    `tried` are those that this mail has been to, `start` is the first in turn. A mail that has been nowhere goes to the
    one that has been down longest rather than nowhere.
    """
    count = len(members)
    left = [at for at in ((start + step) % count for step in range(count)) if at not in tried]
    for at in left:
        member = members[at]
        if member.error is None or now - member.failed_at >= period:
            return at
    if tried or not left:
        return None
    rested = [at for at in left if not members[at].refuses_us and now - members[at].failed_at >= _RESPITE]
    return min(rested, key=lambda at: members[at].failed_at, default=None)
