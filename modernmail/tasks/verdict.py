"""What follows from an attempt: `verdict`, the pure decision that every outbox makes with each receipt."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .recipients import merged, pending, phase_of, resent, settled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modernmail.outcome import Outcome
    from modernmail.receipt import Receipt

    from .recipients import State
    from .schedule import Schedule

_WORST_FIRST = ("unknown", "deferred", "rejected", "accepted")


class Verdict(NamedTuple):
    """The mail's new phase and state, and when it is to be tried again (seconds since 1970)."""

    phase: str
    state: State
    run_after: float | None = None


def verdict(
    recipients: Sequence[str],
    state: State,
    receipt: Receipt,
    schedule: Schedule,
    *,
    now: float,
    attempts: int,
    since: float,
    expires: float | None,
    resend_unknown: bool = False,
) -> Verdict:
    """Return what becomes of a mail after an attempt with this receipt.

    `attempts` counts this one; `since` is when the mail's patience began; who is unknown stays so unless
    `resend_unknown` says that he is tried again.
    """
    if not receipt.recipients:
        reason = str(receipt.error) if receipt.error is not None else "no mail could be made of it"
        after = settled(recipients, state, "rejected", reason, now)
        return Verdict(phase_of(recipients, after), after)
    after = merged(state, receipt, now)
    missing = [name for name in pending(recipients, state) if name not in receipt.recipients]
    if missing:
        # A layer sent the mail elsewhere: what became of it there goes for whom it was meant.
        worst = _worst(receipt).to_dict()
        after |= {name: {**worst, "at": now} for name in missing}
    if resend_unknown:
        after = resent(recipients, after)
    phase = phase_of(recipients, after)
    if phase != "waiting":
        return Verdict(phase, after)
    run_after = now + schedule.delay_after(attempts)
    if run_after < min(since + schedule.patience, float("inf") if expires is None else expires):
        return Verdict(phase, after, run_after)
    last = next((outcome for outcome in receipt.recipients.values() if outcome.status == "deferred"), None)
    reason = f"given up after {attempts} attempts" + (f"; the last answer: {last}" if last else "")
    after = settled(recipients, after, "expired", reason, now)
    return Verdict(phase_of(recipients, after), after)


def _worst(receipt: Receipt) -> Outcome:
    return min(receipt.recipients.values(), key=lambda outcome: _WORST_FIRST.index(outcome.status))
