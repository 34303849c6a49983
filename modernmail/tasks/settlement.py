"""What becomes of the mails that a hand has claimed: `Settlement` settles each by its receipt, or for a reason of ours.

It decides and tells; its `Ledger` stores.

Rules of the file: what is settled, or in other hands, is left so; who was accepted or refused stays so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from modernmail.outcome import Outcome
from modernmail.receipt import Receipt

from .mailjob import described, state_of
from .recipients import merged, phase_of, settled
from .verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .ledger import Ledger
    from .recipients import State
    from .schedule import Schedule
    from .sqlite.job import Job

    Told = Callable[[str, Job, dict[str, Any]], None]


class Settlement:
    """The settling of some claimed mails of one mailer.

    `told` is called with the phase that each mail came to. `resends_unknown` says what the mailer wants of those. `was_answered`
    says whether it has shown that it can log in.
    """

    def __init__(self, ledger: Ledger, schedule: Schedule, told: Told) -> None:
        self.resends_unknown = False
        self.was_answered = False  # a server has said something: the mailer can connect and log in
        self._ledger = ledger
        self._schedule = schedule
        self._told = told

    def heard(self, job: Job, recipients: Sequence[str], receipt: Receipt) -> None:
        """Settle a mail by the receipt of an attempt, or put it off."""
        outcomes = receipt.recipients
        if not self.was_answered:
            self.was_answered = any(
                one.reply is not None or one.status == "accepted" for one in outcomes.values()
            )
        if self._ledger.is_settled(job):
            return
        if job.outcome is None and receipt.is_complete and tuple(outcomes) == recipients:
            # Nearly every mail: everybody accepted at the first attempt.
            self._enter(job, "accepted", merged({}, receipt, time.time()))
            return
        found = verdict(
            recipients,
            state_of(job, recipients),
            receipt,
            self._schedule,
            now=time.time(),
            attempts=job.attempts,
            since=_since(job),
            expires=job.expires,
            resend_unknown=self.resends_unknown,
        )
        self._enter(job, found.phase, found.state, found.run_after)

    def end(self, job: Job, status: str, reason: str) -> None:
        """End everybody who is pending, for a reason of ours."""
        recipients = list(described(job)[1].recipients)
        self.know(
            job, recipients, settled(recipients, state_of(job, recipients), status, reason, time.time())
        )

    def spare(self, job: Job, times: int) -> None:
        """Put a mail off that workers died with, for the so manieth time, or end it when its patience is over.

        Not for good: it may be that they died of something else, and then of each mail that came first.
        """
        message_id, envelope = described(job)
        recipients = list(envelope.recipients)
        reason = f"{job.lost} workers died with it, one after the other"
        outcome = Outcome("deferred", reason=reason)
        found = verdict(
            recipients,
            state_of(job, recipients),
            Receipt(message_id, envelope, outcome),
            self._schedule,
            now=time.time(),
            attempts=times,
            since=_since(job),
            expires=job.expires,
        )
        self._enter(job, found.phase, found.state, found.run_after, is_heard=False, is_spared=True)

    def know(self, job: Job, recipients: Sequence[str], state: State) -> None:
        """Settle a mail by what is known of its recipients, of whom none is pending."""
        self._enter(job, phase_of(recipients, state), state, is_heard=False)

    def _enter(
        self,
        job: Job,
        phase: str,
        state: State,
        run_after: float | None = None,
        *,
        is_heard: bool = True,
        is_spared: bool = False,
    ) -> None:
        self._ledger.enter(job, phase, state, run_after, is_heard=is_heard, is_spared=is_spared)
        self._told(phase, job, state)


def _since(job: Job) -> float:
    """Return when the mail's patience began: when it was enqueued, or resent."""
    since = job.known.get("since")
    return float(since) if isinstance(since, (int, float)) else job.enqueued_at
