"""Many parcels over one wire, the commands of each written together with the content of the one before (RFC 2920).

A backend makes a `Pipeline` for a wire and a source of parcels; it gives receipts in the order of the parcels.

Rules of the file: every reply is paired with its command; a parcel that was pulled has exactly one receipt, or is in
`stranded` when nothing of its content was written; after a fault the wire is not used again. One parcel is looked ahead,
and only when pulling it does not hold back the one before.
"""

from __future__ import annotations

from collections import deque

from ..errors import ContentRefused, InvalidAttachment
from ..receipt import Outcome
from .delivery import Delivery, local_refusal
from .replies import WireFault
from .transaction import DATA, Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..address import Address
    from ..receipt import Receipt, Reply
    from ..runtime import IO
    from .settings import Settings
    from .wire import Source, Wire


_DOT = b".\r\n"
_WHOLE = 65_536  # octets: content up to this size goes out in one write with its final dot, past a commit point too


class Pipeline:
    """The stream of receipts for the parcels of one burst over one wire.

    `stranded` are the deliveries whose content was not begun when the wire failed; `fault` says how it failed.
    """

    __slots__ = (
        "_current",
        "_done",
        "_io",
        "_parcels",
        "_settings",
        "_singly",
        "_wire",
        "fault",
        "opened",
        "stranded",
    )

    def __init__(
        self, wire: Wire, parcels: Source, io: IO, settings: Settings, again: tuple[Delivery, ...] = ()
    ) -> None:
        self._wire = wire
        self._parcels = parcels
        self._io = io
        self._settings = settings
        self._current: Transaction | None = None  # the server waits for its content
        self._done: deque[Receipt] = deque()
        self.stranded: deque[Delivery] = deque(again)  # to be begun, before any other
        self.fault: WireFault | None = None
        self.opened = 0  # transactions whose opening group was answered
        self._singly: list[Reply] = []  # the replies so far of a group that is spoken one command at a time

    async def next(self) -> Receipt | None:
        """Return the next receipt; None when the burst has ended or the wire has failed."""
        while not self._done:
            if self.fault is not None:
                return None
            if self._current is None:
                transaction = await self._begin()
                if transaction is not None:
                    await self._open(transaction)
                elif not self._done:
                    return None
            else:
                await self._content(self._current)
        return self._done.popleft()

    async def close(self) -> list[Receipt]:
        """Stop here: return the receipts not given yet. What the server was about to be sent is deferred."""
        receipts = list(self._done)
        self._done.clear()
        now = self._io.now()
        current = self._current
        if current is not None and current.is_going:
            await self._wire.close(polite=False)  # inside DATA there is no other way out
            if current.accepted:
                current.lost("not sent: the sending was closed before")
                current.delivery.settle_rest(
                    Outcome("deferred", reason="not sent: the sending was closed before")
                )
                receipts.append(current.delivery.receipt(now))
        self._current = None
        for delivery in self.stranded:
            delivery.settle_rest(Outcome("deferred", reason="not sent: the sending was closed before"))
            receipts.append(delivery.receipt(now))
        self.stranded.clear()
        return receipts

    # -- taking up the next transaction ------------------------------------------------------------------------

    async def _begin(self) -> Transaction | None:
        """Return a transaction for who comes next: the rest of a delivery, or the next parcel; None without any."""
        stranded = self.stranded
        wire = self._wire
        while True:
            if stranded:
                delivery = stranded.popleft()
            else:
                parcel = await self._parcels.next()
                if parcel is None:
                    return None
                delivery = Delivery(parcel, self._parcels.position, self._io.now())
            refusal = local_refusal(delivery.parcel, wire.extensions, is_verified=wire.is_verified)
            if refusal is None:
                break
            status, error, reason = refusal
            delivery.settle_rest(Outcome(status, reason=reason), error)
            self._done.append(delivery.receipt(self._io.now()))
        addresses = delivery.remaining
        most = self._settings.max_recipients
        delivery.remaining = addresses[most:]
        return Transaction(delivery, addresses[:most], wire.extensions, self._ending(delivery))

    def _ending(self, delivery: Delivery) -> str:
        """Return the command that asks for the content."""
        return DATA

    def _patience(self, delivery: Delivery, most: float) -> float:
        """Return how long to wait for a reply: `most` seconds, less when the deadline of the whole send is nearer."""
        deadline = self._settings.deadline
        if deadline is None:
            return most
        left = delivery.started + deadline - self._io.now()
        return min(most, max(left, 0.001))

    def _finish(self, transaction: Transaction) -> None:
        """The transaction is over: its delivery goes on with the rest, or has its receipt."""
        delivery = transaction.delivery
        if transaction.needs_reset:
            self._wire.needs_reset = True
        if delivery.remaining:
            self.stranded.appendleft(delivery)
        else:
            self._done.append(delivery.receipt(self._io.now()))

    # -- the group that opens a transaction --------------------------------------------------------------------

    async def _open(self, transaction: Transaction) -> None:
        wire = self._wire
        wire.is_fresh = False
        self._singly = []
        try:
            if wire.extensions.pipelining:
                reset = wire.needs_reset
                group = b"RSET\r\n" + transaction.group if reset else transaction.group
                wire.needs_reset = False
                patience = self._patience(transaction.delivery, self._settings.timeout)
                replies = await wire.exchange(group, transaction.count + reset, patience)
                if reset:
                    check_reset(replies[0])
                transaction.judge(replies, 1 if reset else 0)
            else:
                await self._open_singly(transaction)
        except WireFault as fault:
            # A reply that fits nowhere: the server may be waiting for a content, so not even QUIT is safe.
            await wire.close(polite=False)
            self._failed_opening(transaction, fault, self._told(fault))
        except BaseException:
            self._interrupted(transaction)
            raise
        else:
            await self._opened(transaction)

    def _told(self, fault: WireFault) -> list[Reply]:
        """Return the replies to a group that failed; none when what came was no SMTP, which pairs with nothing."""
        replies = self._singly + self._wire.replies
        return [] if fault.kind == "protocol" else replies

    async def _open_singly(self, transaction: Transaction) -> None:
        """Speak with a server without PIPELINING: one command, one reply."""
        wire, patience = self._wire, self._patience(transaction.delivery, self._settings.timeout)
        if wire.needs_reset:
            wire.needs_reset = False
            check_reset((await wire.exchange(b"RSET\r\n", 1, patience))[0])
        lines = transaction.group.split(b"\r\n")
        told = self._singly
        told += await wire.exchange(lines[0] + b"\r\n", 1, patience)
        if not transaction.judge_mail(told[0]):
            return
        for line in lines[1:-2]:
            told += await wire.exchange(line + b"\r\n", 1, patience)
        transaction.judge_recipients(told[1:])
        if transaction.accepted:
            transaction.judge_data((await wire.exchange(b"DATA\r\n", 1, patience))[0])

    async def _opened(self, transaction: Transaction) -> None:
        self.opened += 1
        if transaction.is_torn:
            # A lone dot would send an empty mail to those it took; the outcome is MAIL's.
            await self._wire.close(polite=False)
            self.fault = WireFault(
                "closed", "closed by us: the server took recipients of a mail it had refused"
            )
            self._finish(transaction)
        elif transaction.is_going:
            self._current = transaction
            if not transaction.accepted:
                # Nobody was accepted and still the server waits: a lone dot comes first, the outcome is known now.
                transaction.needs_reset = False
                self._finish(transaction)
        else:
            self._finish(transaction)

    def _failed_opening(self, transaction: Transaction, fault: WireFault, told: list[Reply]) -> None:
        """The wire failed in the opening group: nothing of the content was written."""
        self.fault = fault
        self._current = None
        delivery = transaction.delivery
        delivery.remaining = (*transaction.judge_partly(told), *delivery.remaining)
        delivery.conversation = conversation(transaction, told, fault)
        if delivery.remaining:
            self.stranded.appendleft(delivery)
        else:
            self._done.append(delivery.receipt(self._io.now()))

    def rescue(self, *, is_old: bool) -> list[Delivery]:
        """Return the stranded that may begin anew: once each, and only from a wire that was not new itself.

        The others are deferred, and their receipts come next.
        """
        rescued = []
        for delivery in self.stranded:
            delivery.failures += 1
            if is_old and delivery.failures == 1:
                rescued.append(delivery)
        self.stranded = deque(delivery for delivery in self.stranded if delivery not in rescued)
        self._give_up_stranded()
        return rescued

    def _give_up_stranded(self) -> None:
        fault = self.fault
        replies = self._wire.replies
        last = replies[-1] if replies and replies[-1].code == 421 else None
        reason = None if last is not None else "not sent" if fault is None else fault.reason
        for delivery in self.stranded:
            delivery.settle_rest(Outcome("deferred", reply=last, reason=reason, phase="connect"))
            self._done.append(delivery.receipt(self._io.now()))
        self.stranded.clear()

    def _interrupted(self, transaction: Transaction) -> None:
        """Cancelled or worse: the wire is closed already; what is known is kept for `close`."""
        self.fault = WireFault("closed", "interrupted")
        self._current = None
        transaction.lost("interrupted before the outcome was known")
        transaction.delivery.settle_rest(Outcome("deferred", reason="interrupted before it was sent"))
        self._done.append(transaction.delivery.receipt(self._io.now()))

    # -- the content, and the group after it -------------------------------------------------------------------

    async def _content(self, current: Transaction) -> None:
        wire = self._wire
        following: Transaction | None = None
        if wire.extensions.pipelining and (
            self.stranded or current.delivery.remaining or self._parcels.is_prompt
        ):
            following = await self._following(current)
        group = b"" if following is None else following.group
        own = self._count(current)
        count = own if following is None else own + following.count
        try:
            wire.check()
        except WireFault as fault:
            self._failed_waiting(current, following, fault)
            return
        try:
            if not current.accepted:
                replies = await wire.exchange(_DOT + group, count, self._settings.timeout)
            else:
                replies = await self._write(current, group, count)
        except WireFault as fault:
            self._failed_content(current, following, fault)
            return
        except Unreadable as error:
            self._unreadable(current, following, error.cause)
            return
        except BaseException as error:
            self._cut(current, following, f"{type(error).__name__} before the reply to the content")
            raise
        self._current = None
        self._settle_content(current, replies)
        if following is not None:
            try:
                following.judge(replies, own)
            except WireFault as fault:
                await wire.close(polite=False)
                self._failed_opening(following, fault, [])
            else:
                await self._opened(following)

    async def _following(self, current: Transaction) -> Transaction | None:
        """Return the transaction to open together with this content; never one that would need RSET first."""
        if current.accepted and current.delivery.remaining:
            return None
        return await self._begin()

    async def _write(self, current: Transaction, group: bytes, count: int) -> list[Reply]:
        """Write the content with its final dot and the next group; return the replies to both."""
        wire, io = self._wire, self._io
        patience = self._patience(current.delivery, self._settings.final_timeout)
        content = current.delivery.parcel.content
        pieces = content.pieces
        commit_point = io.commit_point
        if commit_point is not None and not content.is_streamed and content.size <= _WHOLE:
            # The write that holds the final dot is then the only one, so the commit point stands right before it.
            await self._committed(current)
            commit_point = None
        if len(pieces) == 1 and commit_point is None and not content.is_streamed:
            current.is_sent = True
            return await wire.exchange(pieces[0].stuffed + _DOT + group, count, patience)  # type: ignore[union-attr]
        if commit_point is None and not content.is_streamed:
            return await wire.exchange(
                _marked(current, content.stuffed_chunks(), _DOT + group), count, patience
            )
        await wire.exchange(readable(content.stuffed_chunks()), 0, self._settings.timeout)
        if commit_point is not None:
            await self._committed(current)
        current.is_sent = True
        return await wire.exchange(_DOT + group, count, patience)

    async def _committed(self, current: Transaction) -> None:
        """Reach the commit point; the wire is closed when it does not let the mail pass."""
        assert self._io.commit_point is not None
        try:
            await self._io.commit_point(current.delivery.parcel)
        except BaseException:
            await self._wire.close(polite=False)
            raise

    def _count(self, current: Transaction) -> int:
        """Return how many replies the end of this content has."""
        return 1

    def _settle_content(self, current: Transaction, replies: list[Reply]) -> None:
        """Judge the reply to the content, the first of these."""
        if not current.accepted:
            return  # the reply to a lone dot tells nothing
        delivery, reply = current.delivery, replies[0]
        if reply.code == 250 and not delivery.outcomes and not delivery.remaining:
            self._done.append(delivery.accepted_at_once(reply, self._io.now()))
            return
        current.judge_content(reply)
        self._finish(current)

    def _failed_content(self, current: Transaction, following: Transaction | None, fault: WireFault) -> None:
        self.fault = fault
        self._current = None
        replies = self._wire.replies
        if current.is_sent and replies:
            self._settle_content(current, replies)
        elif replies and replies[0].code >= 400:
            self._settle_content(current, replies[:1])  # the server did not wait for the end
        elif current.accepted:
            current.lost(_reason(fault, current, replies))
            current.delivery.conversation = conversation(current, replies, fault)
            self._give_up(current.delivery, fault)
        if following is not None:
            self._strand(following.delivery, following.addresses)

    def _failed_waiting(self, current: Transaction, following: Transaction | None, fault: WireFault) -> None:
        """The wire failed before anything of the content was written: both can begin anew elsewhere."""
        self.fault = fault
        self._current = None
        if following is not None:
            self._strand(following.delivery, following.addresses)
        if current.accepted:
            self._strand(current.delivery, current.accepted)

    def _strand(self, delivery: Delivery, addresses: tuple[Address, ...]) -> None:
        delivery.remaining = (*addresses, *delivery.remaining)
        self.stranded.appendleft(delivery)

    def _give_up(self, delivery: Delivery, fault: WireFault) -> None:
        delivery.settle_rest(Outcome("deferred", reason=fault.reason, phase="connect"))
        self._done.append(delivery.receipt(self._io.now()))

    def _unreadable(self, current: Transaction, following: Transaction | None, error: Exception) -> None:
        """The content could not be read to its end: no dot was written, and the wire is closed."""
        self._current = None
        self.fault = WireFault("closed", "closed by us: the content could not be read")
        refusal = ContentRefused(f"the content could not be read: {error}")
        refusal.__cause__ = error
        current.delivery.error = refusal
        current.lost(f"the content could not be read: {error}")
        self._give_up(current.delivery, self.fault)
        if following is not None:
            self._strand(following.delivery, following.addresses)

    def _cut(self, current: Transaction, following: Transaction | None, reason: str) -> None:
        """Cancelled or worse while the content was on its way."""
        self.fault = WireFault("closed", reason)
        self._current = None
        replies = self._wire.replies
        if current.is_sent and replies:
            self._settle_content(current, replies)
        elif current.accepted:
            current.lost(reason)
            self._give_up(current.delivery, self.fault)
        if following is not None:
            following.lost("interrupted before it was sent")
            self._give_up(following.delivery, self.fault)


class Unreadable(Exception):
    """The source of the content failed: told apart from what the wire itself may raise."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def readable(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a content; a source that fails raises `Unreadable`."""
    try:
        yield from chunks
    except (InvalidAttachment, OSError) as error:
        raise Unreadable(error) from error


def _marked(current: Transaction, chunks: Iterator[bytes], last: bytes) -> Iterator[bytes]:
    """Yield the chunks, then the last one, marking the moment from which the outcome may be unknown."""
    yield from chunks
    current.is_sent = True
    yield last


def _reason(fault: WireFault, current: Transaction, replies: list[Reply]) -> str:
    if current.is_sent:
        return f"{fault.reason} after the content was sent, before the reply to it"
    if replies:
        return f"the server answered {replies[0]} before the content was complete"
    return f"{fault.reason} before the content was complete"


def check_reset(reply: Reply) -> None:
    """Raise `WireFault` unless RSET was taken: the transaction before may still be open on the server."""
    if not reply.is_positive:
        raise WireFault("protocol", f"the server refused RSET: {reply}")


def conversation(transaction: Transaction, replies: list[Reply], fault: WireFault) -> tuple[str, ...]:
    """Return what was said in a transaction that failed, without its content."""
    said = [f"> {verb}" for verb in transaction.verbs]
    if transaction.is_sent:
        said.append(f"> … content of {transaction.delivery.parcel.content.size} octets, final dot")
    return (*said, *[f"< {reply}" for reply in replies], f"! {fault.reason}")
