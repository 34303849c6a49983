"""LMTP: as SMTP, but the final dot is answered once for each recipient that was taken (RFC 2033).

A backend makes an `LMTPPipeline` instead of a `Pipeline` for `lmtp://`.

Rules of the file: the replies after the dot are paired with the recipients in the order of their RCPT; whoever's reply did
not come is unknown.
"""

from __future__ import annotations

from ..outcome import Outcome
from .pipeline import Pipeline
from .refusal import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reply import Reply
    from .transaction import Transaction


class LMTPPipeline(Pipeline):
    """The stream of receipts for the parcels of one burst over one LMTP session."""

    __slots__ = ()
    answers_each = True

    async def _opened(self, transaction: Transaction) -> None:
        # RFC 2033 4.2: DATA must fail when nobody was taken; a server that waits all the same cannot be answered.
        transaction.is_torn = transaction.is_torn or (transaction.is_going and not transaction.accepted)
        await super()._opened(transaction)

    def _settle_content(self, current: Transaction, replies: list[Reply]) -> None:
        if not current.is_sent:
            current.judge_content(replies[0])  # it did not wait for the end: that goes for everybody
            self._backlog.finish(current)
            return
        answered = replies[: len(current.accepted)]
        if all(reply.code == 250 for reply in answered) and len(answered) == len(current.accepted) == 1:
            super()._settle_content(current, answered)
            return
        for address, reply in zip(current.accepted, answered, strict=False):
            if reply.is_positive:
                outcome = Outcome("accepted", reply=reply, phase="done")
            elif reply.code < 400:
                outcome = Outcome("unknown", reply=reply, phase="content")
            else:
                outcome = refused(reply, "content")
            current.settle((address,), outcome)
        if not all(reply.is_positive for reply in answered):
            current.hear_end(answered)
        left = current.accepted[len(answered) :]
        why = "the connection ended before the reply for this recipient"
        current.settle(left, Outcome("unknown", reason=why, phase="content"))
        current.needs_reset = False
        self._backlog.finish(current)
