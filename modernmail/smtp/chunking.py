"""Many parcels over one wire by BDAT: whole mails, commands and content, several in one write (RFC 3030).

A backend makes a `ChunkedPipeline` instead of a `Pipeline` when the URL says `chunking=on` and the server offers it.

Rules of the file: at most `window` mails, and 64 KiB unless one mail is larger, are in flight; all of them are `unknown`
when the wire dies after the write that ends them has begun. A mail after the first in a write begins with RSET, because
a BDAT that failed leaves the session undefined (RFC 3030 2). A wire that was idle carries no BDAT in its first group: it
may be dead, and that must not leave an outcome unknown.
"""

from __future__ import annotations

from ..receipt import Outcome
from .pipeline import Pipeline, Unreadable, check_reset, conversation, readable
from .replies import WireFault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..receipt import Receipt, Reply
    from .delivery import Delivery
    from .transaction import Transaction

_IN_FLIGHT = 65536  # octets
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

    def _ending(self, delivery: Delivery) -> str:
        return f"BDAT {delivery.parcel.content.size} LAST"

    async def _batch(self) -> list[Transaction]:
        """Return the mails that go together: one, and more while they are there at once and fit."""
        batch: list[Transaction] = []
        size = 0
        while not batch or self.stranded or self._parcels.is_prompt:
            transaction = await self._begin()
            if transaction is None:
                break
            content = transaction.delivery.parcel.content
            size += content.size
            if batch and size > _IN_FLIGHT:
                self._strand(transaction.delivery, transaction.addresses)  # it goes with the next ones
                break
            batch.append(transaction)
            if content.is_streamed or size >= _IN_FLIGHT or len(batch) >= self._settings.window:
                break
            if transaction.delivery.remaining:
                break
        return batch

    async def _exchange(self, batch: list[Transaction]) -> None:
        wire, io = self._wire, self._io
        is_idle = not wire.is_fresh and io.now() - wire.last_used > _IDLE
        wire.is_fresh = False
        first = batch[0]
        commit_point = io.commit_point
        try:
            wire.check()
            if is_idle or wire.needs_reset:
                wire.needs_reset = False
                check_reset((await wire.exchange(b"RSET\r\n", 1, self._settings.timeout))[0])
            if commit_point is not None:
                for transaction in batch:
                    await commit_point(transaction.delivery.parcel)
        except WireFault as fault:
            self.fault = fault
            for transaction in reversed(batch):
                self._strand(transaction.delivery, transaction.addresses)
            return
        except BaseException:
            await wire.close(polite=False)
            for transaction in batch:
                self._interrupted(transaction)
            raise
        count = sum(transaction.count for transaction in batch) + len(batch) - 1
        ordinary = self._patience(first.delivery, self._settings.timeout)
        final = self._patience(first.delivery, self._settings.final_timeout)
        patience: list[float] = []
        for transaction in batch:
            # RSET before each but the first, MAIL and RCPT, then the reply to the content
            patience += [ordinary] * (transaction.count - (0 if patience else 1))
            patience.append(final)
        try:
            replies = await wire.exchange(_octets(batch), count, patience)
        except WireFault as fault:
            self._failed(batch, fault)
        except Unreadable as error:
            self._unreadable(first, None, error.cause)
        except BaseException as error:
            self._failed(batch, WireFault("closed", f"{type(error).__name__} before the replies"))
            raise
        else:
            wire.last_used = io.now()
            try:
                self._judge(batch, replies)
            except WireFault as fault:
                await wire.close(polite=False)
                self.fault = fault

    def _judge(self, batch: list[Transaction], replies: list[Reply]) -> None:
        """Judge the replies to whole mails."""
        at = 0
        for place, transaction in enumerate(batch):
            if place:
                at += 1  # RSET, which says nothing about a mail
            last = at + transaction.count - 1
            self.opened += 1
            self._judge_one(transaction, replies[at : last + 1])
            at = last + 1

    def _judge_one(self, transaction: Transaction, replies: list[Reply]) -> None:
        try:
            if transaction.judge_mail(replies[0]):
                transaction.judge_recipients(replies[1:-1])
        except WireFault:
            transaction.lost("the server's replies fit no command")
            self._finish(transaction)
            raise
        reply = replies[-1]
        delivery = transaction.delivery
        if transaction.accepted:
            if reply.code == 250 and not delivery.outcomes and not delivery.remaining:
                self._wire.needs_reset = False
                self._done.append(delivery.accepted_at_once(reply, self._io.now()))
                return
            transaction.judge_content(reply)
        # RFC 3030 2: after a BDAT that failed only RSET makes the session sure again
        transaction.needs_reset = not reply.is_positive
        self._finish(transaction)

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
                self._judge_one(transaction, told)
                continue
            open_ = transaction.judge_partly(told)
            if not transaction.is_sent and not told:
                self._strand(transaction.delivery, open_)
                continue
            transaction.addresses = transaction.accepted = open_
            transaction.lost(f"{fault.reason} before the reply to the content")
            delivery = transaction.delivery
            delivery.conversation = conversation(transaction, told, fault)
            delivery.settle_rest(Outcome("deferred", reason=fault.reason, phase="connect"))
            self._done.append(delivery.receipt(self._io.now()))


def _octets(batch: list[Transaction]) -> bytes | Iterator[bytes]:
    """Return what is written for these mails: in one piece, or in a stream for one that is large."""
    first = batch[0]
    content = first.delivery.parcel.content
    if len(batch) == 1 and content.size > _IN_FLIGHT:
        return _stream(first)
    data: list[bytes] = []
    for transaction in batch:
        if data:
            data.append(b"RSET\r\n")
        data.append(transaction.group)
        data.extend(readable(transaction.delivery.parcel.content.chunks()))
    for transaction in batch:
        transaction.is_sent = True
    return b"".join(data)


def _stream(transaction: Transaction) -> Iterator[bytes]:
    """Yield one mail; the moment before its last chunk is the one from which its outcome may be unknown."""
    held = transaction.group
    for chunk in readable(transaction.delivery.parcel.content.chunks()):
        yield held
        held = chunk
    transaction.is_sent = True
    yield held
