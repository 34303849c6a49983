"""What a burst over one wire has pulled and not given a receipt for yet: `Backlog`.

The pipeline takes transactions from it, and puts back what it could not finish.

Rules of the file: each parcel that was pulled is in a transaction, in `stranded`, or has its receipt in `done`; what is
stranded is begun before anything new is pulled.
"""

from __future__ import annotations

from collections import deque
from math import inf

from ..outcome import Outcome
from .delivery import Delivery, local_refusal
from .transaction import Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address
    from ..receipt import Receipt
    from ..reply import Reply
    from ..runtime import IO
    from .settings import Settings
    from .wire import Source, Wire


class Backlog:
    """The deliveries of one burst over one wire.

    `stranded` are those to be begun, or begun anew; `done` the receipts to be given. Once the wire has carried
    `max_messages` transactions, or those that the server allows, or others want it, nothing more is begun on it.
    """

    __slots__ = ("_io", "_left", "_most", "_parcels", "_wire", "done", "stranded")

    def __init__(
        self, wire: Wire, parcels: Source, io: IO, settings: Settings, again: tuple[Delivery, ...]
    ) -> None:
        self._wire = wire
        self._parcels = parcels
        self._io = io
        extensions = wire.extensions
        self._most = min(settings.max_recipients, extensions.max_recipients)
        # Transactions that the wire may still carry.
        self._left: float = min(settings.max_messages, extensions.max_messages) - wire.served
        self.stranded: deque[Delivery] = deque(again)
        self.done: deque[Receipt] = deque()

    @property
    def is_prompt(self) -> bool:
        """Whether there is something to begin at once, so that asking for it holds nothing back."""
        return self._left > 0 and (bool(self.stranded) or self._parcels.is_prompt)

    @property
    def is_spent(self) -> bool:
        """Whether the wire has carried what it may: what comes next needs another."""
        return self._left <= 0

    def stop(self) -> None:
        """Begin nothing more on this wire: others wait for it."""
        self._left = -inf

    async def begin(self, ending: str | None, *, is_ahead: bool = False) -> Transaction | None:
        """Return a transaction for who comes next: the rest of a delivery, or the next parcel; None without any, or when spent.

        None also when what comes next must not go over this wire: its receipt is in `done` then, unless `is_ahead` says that
        an earlier mail has none yet; then it waits its turn in `stranded`. `ending` is the command that asks for the content;
        None for `BDAT … LAST`.
        """
        if self._left <= 0:
            return None
        wire = self._wire
        if self.stranded:
            delivery = self.stranded.popleft()
        else:
            parcels = self._parcels
            parcel = await parcels.next()
            if parcel is None:
                return None
            now = self._io.now()
            delivery = Delivery(parcel, parcels.position, now, now)
        refusal = local_refusal(delivery.parcel, wire.extensions, is_verified=wire.is_verified)
        if refusal is not None:
            if is_ahead:
                self.stranded.appendleft(delivery)
            else:
                status, error, reason = refusal
                delivery.settle_rest(Outcome(status, reason=reason), error)
                self.end(delivery)
            return None
        self._left -= 1
        addresses, most = delivery.remaining, self._most
        if len(addresses) <= most:
            delivery.remaining = ()
        else:
            addresses, delivery.remaining = addresses[:most], addresses[most:]
        if ending is None:
            ending = f"BDAT {delivery.parcel.content.size} LAST"
        return Transaction(delivery, addresses, wire.extensions, ending)

    def finish(self, transaction: Transaction) -> None:
        """The transaction is over: its delivery goes on with the rest, or has its receipt."""
        delivery = transaction.delivery
        if transaction.needs_reset:
            self._wire.needs_reset = True
        if transaction.is_rough and not delivery.conversation:
            delivery.conversation = transaction.transcript()
        if delivery.remaining:
            self.stranded.appendleft(delivery)
        else:
            self.end(delivery)

    def end(self, delivery: Delivery) -> None:
        """Nothing is left to do for a delivery: its receipt is ready."""
        self.done.append(delivery.receipt(self._io.now()))

    def strand(self, delivery: Delivery, addresses: tuple[Address, ...]) -> None:
        """Put back a delivery of which nothing was sent to these recipients."""
        self._left += 1
        # Some may have been put off already, by a 452 before the reply that broke it all.
        delivery.remaining = tuple(dict.fromkeys((*addresses, *delivery.remaining)))
        self.stranded.appendleft(delivery)

    def give_up(self, delivery: Delivery, reason: str | None, reply: Reply | None = None) -> None:
        """Nothing more is tried for a delivery: whoever is left is deferred, and its receipt is ready."""
        delivery.settle_rest(Outcome("deferred", reason=reason, reply=reply, phase="connect"))
        self.end(delivery)

    def hand_on(self) -> list[Delivery]:
        """Return what was to be begun next, for another wire: this one is spent."""
        left = list(self.stranded)
        self.stranded.clear()
        return left

    def rescue(self, *, is_old: bool, reason: str, reply: Reply | None) -> list[Delivery]:
        """Return the stranded that may begin anew: once each, and only from a wire that was not new itself.

        The others are deferred with that reason or reply, and their receipts come next.
        """
        rescued: list[Delivery] = []
        for delivery in self.stranded:
            delivery.failures += 1
            if is_old and delivery.failures == 1:
                rescued.append(delivery)
            else:
                self.give_up(delivery, None if reply is not None else reason, reply)
        self.stranded.clear()
        return rescued

    def close(self, reason: str) -> list[Receipt]:
        """Return every receipt that was not given; what is stranded is deferred."""
        for delivery in self.stranded:
            self.give_up(delivery, reason)
        self.stranded.clear()
        receipts = list(self.done)
        self.done.clear()
        return receipts
