"""What became of one recipient: `Outcome`.

Backends and layers make outcomes, a receipt holds one for each recipient, callers read them.

Rules of the file: an outcome is frozen; `accepted_by` is the quick way to the one that nearly every recipient gets.
"""

from __future__ import annotations

from .errors import InvalidMessage
from .frozen import IS_FREE, Frozen, refrozen, thawed
from .reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Literal

    Status = Literal["accepted", "deferred", "rejected", "unknown"]

STATUSES: tuple[Status, ...] = ("accepted", "deferred", "rejected", "unknown")


class Outcome(Frozen):
    """What became of one recipient.

    `status` is `"accepted"`, `"deferred"` (may be tried again), `"rejected"` (final) or `"unknown"` (may have been
    accepted). `reply` is the server's answer that decided it, None when we decided; then `reason` says why. `phase`
    is how far the transaction got: `connect`, `mail`, `rcpt`, `data`, `content`, `done`, or `local`; `policy` when a
    layer decided.

    >>> Outcome("rejected", reason="suppressed", phase="local").is_final
    True
    """

    __slots__ = ("phase", "reason", "reply", "status")
    status: Status
    reply: Reply | None
    reason: str | None
    phase: str

    def __init__(
        self, status: Status, *, reply: Reply | None = None, reason: str | None = None, phase: str = "local"
    ) -> None:
        if status not in STATUSES:
            raise InvalidMessage("status", status, f"must be one of {', '.join(STATUSES)}")
        put = object.__setattr__
        put(self, "status", status)
        put(self, "reply", reply)
        put(self, "reason", reason)
        put(self, "phase", phase)

    @property
    def is_accepted(self) -> bool:
        """True when the server has taken responsibility for this recipient."""
        return self.status == "accepted"

    @property
    def is_final(self) -> bool:
        """True when nothing will change by trying again: accepted or rejected."""
        return self.status in ("accepted", "rejected")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive JSON."""
        return {
            "status": self.status,
            "reply": None if self.reply is None else self.reply.to_dict(),
            "reason": self.reason,
            "phase": self.phase,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Outcome:
        """Return the outcome that `to_dict` described."""
        reply = data.get("reply")
        return cls(
            data["status"],
            reply=None if reply is None else Reply.from_dict(reply),
            reason=data.get("reason"),
            phase=data.get("phase", "local"),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Outcome):
            return NotImplemented
        return (self.status, self.reply, self.reason) == (other.status, other.reply, other.reason)

    def __hash__(self) -> int:
        return hash((self.status, self.reply, self.reason))

    def __str__(self) -> str:
        why = self.reply if self.reply is not None else self.reason
        return self.status if why is None else f"{self.status}: {why}"

    def __repr__(self) -> str:
        return f"<Outcome {self}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _outcome, (self.status, self.reply, self.reason, self.phase)


def _outcome(status: Status, reply: Reply | None, reason: str | None, phase: str) -> Outcome:
    return Outcome(status, reply=reply, reason=reason, phase=phase)


_OpenOutcome = thawed(Outcome)


def accepted_by(reply: Reply) -> Outcome:
    """Return, quickly, the outcome of a recipient whose mail the server has taken with this reply."""
    outcome = _OpenOutcome()
    outcome.status = "accepted"
    outcome.reply = reply
    outcome.reason = None
    outcome.phase = "done"
    if IS_FREE:
        return refrozen(outcome, Outcome)
    outcome.__class__ = Outcome
    frozen: Outcome = outcome
    return frozen
