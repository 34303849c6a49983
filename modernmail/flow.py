"""How mail flows: messages in, parcels to the backend, receipts out; the layers' hooks in between.

The mailer makes a `Flow` for each sending; a single mail is a flow of one. It is the backend's source of parcels
(`next`, `position`, `is_prompt`) and the caller's stream of receipts (`receive`, `close`).

Rules of the file: it is pulled by who takes the receipts, so memory stays bounded; every message has exactly one receipt;
nobody but `_pause` waits, and never inside a burst of the backend.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from time import monotonic

from .backends.backend import deferred
from .errors import InvalidValue, MailError
from .feed import END, LATER
from .layers.layer import Again, Layer, Stop
from .receipt import Outcome, Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .backends.backend import Backend, Receipts
    from .envelope import Envelope
    from .feed import AsyncFeed, Feed
    from .mailer import Mailer
    from .parcel import Parcel
    from .runtime import IO

_PROMPT = 0.001  # seconds: a producer that took less for the last message may be asked before the content is written


class _Job:
    """A mail that layers deal with: its whole envelope, what is settled, and how often it was tried."""

    __slots__ = ("attempts", "envelope", "outcomes", "parcel", "position", "seconds")

    def __init__(self, parcel: Parcel, envelope: Envelope, position: int) -> None:
        self.parcel = parcel
        self.envelope = envelope
        self.position = position
        self.outcomes: dict[str, Outcome] = {}
        self.attempts = 0
        self.seconds = 0.0


class Flow:
    """One sending, from its messages to its receipts."""

    __slots__ = (
        "_admit", "_after", "_ahead", "_backend", "_before", "_due", "_feed", "_held", "_io", "_jobs", "_local", "_mailer",
        "_pending", "_receipts", "_taken", "_wait", "is_ended", "is_prompt", "is_single", "position",
    )  # fmt: skip

    def __init__(
        self, mailer: Mailer, backend: Backend, feed: Feed | AsyncFeed, io: IO, *, is_single: bool = False
    ) -> None:
        self._mailer = mailer
        self._backend = backend
        self._feed = feed
        self._io = io
        layers: Sequence[Layer] = mailer.layers
        self._before = [layer for layer in layers if type(layer).before is not Layer.before]
        self._admit = [layer for layer in layers if type(layer).admit is not Layer.admit]
        self._after = [layer for layer in reversed(layers) if type(layer).after is not Layer.after]
        self._receipts: Receipts | None = None
        self._pending: dict[int, Parcel] = {}  # given to the backend, in that order
        self._jobs: dict[int, _Job] | None = {} if layers else None
        self._local: deque[Receipt] = deque()  # decided here
        self._ahead: Receipt | None = None  # the backend's, while those of earlier positions are given
        self._due: list[tuple[float, int, _Job]] = []  # to be tried again
        self._held: _Job | None = None  # a layer said wait
        self._wait = 0.0
        self._taken = -1
        self.position = -1
        self.is_prompt = feed.is_sequence
        self.is_single = is_single
        self.is_ended = False

    # -- the backend's side ------------------------------------------------------------------------------------

    async def next(self) -> Parcel | None:
        """Return the next parcel; None ends the burst."""
        while True:
            job = None
            if self._held is not None or self._due:
                job = self._due_now()
                if job is None and self._held is not None:
                    return None
            if job is None:
                if self.is_ended:
                    return None
                began = monotonic()
                try:
                    item = self._feed.take()
                except InvalidValue as error:
                    if not self._feed.goes_on_after_errors:
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
                if not self._feed.is_sequence:
                    self.is_prompt = monotonic() - began < _PROMPT
                if self._jobs is None:
                    self.position = position
                    self._pending[position] = parcel
                    return parcel
                job = await self._prepared(parcel, position)
                if job is None:
                    continue
            if not await self._admitted(job):
                return None
            job.attempts += 1
            self.position = job.position
            self._pending[job.position] = job.parcel
            return job.parcel

    def _due_now(self) -> _Job | None:
        now = self._io.now()
        if self._held is not None:
            if now < self._wait:
                return None
            job, self._held = self._held, None
            return job
        if self._due and self._due[0][0] <= now:
            return heappop(self._due)[2]
        return None

    async def _prepared(self, parcel: Parcel, position: int) -> _Job | None:
        """Run the `before` hooks; None when nobody is left to send to."""
        job = _Job(parcel, parcel.envelope, position)
        assert self._jobs is not None
        self._jobs[position] = job
        for layer in self._before:
            try:
                answer = await layer.before(job.parcel, self._io)
            except InvalidValue as error:
                answer = Stop(str(error), status="rejected")
            if isinstance(answer, Stop):
                left = () if answer.rest is None else answer.rest.envelope.recipients
                outcome = Outcome(answer.status, reason=answer.reason)
                for name in job.parcel.envelope.recipients:
                    if name not in left:
                        job.outcomes[name] = outcome
                if answer.rest is None:
                    self._local.append(self._merged(job, None))
                    return None
                job.parcel = answer.rest
            else:
                job.parcel = answer
        return job

    async def _admitted(self, job: _Job) -> bool:
        for layer in self._admit:
            wait = await layer.admit(job.parcel, self._io)
            if wait is not None:
                self._held = job
                self._wait = self._io.now() + wait.delay
                return False
        return True

    # -- the caller's side -------------------------------------------------------------------------------------

    async def receive(self) -> Receipt | None:
        """Return the next receipt; None when every message has had one."""
        while True:
            local = self._local
            if local and not self._comes_before(local[0].position):
                return local.popleft()
            if self._ahead is not None:
                ahead, self._ahead = self._ahead, None
                return ahead
            if self._receipts is None:
                if self.is_ended and self._held is None and not self._due:
                    return local.popleft() if local else None
                self._receipts = self._backend.deliver(self, self._io)
            receipt = await self._receipts.next()
            if receipt is None:
                self._receipts = None
                if not local:
                    await self._pause()
                continue
            parcel = self._pending.pop(receipt.position)
            if self._jobs is not None:
                settled = await self._settled(self._jobs[receipt.position], parcel, receipt)
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

    async def _settled(self, job: _Job, parcel: Parcel, receipt: Receipt) -> Receipt | None:
        """Run the `after` hooks; None when the mail is to be tried again."""
        job.seconds += receipt.seconds
        for layer in self._after:
            answer = await layer.after(parcel, receipt, self._io)
            if isinstance(answer, Again):
                job.outcomes.update(
                    (name, outcome)
                    for name, outcome in receipt.recipients.items()
                    if name not in answer.recipients
                )
                job.parcel = parcel.narrowed(answer.recipients)
                heappush(self._due, (self._io.now() + answer.delay, job.position, job))
                return None
            receipt = answer
        return self._merged(job, receipt)

    def _merged(self, job: _Job, receipt: Receipt | None) -> Receipt:
        """Return one receipt for all attempts at a mail."""
        assert self._jobs is not None
        del self._jobs[job.position]
        if receipt is not None and not job.outcomes and job.attempts == 1:
            return receipt
        outcomes = dict(job.outcomes)
        if receipt is not None:
            outcomes.update(receipt.recipients)
        ordered = {name: outcomes.pop(name) for name in job.envelope.recipients if name in outcomes}
        ordered.update(outcomes)
        is_total = not any(outcome.status == "accepted" for outcome in ordered.values())
        error = None if receipt is None else receipt.error
        if is_total and error is None:
            from .smtp.delivery import error_for

            error = error_for(ordered)
        return Receipt(
            job.parcel.message_id,
            job.envelope,
            ordered,
            position=job.position,
            error=error if is_total else None,
            attempts=job.attempts,
            notes=() if receipt is None else receipt.notes,
            conversation=() if receipt is None else receipt.conversation,
            seconds=job.seconds,
        )

    async def _pause(self) -> None:
        """Wait until something can go again: the one place that sleeps."""
        waits = []
        if self._held is not None:
            waits.append(self._wait)
        elif self._due:
            waits.append(self._due[0][0])
        if self._held is None and not self.is_ended:
            if waits and self._io.is_async:
                import asyncio

                ready = asyncio.ensure_future(self._feed.ready())
                try:
                    await asyncio.wait((ready,), timeout=max(0.0, waits[0] - self._io.now()))
                finally:
                    ready.cancel()
                return
            await self._feed.ready()
            return
        if waits:
            await self._io.sleep(max(0.0, min(waits) - self._io.now()))

    async def close(self) -> list[Receipt]:
        """Stop: return the receipts of everything that was taken from the input and has none yet."""
        receipts = list(self._local)
        self._local.clear()
        if self._ahead is not None:
            receipts.append(self._ahead)
            self._ahead = None
        if self._receipts is not None:
            stream, self._receipts = self._receipts, None
            for receipt in await stream.close():
                parcel = self._pending.pop(receipt.position, None)
                job = None if self._jobs is None else self._jobs.get(receipt.position)
                receipts.append(receipt if parcel is None or job is None else self._merged(job, receipt))
        left = [job for _, _, job in self._due] + ([] if self._held is None else [self._held])
        self._due, self._held, self.is_ended = [], None, True
        error = MailError("not sent: the sending was closed before")
        receipts += [self._merged(job, deferred(job.parcel, error, job.position)) for job in left]
        await self._feed.close()
        return receipts

    def not_attempted(self) -> int | None:
        """Return how many messages were not taken from the input, None when that cannot be known."""
        return None if self._feed.size is None else self._feed.size - self._taken - 1


def single(item: Any) -> Any:
    """Return a feed of one."""
    from .feed import Feed

    return Feed((item,))
