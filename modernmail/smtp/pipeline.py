"""Many parcels over one wire, the commands of each written together with the content of the one before (RFC 2920).

A backend makes a `Pipeline` for a wire and a source of parcels; it gives receipts in the order of the parcels.

Rules of the file: every reply is paired with its command; a parcel that was pulled has exactly one receipt, or is stranded
when nothing of its content was written; after a fault the wire is not used again. One parcel is looked ahead, and only
when pulling it does not hold back the one before.
"""

from __future__ import annotations

from .backlog import Backlog
from .breakage import Breakage, Lost
from .deadline import Deadline
from .group import speak
from .outgoing import WHOLE, Outgoing, Unreadable
from .patience import Patience
from .refusal import is_unheard
from .replies import WireFault
from .transaction import DATA

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ..receipt import Receipt
    from ..reply import Reply
    from ..runtime import IO
    from .delivery import Delivery
    from .settings import Settings
    from .transaction import Transaction
    from .wire import Source, Wire


UNREADABLE = "closed by us: the content could not be read"
_DOT = b".\r\n"


class Pipeline:
    """The stream of receipts for the parcels of one burst over one wire.

    `fault` says how the wire failed, when it did; `opened` counts the transactions whose opening was answered. `has_lost`
    says that the server, though it offers PIPELINING, did not hear commands that were written together: `"group"`, or
    `"ahead"` for those behind a content, which some refuse or drop lest they had been smuggled into it.
    """

    __slots__ = (
        "_backlog",
        "_breakage",
        "_current",
        "_deadline",
        "_done",
        "_final",
        "_io",
        "_looks_ahead",
        "_ordinary",
        "_settings",
        "_wire",
        "fault",
        "has_lost",
        "opened",
    )
    answers_each = False  # whether the end of a content has a reply for each recipient that was taken

    def __init__(
        self,
        wire: Wire,
        parcels: Source,
        io: IO,
        settings: Settings,
        again: tuple[Delivery, ...] = (),
        *,
        looks_ahead: bool = True,
    ) -> None:
        self._wire = wire
        self._looks_ahead = looks_ahead and wire.extensions.pipelining
        self._io = io
        self._settings = settings
        self._backlog = Backlog(wire, parcels, io, settings, again)
        self._done = self._backlog.done
        self._current: Transaction | None = None  # the server waits for its content, or may do so
        self._deadline = Deadline(settings.deadline, io)
        self._breakage = Breakage(self._backlog, self._deadline)
        self._ordinary = Patience(settings.timeout)
        self._final = Patience(settings.final_timeout, settings.timeout)
        self.fault: WireFault | None = None
        self.has_lost: Literal["group", "ahead", "closed"] | None = None
        self.opened = 0

    async def next(self) -> Receipt | None:
        """Return the next receipt; None when the burst has ended or the wire has failed."""
        while not self._done:
            if self.fault is not None:
                return None
            if self._current is None:
                transaction = await self._backlog.begin(DATA)
                if transaction is not None:
                    await self._open(transaction)
                elif not self._done:
                    return None
            else:
                await self._content(self._current)
        return self._done.popleft()

    async def close(self) -> list[Receipt]:
        """Stop here: return the receipts not given yet. What the server was about to be sent is deferred."""
        reason = "not sent: the sending was closed before"
        current, self._current = self._current, None
        if current is not None:
            await self._wire.close(polite=False)  # inside DATA there is no other way out
            if current.accepted or not current.is_going:
                current.lost(reason)
                self._backlog.give_up(current.delivery, reason)
        return self._backlog.close(reason)

    @property
    def is_spent(self) -> bool:
        """Whether the wire has carried as many transactions as it may."""
        return self._backlog.is_spent

    def stop(self) -> None:
        """Finish what is begun, and begin nothing more on this wire."""
        self._backlog.stop()

    def hand_on(self) -> list[Delivery]:
        """Return what was to be begun next on a wire that is spent."""
        return self._backlog.hand_on()

    def rescue(self, *, is_old: bool) -> list[Delivery]:
        """Return what was stranded and may begin anew on another wire; `is_old` when this one had served before."""
        replies = self._wire.replies
        last = replies[-1] if replies and replies[-1].code == 421 else None
        reason = "not sent" if self.fault is None else self.fault.reason
        return self._backlog.rescue(is_old=is_old, reason=reason, reply=last)

    def _breaks(self, fault: WireFault) -> None:
        """The wire is not used again."""
        self.fault = fault
        self._current = None

    def _lost(self, current: Transaction, following: Transaction | None, fault: WireFault) -> Lost:
        """The wire broke around a content and is not used again: return what was under way."""
        self._breaks(fault)
        return Lost(current, following, fault, self._wire.replies)

    # -- the group that opens a transaction --------------------------------------------------------------------

    async def _open(self, transaction: Transaction) -> None:
        if self._deadline.is_over(transaction.delivery):
            self._backlog.give_up(transaction.delivery, self._deadline.lapse(transaction))
            return
        wire = self._wire
        wire.is_fresh = False
        self._current = transaction
        patience = self._deadline.bounded(self._ordinary, (transaction.count, transaction.delivery))
        told: list[Reply] = []
        try:
            await speak(wire, transaction, patience, told)
        except WireFault as fault:
            # A reply that fits nowhere: the server may be waiting for a content, so not even QUIT is safe.
            await wire.close(polite=False)
            self._breaks(fault)
            if told and is_unheard(told[0]) and fault.kind == "timeout":
                self.has_lost = "group"  # what answers MAIL was said to RCPT, and pairs with nothing
                told = []
            self._breakage.in_opening(transaction, fault, told)
        except BaseException:
            await wire.close(polite=False)
            self._breaks(WireFault("closed", "interrupted"))
            self._breakage.interrupted(transaction)
            raise
        else:
            await self._opened(transaction)

    async def _opened(self, transaction: Transaction) -> None:
        self.opened += 1
        if transaction.is_torn:
            # A lone dot would send an empty mail to those it took; the outcome is MAIL's.
            await self._wire.close(polite=False)
            self._breaks(
                WireFault("closed", "closed by us: the server took recipients of a mail it had refused")
            )
            self._backlog.finish(transaction)
        elif transaction.is_going:
            self._current = transaction
            if not transaction.accepted:
                # Nobody was accepted and still the server waits: a lone dot comes first, the outcome is known now.
                transaction.needs_reset = False
                self._backlog.finish(transaction)
            elif transaction.delivery.agreed is None:
                transaction.delivery.agreed = self._io.now()
        else:
            self._current = None
            self._backlog.finish(transaction)

    # -- the content, and the group after it -------------------------------------------------------------------

    async def _content(self, current: Transaction) -> None:
        wire, backlog = self._wire, self._backlog
        following: Transaction | None = None
        # The next transaction opens together with this content; never one that would need RSET first.
        if self._looks_ahead and (not current.accepted if current.delivery.remaining else backlog.is_prompt):
            following = await backlog.begin(DATA, is_ahead=True)
        try:
            wire.check()
        except WireFault as fault:
            self._breakage.before_content(self._lost(current, following, fault))
            return
        own = len(current.accepted) if self.answers_each else 1
        try:
            replies = await self._write(current, following, own)
        except WireFault as fault:
            if following is not None and len(wire.replies) >= own:
                behind = wire.replies[own:]
                # The content was answered, and nothing behind it. A close may have come by chance, but for the first time.
                if fault.kind == "timeout" and not behind:
                    self.has_lost = "ahead"
                elif fault.kind == "closed" and self.opened == 1 and (not behind or behind[0].code == 421):
                    self.has_lost = "closed"
            self._breakage.in_content(self._lost(current, following, fault), self._settle_content)
            return
        except Unreadable as error:
            self._breakage.unreadable(
                self._lost(current, following, WireFault("closed", UNREADABLE)), error.cause
            )
            return
        except BaseException as error:
            await wire.close(polite=False)
            broken = WireFault("closed", f"{type(error).__name__} before the reply to the content")
            self._breakage.cut(self._lost(current, following, broken), self._settle_content)
            raise
        self._current = following
        self._settle_content(current, replies)
        if following is not None:
            try:
                if replies[-1].code != 354 and is_unheard(replies[own]):
                    self.has_lost = "ahead"
                    raise WireFault("protocol", f"{replies[own]} answers MAIL, which came behind a content")
                following.judge(replies, own)
            except WireFault as fault:
                await wire.close(polite=False)
                self._breaks(fault)
                self._breakage.in_opening(following, fault, [])
            else:
                await self._opened(following)

    async def _write(self, current: Transaction, following: Transaction | None, own: int) -> list[Reply]:
        """Write the content with its final dot and the next group; return the replies to both."""
        wire, delivery, patience = self._wire, current.delivery, self._final
        last, count = _DOT, own
        if following is not None:
            last += following.group
            count += following.count
        if own != 1 or self._deadline.total is not None or not current.accepted:
            if current.accepted and self._deadline.is_over(delivery):
                raise await self._too_late()
            patience = self._patience(current, following, own)
            if not current.accepted:
                return await wire.exchange(last, count, patience)
        content, commit_point = delivery.parcel.content, self._io.commit_point
        if content.size > WHOLE or content.is_streamed:
            chunks = content.stuffed_chunks()
            if commit_point is None:
                return await wire.exchange(Outgoing(current, chunks, last=last), count, patience)
            await wire.exchange(Outgoing(current, chunks, last=None), 0, patience)
            await self._committed(delivery)
        else:
            if commit_point is not None:
                # The write that holds the final dot is the only one, so the commit point stands right before it.
                await self._committed(delivery)
            pieces = content.pieces
            whole: bytes = pieces[0].stuffed if len(pieces) == 1 else b"".join(content.stuffed_chunks())  # type: ignore[union-attr]
            last = whole + last
        current.is_sent = True
        return await wire.exchange(last, count, patience, self._io.meanwhile)

    def _patience(self, current: Transaction, following: Transaction | None, own: int) -> Patience:
        """Return how long the replies to this content, or to a lone dot, and those to the next group may take."""
        patience = self._final if current.accepted else self._ordinary
        if current.accepted and own > 1:
            patience = Patience(*[self._settings.final_timeout] * own, self._settings.timeout)
        marks = [(own, current.delivery)]
        if following is not None:
            marks.append((own + following.count, following.delivery))
        return self._deadline.bounded(patience, *marks)

    async def _committed(self, delivery: Delivery) -> None:
        """Reach the commit point; the wire is closed when it does not let the mail pass.

        It may take a while, so what the server did meanwhile is looked at again: nothing has ended the content yet.
        """
        assert self._io.commit_point is not None
        try:
            await self._io.commit_point(delivery.parcel)
        except BaseException:
            await self._wire.close(polite=False)
            raise
        self._wire.check()
        if self._deadline.is_over(delivery):
            raise await self._too_late()

    async def _too_late(self) -> WireFault:
        """Return the fault of a mail whose time is over, the wire closed: inside DATA there is no other way out."""
        await self._wire.close(polite=False)
        return WireFault("timeout", self._deadline.reason)

    def _settle_content(self, current: Transaction, replies: list[Reply]) -> None:
        """Judge the reply to the content, the first of these."""
        if not current.accepted:
            return  # the reply to a lone dot tells nothing
        delivery, reply = current.delivery, replies[0]
        if reply.code == 250 and not delivery.outcomes and not delivery.remaining:
            self._done.append(delivery.accepted_at_once(reply, self._io.now()))
            return
        current.judge_content(reply)
        self._backlog.finish(current)
