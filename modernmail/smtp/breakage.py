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


class Lost:
    """What was under way when a wire broke around a content.

    `current` is the mail whose content it is, `following` the one that was to open with it; `replies` are what had come to
    both.
    """

    __slots__ = ("current", "fault", "following", "replies")

    def __init__(
        self, current: Transaction, following: Transaction | None, fault: WireFault, replies: list[Reply]
    ) -> None:
        self.current = current
        self.following = following
        self.fault = fault
        self.replies = replies


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

    def before_content(self, lost: Lost) -> None:
        """It broke before anything of the content was written: both can begin anew elsewhere."""
        self._strand(lost)
        if lost.current.accepted:
            self._backlog.strand(lost.current.delivery, lost.current.accepted)

    def in_content(self, lost: Lost, settle: Settle) -> None:
        """It broke while the content was written or its reply awaited."""
        current, replies = lost.current, lost.replies
        self._strand(lost)  # first: what is left of this mail comes before it
        if current.is_sent and replies:
            settle(current, replies)
        elif replies and replies[0].code >= 400:
            settle(current, replies[:1])  # the server did not wait for the end
        elif current.accepted:
            current.lost(_reason(lost))
            current.hear_end(replies)
            current.delivery.conversation = current.transcript(lost.fault.reason)
            self._backlog.give_up(current.delivery, lost.fault.reason)

    def unreadable(self, lost: Lost, error: Exception) -> None:
        """The content could not be read to its end: no dot was written, and the wire is closed."""
        delivery = lost.current.delivery
        refusal = ContentRefused(f"the content could not be read: {error}")
        refusal.__cause__ = error
        delivery.error = refusal
        lost.current.lost(f"the content could not be read: {error}")
        self._backlog.give_up(delivery, lost.fault.reason)
        self._strand(lost)

    def cut(self, lost: Lost, settle: Settle) -> None:
        """Cancelled or worse while the content was on its way: nothing is begun anew."""
        current, following, reason = lost.current, lost.following, lost.fault.reason
        if current.is_sent and lost.replies:
            settle(current, lost.replies)
        elif current.accepted:
            current.lost(reason)
            self._backlog.give_up(current.delivery, reason)
        if following is not None:
            following.lost("interrupted before it was sent")
            self._backlog.give_up(following.delivery, reason)

    def _strand(self, lost: Lost) -> None:
        """Put back the mail that was to open together with a content."""
        if lost.following is not None:
            self._backlog.strand(lost.following.delivery, lost.following.addresses)


def _reason(lost: Lost) -> str:
    reason = lost.fault.reason
    if lost.current.is_sent:
        return f"{reason} after the content was sent, before the reply to it"
    if lost.replies:
        return f"the server answered {lost.replies[0]} before the content was complete"
    return f"{reason} before the content was complete"
