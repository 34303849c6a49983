"""What became of one mail, recipient by recipient: `Receipt`.

Backends make receipts, the mailer merges those of several attempts into one, callers read them.

Rules of the file: a receipt is frozen. What costs time (one outcome for each of many recipients) is done when somebody
looks, because most receipts of a large sending are only counted.
"""

from __future__ import annotations

from . import errors
from .error_values import described, error_of
from .frozen import IS_FREE, Frozen, refrozen, thawed
from .outcome import STATUSES, Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .envelope import Envelope
    from .errors import MailError
    from .outcome import Status
    from .parcel import Parcel

TIMED = ("connection", "envelope", "content")  # the phases of `Receipt.timings`


class Receipt(Frozen):
    """What became of one mail, recipient by recipient.

    `recipients` maps each addr-spec to its `Outcome`, in the order of the envelope; `accepted` is the tuple of those
    the server took; `refused` the mapping of all others. `message_id` and `envelope` are None when no parcel could be
    built; `error` then says why, as it does when nobody was accepted. `position` is the place in the input of
    `send_many`, from 0. `queue_id` is the server's own name for the mail, when its reply gave one. `notes` tell what
    was asked for and not offered. `seconds` is the time from the start of the transaction to its outcome, and
    `timings` how the last attempt spent it.
    """

    __slots__ = (
        "_outcomes", "_shared", "_timings", "attempts", "conversation", "envelope", "error", "message_id", "notes",
        "position", "seconds",
    )  # fmt: skip
    message_id: str | None
    envelope: Envelope | None
    _outcomes: dict[str, Outcome] | None
    _shared: Outcome | None
    position: int
    error: MailError | None
    attempts: int
    notes: tuple[str, ...]
    conversation: tuple[str, ...]
    seconds: float
    _timings: tuple[float, ...]

    def __init__(
        self,
        message_id: str | None,
        envelope: Envelope | None,
        recipients: Mapping[str, Outcome] | Outcome,
        *,
        position: int = 0,
        error: MailError | None = None,
        attempts: int = 1,
        notes: tuple[str, ...] = (),
        conversation: tuple[str, ...] = (),
        seconds: float = 0.0,
        timings: tuple[float, ...] = (),
    ) -> None:
        put = object.__setattr__
        put(self, "message_id", message_id)
        put(self, "envelope", envelope)
        # One outcome for everybody stays one object until somebody asks for the mapping.
        shared = recipients if isinstance(recipients, Outcome) else None
        put(self, "_shared", shared)
        put(self, "_outcomes", None if isinstance(recipients, Outcome) else dict(recipients))
        put(self, "position", position)
        put(self, "error", error)
        put(self, "attempts", attempts)
        put(self, "notes", notes)
        put(self, "conversation", conversation)
        put(self, "seconds", seconds)
        put(self, "_timings", timings)

    @property
    def recipients(self) -> Mapping[str, Outcome]:
        """Each addr-spec of the envelope with its outcome, read-only."""
        from types import MappingProxyType

        return MappingProxyType(self._mapping())

    def _mapping(self) -> dict[str, Outcome]:
        outcomes = self._outcomes
        if outcomes is None:
            assert self._shared is not None
            recipients = () if self.envelope is None else self.envelope.recipients
            outcomes = dict.fromkeys(recipients, self._shared)
            object.__setattr__(self, "_outcomes", outcomes)
        return outcomes

    @property
    def accepted(self) -> tuple[str, ...]:
        """The addr-specs the server has taken responsibility for."""
        return tuple(name for name, outcome in self._mapping().items() if outcome.status == "accepted")

    @property
    def refused(self) -> dict[str, Outcome]:
        """Every other recipient: deferred, rejected or unknown."""
        return {name: outcome for name, outcome in self._mapping().items() if outcome.status != "accepted"}

    @property
    def is_complete(self) -> bool:
        """True when every recipient was accepted."""
        shared = self._shared
        if shared is not None:
            return shared.status == "accepted" and self.envelope is not None
        return bool(self._outcomes) and not self.refused

    def count(self, status: Status) -> int:
        """Return how many recipients ended with this status."""
        return sum(outcome.status == status for outcome in self._mapping().values())

    def retry_recipients(self) -> tuple[str, ...]:
        """Return the recipients that are safe to try again: the deferred ones, never accepted or unknown ones."""
        return tuple(name for name, outcome in self._mapping().items() if outcome.status == "deferred")

    @property
    def queue_id(self) -> str | None:
        """The server's queue id, when its last reply names one in a form we know."""
        for outcome in self._mapping().values():
            if outcome.status == "accepted" and outcome.reply is not None:
                from .queue_id import queue_id

                return queue_id(outcome.reply.text)
        return None

    @property
    def timings(self) -> dict[str, float]:
        """Where the time of the last attempt went, in seconds; empty for a backend that does not tell.

        `connection` passed until a connection was there, `envelope` until the server had taken the recipients, `content`
        until its last reply; a phase that was not reached is missing. With BDAT the commands travel with the content,
        and all of it is `content`.
        """
        return dict(zip(TIMED, self._timings, strict=False))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive JSON; `from_dict` gives an equal receipt back."""
        error = self.error
        return {
            "version": 1,
            "message_id": self.message_id,
            "envelope": None if self.envelope is None else self.envelope.to_dict(),
            "recipients": {name: outcome.to_dict() for name, outcome in self._mapping().items()},
            "position": self.position,
            "error": None if error is None else described(error),
            "attempts": self.attempts,
            "notes": list(self.notes),
            "conversation": list(self.conversation),
            "seconds": self.seconds,
            "timings": self.timings,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Receipt:
        """Return the receipt that `to_dict` described; its error keeps its kind, its message, its reply and `is_transient`.

        Raises `PayloadRejected` for another version and for what is no receipt.
        """
        from .envelope import Envelope

        if data.get("version") != 1:
            raise errors.PayloadRejected(
                f"receipt of version {data.get('version')!r}; this release reads version 1"
            )
        try:
            envelope = data["envelope"]
            timings = data.get("timings", {})
            return cls(
                data["message_id"],
                None if envelope is None else Envelope.from_dict(envelope),
                {name: Outcome.from_dict(outcome) for name, outcome in data["recipients"].items()},
                position=data["position"],
                error=None if data["error"] is None else error_of(data["error"], tuple(data["conversation"])),
                attempts=data["attempts"],
                notes=tuple(data["notes"]),
                conversation=tuple(data["conversation"]),
                seconds=data["seconds"],
                timings=tuple(timings[phase] for phase in TIMED if phase in timings),
            )
        except (AttributeError, KeyError, TypeError) as error:
            raise errors.PayloadRejected(f"this is no receipt: {type(error).__name__}: {error}") from error

    def replace(self, **changes: Any) -> Receipt:
        """Return a copy with some of `position`, `error`, `attempts`, `notes`, `recipients` … changed."""
        fields: dict[str, Any] = {
            name: getattr(self, name)
            for name in ("position", "error", "attempts", "notes", "conversation", "seconds")
        }
        fields["message_id"] = self.message_id
        fields["timings"] = self._timings
        fields["envelope"] = self.envelope
        fields["recipients"] = self._shared if self._shared is not None else self._outcomes
        return type(self)(**(fields | changes))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Receipt):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        counts = ", ".join(f"{self.count(status)} {status}" for status in STATUSES if self.count(status))
        return f"<Receipt {self.message_id or 'of no mail'}: {counts or self.error or 'nobody'}>"

    def __reduce__(self) -> tuple[object, ...]:
        return Receipt.from_dict, (self.to_dict(),)


_Open = thawed(Receipt)


def receipt_for_all(
    parcel: Parcel,
    outcome: Outcome,
    position: int,
    seconds: float,
    notes: tuple[str, ...] = (),
    timings: tuple[float, ...] = (),
) -> Receipt:
    """Return, quickly, the receipt of a parcel whose recipients all ended the same way."""
    receipt = _Open()
    receipt.message_id = parcel.message_id
    receipt.envelope = parcel.envelope
    receipt._shared = outcome
    receipt._outcomes = None
    receipt.position = position
    receipt.error = None
    receipt.attempts = 1
    receipt.notes = notes
    receipt.conversation = ()
    receipt.seconds = seconds
    receipt._timings = timings
    if IS_FREE:
        return refrozen(receipt, Receipt)
    receipt.__class__ = Receipt
    frozen: Receipt = receipt
    return frozen
