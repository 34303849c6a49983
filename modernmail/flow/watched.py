"""The flow of a sending that somebody listens to: it does what any flow does, and tells of it.

`flow_of` makes one when a mailer, or all of them, have subscribers; otherwise nothing of this is imported or called.

Rules of the file: it decides nothing; every mail it told the beginning of has one end, also when the sending is closed.
"""

from __future__ import annotations

from time import time

from ..insight import events
from ..runtime import TellingIO
from .flow import Flow
from .passage import Passage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence

    from ..backends.backend import Backend
    from ..insight.subscribers import Teller
    from ..layers.layer import Layer, Stop
    from ..mailer import Mailer
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO
    from .feed import AsyncFeed, Feed
    from .job import Job

_BY_STATUS = {
    "rejected": events.RecipientRefused,
    "deferred": events.RecipientDeferred,
    "unknown": events.RecipientUnknown,
}


class WatchedFlow(Flow):
    """One sending, told to its subscribers."""

    __slots__ = ("_called", "_tell")

    def __init__(
        self,
        mailer: Mailer,
        backend: Backend,
        feed: Feed | AsyncFeed,
        io: IO,
        teller: Teller,
        *,
        is_single: bool = False,
    ) -> None:
        self._tell = teller
        self._called = repr(backend).strip("<>")
        super().__init__(mailer, backend, feed, TellingIO(io, teller), is_single=is_single)

    def _passage_of(self, layers: Sequence[Layer]) -> Passage:
        return WatchedPassage(layers, self._io, self._local, self._tell)

    async def next(self) -> Parcel | None:
        """Return the next parcel, an attempt at which begins."""
        parcel = await super().next()
        if parcel is None:
            return None
        position = self.position
        attempt = 1 if self._passage is None else self._passage.attempt_at(position)
        self._tell(
            events.Sending(
                time(),
                self._tell.sending,
                position,
                parcel.message_id,
                len(parcel.envelope.addresses),
                parcel.content.size,
                attempt,
                self._called,
                self._backend.hosts,
            )
        )
        return parcel

    async def receive(self) -> Receipt | None:
        """Return the next receipt: the end of a mail."""
        receipt = await super().receive()
        if receipt is not None:
            self._ended(receipt)
        return receipt

    async def close(self) -> list[Receipt]:
        """Stop; the receipts that are left are ends, too."""
        receipts = await super().close()
        for receipt in receipts:
            self._ended(receipt)
        return receipts

    def _ended(self, receipt: Receipt) -> None:
        at, sending, position, name = time(), self._tell.sending, receipt.position, receipt.message_id
        if receipt.is_complete:
            self._tell(events.Sent(at, sending, position, name or "", receipt))
            return
        statuses = set()
        for recipient, outcome in receipt.recipients.items():
            statuses.add(outcome.status)
            kind = _BY_STATUS.get(outcome.status)
            if kind is not None:
                self._tell(kind(at, sending, position, name or "", recipient, outcome))
        if "accepted" in statuses:
            self._tell(events.Sent(at, sending, position, name or "", receipt))
        elif "unknown" in statuses:
            self._tell(events.Unknown(at, sending, position, name or "", receipt))
        else:
            self._tell(events.Failed(at, sending, position, name, receipt))


class WatchedPassage(Passage):
    """What layers do with the mails of one sending, told to its subscribers."""

    __slots__ = ("_held_back", "_tell")

    def __init__(self, layers: Sequence[Layer], io: IO, over: deque[Receipt], teller: Teller) -> None:
        super().__init__(layers, io, over)
        self._tell = teller
        self._held_back: set[int] = set()  # told once, however often the layer is asked again

    async def due(self) -> Job | None:
        """Return a mail that waited and goes now."""
        job = await super().due()
        if job is not None:
            self._held_back.discard(job.position)
        return job

    def _readdressed(self, position: int, parcel: Parcel, answer: Parcel) -> None:
        meant, left = parcel.envelope.recipients, answer.envelope.recipients
        if not set(left) <= set(meant):
            about = (time(), self._tell.sending, position, parcel.message_id)
            self._tell(events.Redirected(*about, meant, left))

    def _stop(self, job: Job, stop: Stop, left: Sequence[str]) -> None:
        stopped = tuple(name for name in job.parcel.envelope.recipients if name not in left)
        super()._stop(job, stop, left)
        self._tell(events.Stopped(*self._about(job), stopped, stop.status, stop.reason))

    def _holds(self, job: Job, delay: float) -> None:
        if job.position not in self._held_back:
            self._held_back.add(job.position)
            self._tell(events.Held(*self._about(job), delay))

    def _retries(self, job: Job, delay: float) -> None:
        again = job.parcel.envelope.recipients
        self._tell(events.Retrying(*self._about(job), again, job.attempts + 1, delay))

    def _about(self, job: Job) -> tuple[float, int, int, str]:
        return time(), self._tell.sending, job.position, job.parcel.message_id
