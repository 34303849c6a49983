"""One parcel on its way: what is still to do, and what became of each recipient so far.

The pipeline keeps a `Delivery` for each parcel it pulled; several transactions may serve one (RFC 5321 4.5.3.1.10).

Rules of the file: an outcome is set once, except that a deferral may be overwritten by a later transaction; a receipt is
made when nothing is left to do.
"""

from __future__ import annotations

from ..errors import (
    ConnectFailed,
    ContentRefused,
    DeliveryError,
    MailError,
    OutcomeUnknown,
    RecipientsRefused,
    SecurityFailed,
    SenderRefused,
    Withheld,
)
from ..outcome import Outcome, accepted_by
from ..receipt import Receipt, receipt_for_all
from .advice import advice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..outcome import Status
    from ..parcel import Parcel
    from ..reply import Reply
    from .extensions import Extensions


class Delivery:
    """The state of one parcel."""

    __slots__ = (
        "agreed",
        "conversation",
        "error",
        "failures",
        "notes",
        "outcomes",
        "parcel",
        "position",
        "remaining",
        "started",
        "until",
        "wired",
    )

    def __init__(self, parcel: Parcel, position: int, started: float, wired: float | None = None) -> None:
        self.parcel = parcel
        self.position = position
        self.started = started
        self.wired = wired  # when a connection was there
        self.agreed: float | None = None  # when the server had first taken recipients
        self.until: float | None = None  # the moment of its deadline, once it is at the front
        self.remaining: tuple[Address, ...] = parcel.envelope.addresses
        self.outcomes: dict[str, Outcome] = {}
        self.error: MailError | None = None
        self.failures = 0  # wires that failed under it
        self.notes: tuple[str, ...] = ()
        self.conversation: tuple[str, ...] = ()

    def deadline(self, total: float, now: float) -> float:
        """Return the moment by which its sending must end: `total` seconds after it came to the front first."""
        if self.until is None:
            self.until = now + total
        return self.until

    def settle(self, addresses: tuple[Address, ...], outcome: Outcome) -> None:
        """Set the outcome of these recipients."""
        outcomes = self.outcomes
        for address in addresses:
            outcomes[address.addr_spec] = outcome

    def settle_rest(self, outcome: Outcome, error: MailError | None = None) -> None:
        """Set the outcome of everybody who is not in a transaction yet."""
        self.settle(self.remaining, outcome)
        self.remaining = ()
        if error is not None and self.error is None:
            self.error = error

    def accepted_at_once(self, reply: Reply, now: float) -> Receipt:
        """Return the receipt of a parcel that one transaction delivered to everybody."""
        started, wired, agreed = self.started, self.wired, self.agreed
        assert wired is not None
        assert agreed is not None
        return receipt_for_all(
            self.parcel,
            accepted_by(reply),
            self.position,
            now - started,
            self.notes,
            (wired - started, agreed - wired, now - agreed),
        )

    def receipt(self, now: float) -> Receipt:
        """Return the receipt; its error is set when nobody was accepted."""
        parcel = self.parcel
        outcomes = {name: self.outcomes[name] for name in parcel.envelope.recipients}
        error = self.error
        is_total = not any(outcome.status == "accepted" for outcome in outcomes.values())
        if is_total and error is None:
            error = error_for(outcomes, self.conversation)
        return Receipt(
            parcel.message_id,
            parcel.envelope,
            outcomes,
            position=self.position,
            error=error if is_total else None,
            notes=self.notes,
            conversation=self.conversation,
            seconds=now - self.started,
            timings=self._timings(now),
        )

    def _timings(self, now: float) -> tuple[float, ...]:
        """Return how long it waited for a connection, for its recipients to be taken, and for its last reply."""
        if self.wired is None:
            return (now - self.started,)
        waited = self.wired - self.started
        if self.agreed is None:
            return (waited, now - self.wired)
        return (waited, self.agreed - self.wired, now - self.agreed)


_KINDS: dict[str, type[DeliveryError]] = {
    "connect": ConnectFailed,
    "mail": SenderRefused,
    "rcpt": RecipientsRefused,
    "data": ContentRefused,
    "content": ContentRefused,
    "done": ContentRefused,
    "local": ContentRefused,
    "policy": Withheld,
}


def error_for(outcomes: dict[str, Outcome], conversation: tuple[str, ...] = ()) -> DeliveryError:
    """Return the error of a mail that nobody accepted, of the kind that its outcomes tell."""
    found = list(outcomes.values())
    first = next((outcome for outcome in found if outcome.status == "unknown"), None) or next(
        (outcome for outcome in found if outcome.reply is not None), found[0]
    )
    who = ", ".join(outcomes) if len(outcomes) <= 3 else f"{len(outcomes)} recipients"
    why = str(first.reply) if first.reply is not None else first.reason
    if first.status == "unknown":
        text = f"it is not known whether the mail to {who} was accepted: {why}"
        return OutcomeUnknown(text, reply=first.reply, conversation=conversation)
    kind = _KINDS[first.phase]
    if first.reply is None and first.status == "deferred" and first.phase not in ("done", "local", "policy"):
        kind = ConnectFailed  # nobody refused anything: the way to the server ended, while the content went out perhaps
    said = _VERBS[kind]
    is_transient = any(outcome.status == "deferred" for outcome in found)
    told = "" if first.reply is None else advice(first.reply)
    return kind(
        f"{said} {who}: {why}{told}", reply=first.reply, is_transient=is_transient, conversation=conversation
    )


_VERBS: dict[type[DeliveryError], str] = {
    ConnectFailed: "the connection failed before the content was sent to",
    SenderRefused: "the server refused the sender of the mail to",
    RecipientsRefused: "the server refused",
    ContentRefused: "the content was refused for",
    Withheld: "the mail was held back from",
}


def local_refusal(
    parcel: Parcel, extensions: Extensions, *, is_verified: bool
) -> tuple[Status, MailError, str] | None:
    """Return why this parcel must not be begun on a session with these extensions; None when it may."""
    content = parcel.content
    if extensions.max_size and content.size > extensions.max_size:
        why = f"the content has {content.size} octets and the server takes at most {extensions.max_size}"
    elif content.is_8bit and not extensions.eightbitmime:
        why = "the content is 8bit and the server does not offer 8BITMIME: body_encoding='quoted-printable' needs none"
    elif not extensions.smtputf8 and parcel.needs_smtputf8:
        why = f"{_beyond_ascii(parcel)} needs SMTPUTF8 and the server does not offer it"
    elif parcel.envelope.require_tls and not (extensions.requiretls and is_verified):
        why = (
            "TLS is required to the last hop (REQUIRETLS) and the server does not offer it over verified TLS"
        )
        return "deferred", SecurityFailed(why), why
    else:
        return None
    return "rejected", ContentRefused(why), why


def _beyond_ascii(parcel: Parcel) -> str:
    """Return the address that only SMTPUTF8 can carry (RFC 6531)."""
    envelope = parcel.envelope
    for address in (envelope.sender, *envelope.addresses):
        if address is not None and not address.local.isascii():
            return address.addr_spec
    return "an address in the header"
