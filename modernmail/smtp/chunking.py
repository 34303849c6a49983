"""Many parcels over one wire by BDAT: whole mails, commands and content, several in one write (RFC 3030).

A backend makes a `ChunkedPipeline` instead of a `Pipeline` when the URL says `chunking=on` and the server offers it.

Rules of the file: at most `window` mails, and 64 KiB unless one mail is larger, are in flight; all of them are `unknown`
when the wire dies after the write that ends them has begun. A mail after the first in a write begins with RSET, because
a BDAT that failed leaves the session undefined (RFC 3030 2). A wire that was idle carries no BDAT in its first group: it
may be dead, and that must not leave an outcome unknown.
"""

from __future__ import annotations

from .group import check_reset
from .outgoing import WHOLE, Outgoing, Unreadable
from .patience import Patience
from .pipeline import UNREADABLE, Pipeline
from .replies import WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..receipt import Receipt
    from ..reply import Reply
    from .transaction import Transaction

_IDLE = 2.0  # seconds after which a wire that was used before counts as idle


class ChunkedPipeline(Pipeline):
    """The stream of receipts for the parcels of one burst over one wire, by BDAT."""

    __slots__ = ()

    async def next(self) -> Receipt | None:
        """Return the next receipt; None when the burst has ended or the wire has failed."""
        while not self._done:
            if self.fault is not None:
                return None
            batch = await self._batch()
            if batch:
                await self._exchange(batch)
            elif not self._done:
                return None
        return self._done.popleft()

    async def _batch(self) -> list[Transaction]:
        """Return the mails that go together: one, and more while they are there at once and fit."""
        batch: list[Transaction] = []
        size = 0
        while not batch or self._backlog.is_prompt:
            try:
                transaction = await self._backlog.begin(None, is_ahead=bool(batch))
            except BaseException:
                self._put_back(batch)  # the producer failed; what it gave before has a receipt all the same
                raise
            if transaction is None:
                break
            content = transaction.delivery.parcel.content
            size += content.size
            if batch and (size > WHOLE or content.is_streamed):
                # It goes with the next ones.
                self._backlog.strand(transaction.delivery, transaction.addresses)
                break
            batch.append(transaction)
            if content.is_streamed or size >= WHOLE or len(batch) >= self._settings.window:
                break
            if transaction.delivery.remaining:
                break
        return batch

    async def _exchange(self, batch: list[Transaction]) -> None:
        first = batch[0]
        if self._deadline.is_over(first.delivery):
            self._give_up_late(batch)
            return
        wire, io = self._wire, self._io
        is_idle = not wire.is_fresh and io.now() - wire.last_used > _IDLE
        wire.is_fresh = False
        commit_point = io.commit_point
        try:
            wire.check()
            if is_idle or wire.needs_reset:
                wire.needs_reset = False
                patience = self._deadline.bounded(self._ordinary, (1, first.delivery))
                check_reset((await wire.exchange(b"RSET\r\n", 1, patience))[0])
            if commit_point is not None:
                for transaction in batch:
                    await commit_point(transaction.delivery.parcel)
                wire.check()  # it may have taken a while, and nothing is written yet
        except WireFault as fault:
            await wire.close(polite=False)
            self.fault = fault
            self._put_back(batch)
            return
        except BaseException:
            await wire.close(polite=False)
            self._breaks(WireFault("closed", "interrupted"))
            for transaction in batch:
                self._breakage.interrupted(transaction)
            raise
        if commit_point is not None and self._deadline.is_over(first.delivery):
            self._give_up_late(batch)
            return
        count, patience = self._expected(batch)
        try:
            replies = await wire.exchange(_octets(batch), count, patience)
        except WireFault as fault:
            self._failed(batch, fault)
        except Unreadable as error:
            self._breakage.unreadable(self._lost(first, None, WireFault("closed", UNREADABLE)), error.cause)
        except BaseException as error:
            await wire.close(polite=False)
            self._failed(batch, WireFault("closed", f"{type(error).__name__} before the replies"))
            raise
        else:
            wire.last_used = io.now()
            try:
                self._judge(batch, replies)
            except WireFault as fault:
                await wire.close(polite=False)
                self.fault = fault
            except BaseException:
                await wire.close(polite=False)
                raise

    def _expected(self, batch: list[Transaction]) -> tuple[int, Patience]:
        """Return how many replies these mails have, and how long each may take."""
        each: list[float] = []
        marks = []
        for transaction in batch:
            # RSET before each but the first, MAIL and RCPT, then the reply to the content
            each += [self._settings.timeout] * (transaction.count - (0 if each else 1))
            each.append(self._settings.final_timeout)
            marks.append((len(each), transaction.delivery))
        return len(each), self._deadline.bounded(Patience(*each), *marks)

    def _put_back(self, batch: list[Transaction]) -> None:
        for transaction in reversed(batch):
            self._backlog.strand(transaction.delivery, transaction.addresses)

    def _give_up_late(self, batch: list[Transaction]) -> None:
        """The deadline of the first has passed before anything was written; the others have theirs still."""
        first = batch[0]
        self._put_back(batch[1:])
        self._backlog.give_up(first.delivery, self._deadline.lapse(first))

    def _judge(self, batch: list[Transaction], replies: list[Reply]) -> None:
        """Judge the replies to whole mails; after one that fits no command none of the others says anything."""
        at = 0
        for place, transaction in enumerate(batch):
            if place:
                at += 1  # RSET, which says nothing about a mail
            last = at + transaction.count - 1
            self.opened += 1
            try:
                self._judge_one(transaction, replies[at : last + 1])
            except WireFault as fault:
                for doubtful in batch[place:]:
                    self._doubt(doubtful, fault)
                raise
            at = last + 1

    def _doubt(self, transaction: Transaction, fault: WireFault) -> None:
        """The replies are worth nothing: whoever has no outcome yet may have been accepted."""
        delivery = transaction.delivery
        transaction.accepted = tuple(
            address for address in transaction.addresses if address.addr_spec not in delivery.outcomes
        )
        transaction.lost(f"{fault.reason} after the content was sent")
        delivery.conversation = transaction.transcript(fault.reason)
        self._backlog.give_up(delivery, fault.reason)

    def _judge_one(self, transaction: Transaction, replies: list[Reply]) -> None:
        transaction.hear(replies)
        transaction.is_rough = any(reply.code != 250 for reply in replies)
        mail, *taken, reply = replies
        if not mail.is_positive and reply.is_positive and any(one.is_positive for one in taken):
            raise WireFault("protocol", f"{reply} answers a content, and {mail} refused its mail")
        if transaction.judge_mail(mail):
            transaction.judge_recipients(taken)
        delivery = transaction.delivery
        if transaction.accepted:
            if delivery.agreed is None:
                delivery.agreed = delivery.wired  # one write for all: its whole time is the content's
            if reply.code == 250 and not delivery.outcomes and not delivery.remaining:
                self._wire.needs_reset = False
                self._done.append(delivery.accepted_at_once(reply, self._io.now()))
                return
            transaction.judge_content(reply)
        # RFC 3030 2: after a BDAT that failed only RSET makes the session sure again
        transaction.needs_reset = not reply.is_positive
        self._backlog.finish(transaction)

    def _failed(self, batch: list[Transaction], fault: WireFault) -> None:
        """The wire failed in the middle: judge what was answered, the rest is unknown or was not sent."""
        self.fault = fault
        replies = [] if fault.kind == "protocol" else self._wire.replies
        at = 0
        for place, transaction in enumerate(batch):
            at += 1 if place else 0
            told = replies[at : at + transaction.count]
            at += transaction.count
            if len(told) == transaction.count:
                try:
                    self._judge_one(transaction, told)
                except WireFault as unfit:
                    self._doubt(transaction, unfit)
                continue
            open_ = transaction.judge_partly(told)
            if not transaction.is_sent and not told and not self._deadline.is_over(transaction.delivery):
                self._backlog.strand(transaction.delivery, open_)
                continue
            transaction.addresses = transaction.accepted = open_
            transaction.lost(f"{fault.reason} before the reply to the content")
            transaction.hear(told)
            transaction.delivery.conversation = transaction.transcript(fault.reason)
            self._backlog.give_up(transaction.delivery, fault.reason)


def _octets(batch: list[Transaction]) -> bytes | Outgoing:
    """Return what is written for these mails: in one piece, or in blocks for one that is large."""
    first = batch[0]
    content = first.delivery.parcel.content
    if len(batch) == 1 and (content.size > WHOLE or content.is_streamed):
        return Outgoing(first, content.chunks(), first=first.group, last=b"", early=first.count - 1)
    data: list[bytes] = []
    for transaction in batch:
        if data:
            data.append(b"RSET\r\n")
        data.append(transaction.group)
        data.extend(transaction.delivery.parcel.content.chunks())
    for transaction in batch:
        transaction.is_sent = True
    return b"".join(data)
