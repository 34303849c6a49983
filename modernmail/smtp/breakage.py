"""What becomes of the mails that were under way when their wire broke: `Breakage`.

The pipeline calls it with the fault; it judges what the server still said, and puts each mail back or gives it up.

Rules of the file: a mail of whose content nothing was written can begin anew; one whose end was on its way is unknown unless
the server answered; every mail that was under way is stranded in the backlog or has its receipt there.
"""

from __future__ import annotations

from ..errors import ContentRefused
from ..outcome import Outcome

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from ..reply import Reply
    from .backlog import Backlog
    from .deadline import Deadline
    from .replies import WireFault
    from .transaction import Transaction

    Settle: TypeAlias = Callable[[Transaction, list[Reply]], None]


class Breakage:
    """The ends of the transactions of a broken wire; `settle` judges replies to a content, as its protocol has them."""

    __slots__ = ("_backlog", "_deadline")

    def __init__(self, backlog: Backlog, deadline: Deadline) -> None:
        self._backlog = backlog
        self._deadline = deadline

    def in_opening(self, transaction: Transaction, fault: WireFault, told: list[Reply]) -> None:
        """It broke in the opening group, of which the server answered this much: nothing of the content was written."""
        delivery = transaction.delivery
        open_ = transaction.judge_partly(told)
        transaction.hear(told)
        delivery.conversation = transaction.transcript(fault.reason)
        if not open_ and not delivery.remaining:
            self._backlog.end(delivery)
        elif self._deadline.is_over(delivery):
            delivery.settle(open_, Outcome("deferred", reason=fault.reason, phase="connect"))
            self._backlog.give_up(delivery, fault.reason)
        else:
            self._backlog.strand(delivery, open_)

    def interrupted(self, transaction: Transaction) -> None:
        """Cancelled or worse: what is known is kept for who closes the stream."""
        before = "the outcome was known" if transaction.is_sent else "it was sent"
        transaction.lost(f"interrupted before {before}")
        self._backlog.give_up(transaction.delivery, "interrupted before it was sent")

    def before_content(self, current: Transaction, following: Transaction | None) -> None:
        """It broke before anything of the content was written: both can begin anew elsewhere."""
        self._strand(following)
        if current.accepted:
            self._backlog.strand(current.delivery, current.accepted)

    def in_content(
        self,
        current: Transaction,
        following: Transaction | None,
        fault: WireFault,
        replies: list[Reply],
        settle: Settle,
    ) -> None:
        """It broke while the content was written or its reply awaited; these replies had come."""
        self._strand(following)  # first: what is left of this mail comes before it
        if current.is_sent and replies:
            settle(current, replies)
        elif replies and replies[0].code >= 400:
            settle(current, replies[:1])  # the server did not wait for the end
        elif current.accepted:
            current.lost(_reason(fault, current, replies))
            current.hear_end(replies)
            current.delivery.conversation = current.transcript(fault.reason)
            self._backlog.give_up(current.delivery, fault.reason)

    def unreadable(
        self, current: Transaction, following: Transaction | None, fault: WireFault, error: Exception
    ) -> None:
        """The content could not be read to its end: no dot was written, and the wire is closed."""
        refusal = ContentRefused(f"the content could not be read: {error}")
        refusal.__cause__ = error
        current.delivery.error = refusal
        current.lost(f"the content could not be read: {error}")
        self._backlog.give_up(current.delivery, fault.reason)
        self._strand(following)

    def cut(
        self,
        current: Transaction,
        following: Transaction | None,
        fault: WireFault,
        replies: list[Reply],
        settle: Settle,
    ) -> None:
        """Cancelled or worse while the content was on its way: nothing is begun anew."""
        if current.is_sent and replies:
            settle(current, replies)
        elif current.accepted:
            current.lost(fault.reason)
            self._backlog.give_up(current.delivery, fault.reason)
        if following is not None:
            following.lost("interrupted before it was sent")
            self._backlog.give_up(following.delivery, fault.reason)

    def _strand(self, following: Transaction | None) -> None:
        """Put back the mail that was to open together with a content."""
        if following is not None:
            self._backlog.strand(following.delivery, following.addresses)


def _reason(fault: WireFault, current: Transaction, replies: list[Reply]) -> str:
    if current.is_sent:
        return f"{fault.reason} after the content was sent, before the reply to it"
    if replies:
        return f"the server answered {replies[0]} before the content was complete"
    return f"{fault.reason} before the content was complete"
