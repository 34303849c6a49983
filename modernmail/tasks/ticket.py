"""What a queued send returns: `Ticket`, the mail's number in the queue, and what has become of it so far."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from modernmail.outcome import Outcome
from modernmail.receipt import Receipt

from .moment import iso
from .recipients import overall, status_of, summary

if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail.envelope import Envelope

    from .recipients import State

_AS_OUTCOME = {"accepted": "accepted", "rejected": "rejected", "expired": "rejected", "discarded": "rejected",
               "unknown": "unknown"}  # fmt: skip


class Ticket:
    """One queued mail.

    `id` finds it again, `message_id` and `envelope` say which mail it is, `mailer` who sends it. `status` is
    one of queued, sending, deferred, accepted, rejected, unknown, expired or discarded: for a mail to many,
    what most needs attention. `recipients` has the same for each of them. `refresh` reads it anew.
    """

    __slots__ = (
        "_reread", "attempts", "enqueued_at", "envelope", "expires", "id", "idempotency_key", "mailer",
        "message_id", "next_attempt_at", "phase", "priority", "queue_name", "state",
    )  # fmt: skip

    def __init__(
        self,
        id: str,  # noqa: A002 - as in TaskResult
        *,
        message_id: str,
        envelope: Envelope,
        mailer: str,
        phase: str = "queued",
        state: State | None = None,
        attempts: int = 0,
        queue_name: str = "default",
        priority: int = 0,
        enqueued_at: datetime | None = None,
        next_attempt_at: datetime | None = None,
        expires: datetime | None = None,
        idempotency_key: str | None = None,
        reread: Callable[[str], Ticket] | None = None,
    ) -> None:
        self.id = id
        self.message_id = message_id
        self.envelope = envelope
        self.mailer = mailer
        self.phase = phase
        self.state: State = state or {}
        self.attempts = attempts
        self.queue_name = queue_name
        self.priority = priority
        self.enqueued_at = enqueued_at or datetime.now(UTC)
        self.next_attempt_at = next_attempt_at
        self.expires = expires
        self.idempotency_key = idempotency_key
        self._reread = reread

    @property
    def status(self) -> str:
        """The mail's status in one word: of those that its recipients have, the one that most needs attention."""
        return overall(self.envelope.recipients, self.state, self.phase)

    @property
    def recipients(self) -> dict[str, str]:
        """Each recipient's addr-spec with its status.

        That is queued, sending, deferred, accepted, rejected, unknown, expired or discarded.
        """
        return {name: status_of(name, self.state, self.phase) for name in self.envelope.recipients}

    @property
    def counts(self) -> dict[str, int]:
        """How many recipients have each status."""
        return dict(summary(self.envelope.recipients, self.state, self.phase))

    @property
    def is_finished(self) -> bool:
        """True when nothing more happens by itself: unknown ones wait for somebody to decide."""
        return self.phase not in ("queued", "waiting", "leased", "content")

    @property
    def receipt(self) -> Receipt:
        """What is known now as a `Receipt`: who has not been reached yet is deferred."""
        outcomes: dict[str, Outcome] = {}
        for name, status in self.recipients.items():
            known = self.state.get(name)
            if known is None or known["status"] in ("expired", "discarded"):
                reason = known["reason"] if known is not None else status
                outcomes[name] = Outcome(_AS_OUTCOME.get(status, "deferred"), reason=reason)  # type: ignore[arg-type]
            else:
                outcomes[name] = Outcome.from_dict(known)
        return Receipt(self.message_id, self.envelope, outcomes, attempts=max(1, self.attempts))

    def refresh(self) -> None:
        """Read the state from the queue again; `TaskResultDoesNotExist` when the queue has forgotten it."""
        if self._reread is not None:
            fresh = self._reread(self.id)
            for name in Ticket.__slots__:
                setattr(self, name, getattr(fresh, name))

    async def arefresh(self) -> None:
        """Read the state from the queue again, without blocking the event loop."""
        await asyncio.to_thread(self.refresh)

    def to_dict(self) -> dict[str, Any]:
        """Return what is known as JSON values, times in ISO 8601."""
        return {
            "id": self.id,
            "message_id": self.message_id,
            "status": self.status,
            "phase": self.phase,
            "mailer": self.mailer,
            "queue_name": self.queue_name,
            "priority": self.priority,
            "attempts": self.attempts,
            "enqueued_at": iso(self.enqueued_at),
            "next_attempt_at": iso(self.next_attempt_at),
            "expires": iso(self.expires),
            "idempotency_key": self.idempotency_key,
            "return_path": self.envelope.return_path,
            "recipients": {
                name: {**self.state.get(name, {}), "status": status}
                for name, status in self.recipients.items()
            },
        }

    def __repr__(self) -> str:
        return f"<Ticket {self.id}: {self.message_id} {self.status}>"
