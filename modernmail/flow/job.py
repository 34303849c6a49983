"""A mail that a layer has changed the course of: `Job`, what the flow knows of it between its attempts.

The flow makes one when a layer stops somebody, lets the mail wait, or wants it tried again; most mails never need one.
"""

from __future__ import annotations

from ..outcome import Outcome
from ..receipt import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from ..envelope import Envelope
    from ..errors import DeliveryError, MailError
    from ..layers.layer import Again, Stop
    from ..parcel import Parcel


class Job:
    """One mail: its whole envelope, what is settled, how many layers let this attempt pass, and how often it was tried.

    `unseen` holds what was settled in earlier attempts, with the place in the chain of the layer that wanted another one: the
    layers behind it in that chain have not been told yet.
    """

    __slots__ = (
        "admitted", "attempts", "began", "envelope", "error", "outcomes", "parcel", "position", "unseen", "whole",
    )  # fmt: skip

    def __init__(self, parcel: Parcel, position: int, envelope: Envelope) -> None:
        self.parcel = parcel
        self.envelope = envelope
        self.position = position
        self.outcomes: dict[str, Outcome] = {}
        self.error: DeliveryError | None = None  # of the layer that stopped somebody
        self.admitted = 0
        self.attempts = 0
        self.began = 0.0
        self.whole = parcel  # with everybody an attempt was made for
        self.unseen: dict[str, tuple[int, Outcome]] = {}

    def begin(self, now: float) -> None:
        """An attempt begins."""
        if not self.attempts:
            self.began = now
        self.attempts += 1

    def stop(self, stop: Stop, left: Collection[str]) -> None:
        """Settle whom a layer stopped: everybody but those who are left."""
        outcome = Outcome(stop.status, reason=stop.reason, phase="policy")
        for name in self.parcel.envelope.recipients:
            if name not in left:
                self.outcomes[name] = outcome
        self.error = stop.error or self.error

    def again(self, place: int, parcel: Parcel, receipt: Receipt, again: Again) -> None:
        """The layer at this place of the chain wants another attempt: keep what is settled, narrow the mail to the rest."""
        if self.attempts == 1:
            self.whole = parcel
        for name, outcome in receipt.recipients.items():
            if name not in again.recipients:
                self.outcomes[name] = outcome
                self.unseen[name] = (place, outcome)
        self.parcel = parcel.narrowed(again.recipients)

    def seen_by(self, place: int, parcel: Parcel, receipt: Receipt) -> tuple[Parcel, Receipt]:
        """Return what the layer at this place is told: this attempt, with those that it was not asked about."""
        there = receipt.recipients
        more = {
            name: outcome for name, (at, outcome) in self.unseen.items() if at < place and name not in there
        }
        if not more:
            return parcel, receipt
        more.update(there)
        parcel = self.whole.narrowed(more)
        is_total = not any(outcome.status == "accepted" for outcome in more.values())
        return parcel, receipt.replace(
            envelope=parcel.envelope,
            recipients={name: more[name] for name in parcel.envelope.recipients},
            error=receipt.error if is_total else None,
        )

    def merged(self, receipt: Receipt | None, now: float) -> Receipt:
        """Return one receipt for all attempts, of which this is the last."""
        outcomes = self.outcomes
        if receipt is not None and not outcomes:
            return receipt
        if receipt is not None:
            outcomes.update(receipt.recipients)
        ordered = {name: outcomes.pop(name) for name in self.envelope.recipients if name in outcomes}
        ordered.update(outcomes)
        error: MailError | None = None
        if not any(outcome.status == "accepted" for outcome in ordered.values()):
            error = None if self.attempts else self.error
            if error is None:
                from ..smtp.delivery import error_for

                error = error_for(ordered, () if receipt is None else receipt.conversation)
        return Receipt(
            self.parcel.message_id,
            self.envelope,
            ordered,
            position=self.position,
            error=error,
            attempts=self.attempts,
            notes=() if receipt is None else receipt.notes,
            conversation=() if receipt is None else receipt.conversation,
            seconds=now - self.began if self.attempts else 0.0,
            timings=() if receipt is None else tuple(receipt.timings.values()),
        )
