"""One mail's way through several backends: `Journey` holds what each of them said, and makes one receipt of it.

Only `SeveralReceipts` makes journeys.

Rules of the file: who is accepted, rejected or unknown stays so; a journey that ended at its first member has that member's
receipt, unchanged.
"""

from __future__ import annotations

from ..errors import ConnectFailed, ContentRefused, DeliveryError, MailError
from ..outcome import Outcome
from ..receipt import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..envelope import Envelope
    from ..parcel import Parcel
    from .members import Member


class Journey:
    """A parcel on its way through the members; `parcel` is narrowed to the recipients that are left."""

    __slots__ = ("envelope", "errors", "outcomes", "parcel", "position", "seconds", "tried")

    def __init__(self, parcel: Parcel, position: int) -> None:
        self.parcel = parcel
        self.envelope: Envelope = parcel.envelope
        self.position = position
        self.tried: list[int] = []
        self.outcomes: dict[str, Outcome] = {}
        self.errors: list[tuple[str, MailError | str]] = []  # the member's name, and what it could not do
        self.seconds = 0.0

    def goes_on(
        self, left: Member, receipt: Receipt, curable: Sequence[str], error: MailError | None
    ) -> None:
        """Take what a member could do; the `curable` recipients are left for another."""
        outcomes = receipt.recipients
        self.errors.append((left.name, error or why(outcomes[curable[0]])))
        self.outcomes.update(outcomes)
        if len(curable) < len(outcomes):
            self.parcel = self.parcel.narrowed(curable)

    def breaks_off(self, reason: str) -> None:
        """Take it that those who are left will not be tried."""
        left = Outcome("deferred", reason=reason, phase="connect")
        self.outcomes.update((name, left) for name in self.parcel.envelope.recipients)
        self.errors.append(("closed", MailError(reason)))

    def receipt(self, members: Sequence[Member], last: Receipt | None) -> Receipt:
        """Return the receipt of a mail for which nothing more can be done; `last` is what the last member said, if any."""
        if last is not None and not self.errors:
            return last
        if last is not None:
            self.outcomes.update(last.recipients)
            if last.error is not None:
                self.errors.append((members[self.tried[-1]].name, last.error))
        tried = [name for name, _ in self.errors]
        for member in members:
            # Read once: another thread may find the member up again.
            if (error := member.error) is not None and member.name not in tried and last is None:
                self.errors.append((member.name, f"not asked, as it was down: {error}"))
        rest = Outcome("deferred", reason="every backend is down", phase="connect")
        outcomes = {name: self.outcomes.get(name, rest) for name in self.envelope.recipients}
        failure = None
        if not any(outcome.is_accepted for outcome in outcomes.values()):
            failure = self.failure(members, None if last is None else last.error)
        return Receipt(
            self.parcel.message_id,
            self.envelope,
            outcomes,
            position=self.position,
            error=failure,
            notes=(*(f"{name}: {said}" for name, said in self.errors), *(last.notes if last else ())),
            conversation=last.conversation if last else (),
            seconds=self.seconds,
            timings=() if last is None else tuple(last.timings.values()),
        )

    def failure(self, members: Sequence[Member], last: MailError | None) -> DeliveryError:
        """Return one error that names each attempt, of the kind of the last."""
        told = self.errors or [(one.name, error) for one in members if (error := one.error) is not None]
        found = [said for _, said in told if isinstance(said, DeliveryError)]
        decisive = last if isinstance(last, DeliveryError) else found[-1] if found else None
        kind = type(decisive) if decisive is not None else ConnectFailed
        return kind(
            "; ".join(f"{name}: {said}" for name, said in told) or "every backend is down",
            reply=None if decisive is None else decisive.reply,
            is_transient=any(error.is_transient for error in found) if found else True,
            conversation=() if decisive is None else decisive.conversation,
        )


def curable_recipients(receipt: Receipt, error: MailError | None) -> list[str]:
    """Return who may be accepted by another server: nothing was sent, or this one lacks what the mail needs."""
    is_unreadable = isinstance(error, ContentRefused) and not error.is_transient
    return [
        name
        for name, outcome in receipt.recipients.items()
        if _is_curable(outcome) and not (is_unreadable and outcome.status == "deferred")
    ]


def _is_curable(outcome: Outcome) -> bool:
    if outcome.status == "rejected":
        return outcome.phase == "local" and outcome.reply is None
    return outcome.status == "deferred"


def why(outcome: Outcome) -> str:
    """Return what the server said, or our own reason."""
    return str(outcome.reply if outcome.reply is not None else outcome.reason)
