"""Mail on a foreign engine: one mail a job, sent as the SQLite outbox would, its state kept in the engine's
record.

The commit point writes phase `content` into the record. An engine that delivers the mail again after that
finds it there, and the mail is unknown instead of sent twice; an engine without records cannot tell, and may
send it twice.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from modernmail.envelope import Envelope
from modernmail.errors import (
    AuthenticationFailed,
    ConfigurationError,
    InvalidValue,
    PayloadRejected,
    QueueError,
    SecurityFailed,
)
from modernmail.flow.feed import Feed
from modernmail.flow.flow import flow_of
from modernmail.insight.log import log_receipt, logs_all
from modernmail.parcel import Parcel
from modernmail.registry import mailers
from modernmail.runtime import BlockingIO, run_blocking

from .backend import new_id
from .moment import moment_at
from .recipients import pending, phase_of, resent, settled
from .signals import mail_finished
from .slip import Slip
from .ticket import Ticket
from .verdict import Verdict, verdict

if TYPE_CHECKING:
    from modernmail.receipt import Receipt

    from .engine import EngineBackend
    from .mailoptions import MailOptions

logger = logging.getLogger("modernmail.tasks")

# Seconds that a mail waits for a mailer, or a store of records, that is at fault.
PAUSE, _LONGEST_PAUSE = 60.0, 3600.0


class Taken(QueueError):
    """Another worker has the mail: nothing is sent here."""


def mail_slip(parcel: Parcel, options: MailOptions) -> Slip:
    """Return the slip of a mail."""
    return Slip(
        new_id(),
        "mail",
        options.using,
        {"parcel": parcel.to_dict(), "expires": options.expires_at, "key": options.idempotency_key},
        options.queue_name,
        options.priority,
        time.time(),
        options.starts_at,
        {"phase": "queued" if options.starts_at is None else "waiting", "state": {}, "attempts": 0},
    )


def ticket_of(slip: Slip, backend: EngineBackend) -> Ticket:
    """Return the ticket of a mail's slip."""
    parcel, progress = slip.payload["parcel"], slip.progress
    waits = progress["phase"] == "waiting" and slip.not_before is not None
    return Ticket(
        slip.id,
        message_id=parcel["message_id"],
        envelope=Envelope.from_dict(parcel["envelope"]),
        mailer=slip.name,
        phase=progress["phase"],
        state=progress["state"],
        attempts=progress["attempts"],
        queue_name=slip.queue,
        priority=slip.priority,
        enqueued_at=moment_at(slip.enqueued_at),
        next_attempt_at=moment_at(slip.not_before) if waits else None,
        expires=moment_at(slip.payload["expires"]),
        idempotency_key=slip.payload["key"],
        reread=backend.get_ticket,
    )


def pause_after(faults: int) -> float:
    """Return how many seconds to wait after so many faults in a row."""
    return min(PAUSE * 2.0 ** min(faults - 1, 10), _LONGEST_PAUSE)


def give_back(slip: Slip) -> None:
    """Take back an attempt in which nothing was sent."""
    if slip.kind == "mail" and slip.progress["phase"] == "leased":
        slip.progress["phase"] = "waiting"
        slip.progress["attempts"] -= 1


def perform_mail(backend: EngineBackend, slip: Slip, record: str | None) -> float | None:
    """Send a mail once; leave its state in the slip, and return the seconds until the next attempt, or None.

    `record` is the text of its record, as it was found. Raises `Taken` when it is another by now.
    """
    now = time.time()
    progress = slip.progress
    recipients: list[str] = slip.payload["parcel"]["envelope"]["recipients"]
    if progress["phase"] == "content":
        logger.warning("mail %s was being sent when its worker died: its outcome is unknown", slip.id)
        state = settled(
            recipients, progress["state"], "unknown", "its worker died after the content was sent", now
        )
        if _resends(slip.name):
            state = resent(recipients, state)
        if not pending(recipients, state):
            return _ended(backend, slip, Verdict(phase_of(recipients, state), state))
        progress["state"] = state
    expires: float | None = slip.payload["expires"]
    if expires is not None and expires <= now:
        state = settled(
            recipients, progress["state"], "expired", "its time was over before it could be sent", now
        )
        return _ended(backend, slip, Verdict(phase_of(recipients, state), state))
    progress["attempts"] += 1
    progress["phase"] = "leased"
    if not backend.advance(slip, record):
        give_back(slip)
        raise Taken(f"mail {slip.id} is in another worker's hands")
    try:
        parcel = Parcel.from_dict(slip.payload["parcel"]).narrowed(pending(recipients, progress["state"]))
        receipt = _sent(backend, slip, parcel)
    except (AuthenticationFailed, SecurityFailed, ConfigurationError) as error:
        give_back(slip)
        progress["pauses"] = progress.get("pauses", 0) + 1
        wait: float = pause_after(progress["pauses"])
        reason = f"{type(error).__name__}: {error}"
        logger.error("mailer %r cannot send, its mail waits for %.0f s: %s", slip.name, wait, reason)
        return wait
    except (PayloadRejected, InvalidValue) as error:
        logger.error("mail %s cannot be sent: %s", slip.id, error)
        state = settled(recipients, progress["state"], "rejected", f"{type(error).__name__}: {error}", now)
        return _ended(backend, slip, Verdict(phase_of(recipients, state), state))
    found = verdict(
        recipients,
        progress["state"],
        receipt,
        backend.schedule,
        now=time.time(),
        attempts=progress["attempts"],
        since=slip.enqueued_at,
        expires=expires,
        resend_unknown=_resends(slip.name),
    )
    return _ended(backend, slip, found)


def _sent(backend: EngineBackend, slip: Slip, parcel: Parcel) -> Receipt:
    held = slip.to_text()

    async def commit(_: Parcel) -> None:
        if slip.progress["phase"] == "content":
            return
        slip.progress["phase"] = "content"
        is_ours = False
        try:
            is_ours = backend.advance(slip, held)
        finally:
            if not is_ours:
                slip.progress["phase"] = "leased"
        if not is_ours:
            raise Taken(f"mail {slip.id} went to another worker before it was sent; nothing was sent")

    mailer = mailers[slip.name]
    flow = flow_of(mailer, mailer._effective(), Feed((parcel,)), BlockingIO(commit), is_single=True)
    try:
        receipt = run_blocking(flow.receive())
        run_blocking(flow.receive())
    finally:
        left = run_blocking(flow.close())
    receipt = receipt or left[0]
    if logs_all() or not receipt.is_complete:
        log_receipt(receipt, flow.hosts)
    return receipt


def _ended(backend: EngineBackend, slip: Slip, found: Verdict) -> float | None:
    slip.progress["phase"], slip.progress["state"] = found.phase, found.state
    slip.progress["pauses"] = 0
    if found.run_after is not None:
        return max(0.0, found.run_after - time.time())
    if found.phase == "accepted":
        # The record lives on for a while, and needs to say what became of it, not what it was.
        slip.payload["parcel"]["content"] = ""
    mail_finished.send(type(backend), ticket_of(slip, backend))
    return None


def _resends(mailer: str) -> bool:
    return getattr(mailers[mailer], "on_unknown", "park") == "resend" if mailer in mailers else False
