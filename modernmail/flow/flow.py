"""How mail flows: messages in, parcels to the backend, receipts out; the layers' hooks in between.

The mailer makes a `Flow` for each sending; a single mail is a flow of one. It is the backend's source of parcels
(`next`, `position`, `is_prompt`) and the caller's stream of receipts (`receive`, `close`).

Rules of the file: it is pulled by who takes the receipts, so memory stays bounded; every message has exactly one receipt,
whatever a hook raises; nobody but `_pause` waits, and never inside a burst of the backend.
"""

from __future__ import annotations

from collections import deque
from time import monotonic

from ..backends.backend import hurry, unknown
from ..errors import InvalidValue, MailError
from ..insight.subscribers import teller_of
from ..receipt import Receipt
from .feed import END, LATER
from .passage import HELD, Passage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from typing import TypeVar

    from ..backends.backend import Backend, Receipts
    from ..layers.layer import Layer
    from ..mailer import Mailer
    from ..parcel import Parcel
    from ..runtime import IO
    from .feed import AsyncFeed, Feed

    E = TypeVar("E", bound=BaseException | None)

_PROMPT = 0.001  # seconds: a producer that took less for the last message may be asked before the content is written
# Receipts of mails that never reached the backend; then the burst ends, so that somebody takes them.
_MOST_LOCAL = 100


class Flow:
    """One sending, from its messages to its receipts."""

    __slots__ = (
        "_ahead", "_backend", "_feed", "_io", "_local", "_mailer", "_passage", "_pending", "_receipts", "_taken",
        "is_ended", "is_prompt", "is_single", "position",
    )  # fmt: skip

    def __init__(
        self, mailer: Mailer, backend: Backend, feed: Feed | AsyncFeed, io: IO, *, is_single: bool = False
    ) -> None:
        self._mailer = mailer
        self._backend = backend
        self._feed = feed
        self._io = io
        self._receipts: Receipts | None = None
        self._pending: dict[int, Parcel] = {}  # given to the backend, in that order
        self._local: deque[Receipt] = deque()  # decided here
        self._passage = self._passage_of(mailer.layers) if mailer.layers else None
        self._ahead: Receipt | None = None  # the backend's, while those of earlier positions are given
        self._taken = -1
        self.position = -1
        self.is_prompt = feed.is_sequence
        self.is_single = is_single
        self.is_ended = False

    def _passage_of(self, layers: Sequence[Layer]) -> Passage:
        return Passage(layers, self._io, self._local)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it sends to."""
        return self._backend.hosts

    # -- the backend's side ------------------------------------------------------------------------------------

    async def next(self) -> Parcel | None:
        """Return the next parcel; None ends the burst."""
        feed = self._feed
        passage = self._passage
        while True:
            if passage is not None and passage.jobs:
                job = await passage.due()
                if job is not None:
                    self.position = job.position
                    self._pending[job.position] = job.parcel
                    return job.parcel
                if passage.waiting.is_full:
                    return None
            if self.is_ended or len(self._local) >= _MOST_LOCAL:
                return None
            is_timed = not feed.is_sequence
            began = monotonic() if is_timed else 0.0
            try:
                item = feed.take()
            except InvalidValue as error:
                if not feed.goes_on_after_errors:
                    raise
                self._taken += 1
                self._local.append(Receipt(None, None, {}, position=self._taken, error=error))
                continue
            if item is END:
                self.is_ended = True
                return None
            if item is LATER:
                return None
            position = self._taken = self._taken + 1
            try:
                parcel = self._mailer.parcel(item)
            except MailError as error:
                self._local.append(Receipt(None, None, {}, position=position, error=error))
                continue
            if is_timed:
                self.is_prompt = monotonic() - began < _PROMPT
            if passage is not None:
                # Nearly always every layer lets the mail pass as it is: that is done here, all else by the passage.
                io, number = self._io, 0
                answer: object
                try:
                    for before in passage.before:
                        answer = await before(parcel, io)
                        if answer is not parcel:
                            break
                        number += 1
                    else:
                        for admit in passage.admit:
                            answer = await admit(parcel, io)
                            if answer is not None:
                                break
                            number += 1
                        else:
                            self._pending[position] = parcel
                            self.position = position
                            return parcel
                except BaseException as error:  # noqa: BLE001  # an answer like any other, or raised again
                    ready = await passage.begin(parcel, position, number, error)
                else:
                    ready = await passage.begin(parcel, position, number, answer)
                if ready is None:
                    continue
                if ready is HELD:
                    return None
                parcel = ready
            self._pending[position] = parcel
            self.position = position
            return parcel

    # -- the caller's side -------------------------------------------------------------------------------------

    async def receive(self) -> Receipt | None:
        """Return the next receipt; None when every message has had one."""
        local = self._local
        passage = self._passage
        while True:
            if local and not self._comes_before(local[0].position):
                return local.popleft()
            if self._ahead is not None:
                ahead, self._ahead = self._ahead, None
                return ahead
            if self._receipts is None:
                if self.is_ended and (passage is None or passage.waiting.next_time is None):
                    return local.popleft() if local else None
                self._receipts = self._backend.deliver(self, self._io)
            receipt = await self._receipts.next()
            if receipt is None:
                self._receipts = None
                if not local:
                    await self._pause()
                continue
            parcel = self._pending.pop(receipt.position)
            if passage is not None:
                number, answer = 0, None
                if not passage.jobs:
                    # Nearly always every layer leaves the receipt as it is.
                    try:
                        for after in passage.after:
                            answer = await after(parcel, receipt, self._io)
                            if answer is not receipt:
                                break
                            number += 1
                    except BaseException:
                        local.append(receipt)  # what became of the mail is not lost with the hook
                        raise
                if passage.jobs or number < len(passage.after):
                    settled = await passage.settled(parcel, receipt, number, answer)
                    if settled is None:
                        continue
                    receipt = settled
            if not local or receipt.position < local[0].position:
                return receipt
            self._ahead = receipt

    def _comes_before(self, position: int) -> bool:
        """Return whether a parcel of an earlier position is still with the backend."""
        for first in self._pending:
            return first < position
        return False

    async def _pause(self) -> None:
        """Wait until something can go again: the one place that sleeps."""
        io = self._io
        waiting = None if self._passage is None else self._passage.waiting
        when = None if waiting is None else waiting.next_time
        if self.is_ended or (waiting is not None and waiting.is_full):
            if when is not None:
                await io.sleep(max(0.0, when - io.now()))
        elif when is None or not io.is_async:
            await self._feed.ready()
        else:
            import asyncio

            ready = asyncio.ensure_future(self._feed.ready())
            try:
                await asyncio.wait((ready,), timeout=max(0.0, when - io.now()))
            finally:
                ready.cancel()

    async def close(self) -> list[Receipt]:
        """Stop: return the receipts of everything that was taken from the input and has none yet."""
        passage = self._passage
        receipts = list(self._local)
        self._local.clear()
        if self._ahead is not None:
            receipts.append(self._ahead)
            self._ahead = None
        if self._receipts is not None:
            found = await self._receipts.close()
            self._receipts = None
            # An exception of a signal's may come just when a receipt is made: it is lost, and the mail may be sent.
            lost = self._pending.keys() - {receipt.position for receipt in found}
            why = "interrupted before its receipt was there"
            found += [unknown(self._pending[position], why, position) for position in sorted(lost)]
            for receipt in found:
                is_pending = self._pending.pop(receipt.position, None) is not None
                receipts.append(passage.merged(receipt) if is_pending and passage is not None else receipt)
        self.is_ended = True
        if passage is not None:
            receipts += passage.left()
        await self._feed.close()
        return receipts

    async def to_the_end(self, error: E) -> tuple[list[Receipt], E | asyncio.CancelledError]:
        """Close, whoever cancels that meanwhile; return the receipts, and what to raise: `error`, or that cancellation."""
        return await self._io.to_the_end(self.close(), error, self._hurry)

    def _hurry(self) -> None:
        if self._receipts is not None:
            hurry(self._receipts)

    def not_attempted(self) -> int | None:
        """Return how many messages were not taken from the input, None when that cannot be known."""
        return None if self._feed.size is None else self._feed.size - self._taken - 1


def flow_of(
    mailer: Mailer, backend: Backend, feed: Feed | AsyncFeed, io: IO, *, is_single: bool = False
) -> Flow:
    """Return a new sending of a mailer: one that tells what happens when somebody listens."""
    teller = teller_of(mailer.subscribers)
    if teller is None:
        return Flow(mailer, backend, feed, io, is_single=is_single)
    from .watched import WatchedFlow

    return WatchedFlow(mailer, backend, feed, io, teller, is_single=is_single)
