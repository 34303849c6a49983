"""How mail flows: messages in, parcels to the backend, receipts out; the layers' hooks in between.

The mailer makes a `Flow` for each sending; a single mail is a flow of one. It is the backend's source of parcels
(`next`, `position`, `is_prompt`) and the caller's stream of receipts (`receive`, `close`).

Rules of the file: it is pulled by who takes the receipts, so memory stays bounded; every message has exactly one receipt,
whatever a hook raises; nobody but `_pause` waits, and never inside a burst of the backend.
"""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from time import monotonic

from .backends.backend import deferred
from .errors import DeliveryError, InvalidValue, MailError
from .feed import END, LATER
from .insight.subscribers import teller_of
from .layers.layer import Again, Layer, Stop, Wait
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
_MOST_DUE = 1000  # mails that wait to be tried again; while there are as many, no further one is begun
_MOST_LOCAL = (
    100  # receipts of mails that never reached the backend; then the burst ends, so that somebody takes them
)


class _Job:
    """A mail that layers deal with: its whole envelope, what is settled, and how often it was tried."""

    __slots__ = ("admitted", "attempts", "began", "envelope", "error", "outcomes", "parcel", "position")

    def __init__(self, parcel: Parcel, position: int) -> None:
        self.parcel = parcel
        self.envelope: Envelope = parcel.envelope
        self.position = position
        self.outcomes: dict[str, Outcome] = {}
        self.error: DeliveryError | None = None  # of the layer that stopped somebody
        self.admitted = 0  # layers that have let this attempt pass
        self.attempts = 0
        self.began = 0.0


class Flow:
    """One sending, from its messages to its receipts."""

    __slots__ = (
        "_admit", "_after", "_ahead", "_backend", "_before", "_due", "_feed", "_held", "_io", "_jobs", "_local", "_mailer",
        "_pending", "_receipts", "_taken", "is_ended", "is_prompt", "is_single", "position",
    )  # fmt: skip

    def __init__(
        self, mailer: Mailer, backend: Backend, feed: Feed | AsyncFeed, io: IO, *, is_single: bool = False
    ) -> None:
        self._mailer = mailer
        self._backend = backend
        self._feed = feed
        self._io = io
        layers: Sequence[Layer] = mailer.layers
        self._before = [layer.before for layer in layers if type(layer).before is not Layer.before]
        self._admit = [layer.admit for layer in layers if type(layer).admit is not Layer.admit]
        self._after = [layer.after for layer in reversed(layers) if type(layer).after is not Layer.after]
        self._receipts: Receipts | None = None
        self._pending: dict[int, Parcel] = {}  # given to the backend, in that order
        self._jobs: dict[int, _Job] | None = {} if layers else None
        self._local: deque[Receipt] = deque()  # decided here
        self._ahead: Receipt | None = None  # the backend's, while those of earlier positions are given
        self._due: list[tuple[float, int, _Job]] = []  # to be tried again
        self._held: list[tuple[float, int, _Job]] = []  # a layer said wait; several when several streams pull
        self._taken = -1
        self.position = -1
        self.is_prompt = feed.is_sequence
        self.is_single = is_single
        self.is_ended = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts it sends to."""
        return self._backend.hosts

    # -- the backend's side ------------------------------------------------------------------------------------

    async def next(self) -> Parcel | None:
        """Return the next parcel; None ends the burst."""
        while True:
            job = self._due_now() if self._held or self._due else None
            if job is None:
                if (
                    self.is_ended
                    or self._held
                    or len(self._due) >= _MOST_DUE
                    or len(self._local) >= _MOST_LOCAL
                ):
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
                jobs = self._jobs
                if jobs is None:
                    self.position = position
                    self._pending[position] = parcel
                    return parcel
                job = jobs[position] = _Job(parcel, position)
                if self._before and not await self._prepared(job):
                    continue
            if self._admit:
                wait = await self._admission(job)
                if wait is not None:
                    if wait.delay >= 0:
                        return None
                    continue
                job.admitted = 0
            if not job.attempts:
                job.began = self._io.now()
            job.attempts += 1
            position = self.position = job.position
            parcel = self._pending[position] = job.parcel
            return parcel

    def _due_now(self) -> _Job | None:
        """Return a mail whose time has come: one that was held, then one to be tried again."""
        now = self._io.now()
        if self._held:
            return heappop(self._held)[2] if self._held[0][0] <= now else None
        if self._due[0][0] <= now:
            return heappop(self._due)[2]
        return None

    async def _prepared(self, job: _Job) -> bool:
        """Run the `before` hooks; return whether anybody is left to send to."""
        io = self._io
        for before in self._before:
            try:
                answer = await before(job.parcel, io)
            except InvalidValue as error:
                answer = Stop(str(error))
            except DeliveryError as error:
                answer = Stop(str(error), status="deferred", error=error)
            if answer.__class__ is not Stop:
                job.parcel = answer  # type: ignore[assignment]
                continue
            rest = answer.rest
            self._stop(job, answer, () if rest is None else rest.envelope.recipients)
            if rest is None:
                self._local.append(self._merged(job, None))
                return False
            job.parcel = rest
        if not job.outcomes:
            job.envelope = job.parcel.envelope
        return True

    async def _admission(self, job: _Job) -> Wait | None:
        """Ask the layers that have not let this attempt pass yet; None when it may go, _OVER when it ends here."""
        io = self._io
        hooks = self._admit
        while job.admitted < len(hooks):
            try:
                answer = await hooks[job.admitted](job.parcel, io)
            except DeliveryError as error:
                answer = Stop(str(error), status="deferred", error=error)
            if answer is None:
                job.admitted += 1
            elif isinstance(answer, Wait):
                heappush(self._held, (io.now() + answer.delay, job.position, job))
                return answer
            else:
                self._stop(job, answer, ())
                self._local.append(self._merged(job, None))
                return _OVER
        return None

    def _stop(self, job: _Job, stop: Stop, left: Sequence[str]) -> None:
        """Settle whom a layer stopped: everybody but those who are left."""
        outcome = Outcome(stop.status, reason=stop.reason, phase="policy")
        for name in job.parcel.envelope.recipients:
            if name not in left:
                job.outcomes[name] = outcome
        job.error = stop.error or job.error

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
                if self.is_ended and not self._held and not self._due:
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
        io = self._io
        if job.attempts > 1:
            receipt = receipt.replace(attempts=job.attempts, seconds=io.now() - job.began)
        try:
            for after in self._after:
                answer = await after(parcel, receipt, io)
                if answer.__class__ is not Again:
                    receipt = answer  # type: ignore[assignment]
                    continue
                for name, outcome in receipt.recipients.items():
                    if name not in answer.recipients:
                        job.outcomes[name] = outcome
                job.parcel = parcel.narrowed(answer.recipients)
                heappush(self._due, (io.now() + answer.delay, job.position, job))
                return None
        except BaseException:
            # What became of the mail is not lost with the hook.
            self._local.append(self._merged(job, receipt))
            raise
        return self._merged(job, receipt)

    def _merged(self, job: _Job, receipt: Receipt | None) -> Receipt:
        """Return one receipt for all attempts at a mail."""
        assert self._jobs is not None
        del self._jobs[job.position]
        outcomes = job.outcomes
        if receipt is not None and not outcomes:
            return receipt
        if receipt is not None:
            outcomes.update(receipt.recipients)
        ordered = {name: outcomes.pop(name) for name in job.envelope.recipients if name in outcomes}
        ordered.update(outcomes)
        error: MailError | None = None
        if not any(outcome.status == "accepted" for outcome in ordered.values()):
            error = None if job.attempts else job.error
            if error is None:
                from .smtp.delivery import error_for

                error = error_for(ordered, () if receipt is None else receipt.conversation)
        return Receipt(
            job.parcel.message_id,
            job.envelope,
            ordered,
            position=job.position,
            error=error,
            attempts=job.attempts,
            notes=() if receipt is None else receipt.notes,
            conversation=() if receipt is None else receipt.conversation,
            seconds=self._io.now() - job.began if job.attempts else 0.0,
        )

    async def _pause(self) -> None:
        """Wait until something can go again: the one place that sleeps."""
        io = self._io
        when = self._held[0][0] if self._held else self._due[0][0] if self._due else None
        if self._held or self.is_ended or len(self._due) >= _MOST_DUE:
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
        # Those that are left were held, waited to be tried again, or were in the hands of a hook that raised.
        left = [] if self._jobs is None else list(self._jobs.values())
        self._due, self._held, self.is_ended = [], [], True
        error = MailError("not sent: the sending was closed before")
        receipts += [self._merged(job, deferred(job.parcel, error, job.position)) for job in left]
        await self._feed.close()
        return receipts

    async def to_the_end(self) -> list[Receipt]:
        """Close, whoever wants to cancel that meanwhile."""
        return await self._io.to_the_end(self.close())

    def not_attempted(self) -> int | None:
        """Return how many messages were not taken from the input, None when that cannot be known."""
        return None if self._feed.size is None else self._feed.size - self._taken - 1


_OVER = Wait(-1.0)


def flow_of(
    mailer: Mailer, backend: Backend, feed: Feed | AsyncFeed, io: IO, *, is_single: bool = False
) -> Flow:
    """Return a new sending of a mailer: one that tells what happens when somebody listens."""
    teller = teller_of(mailer.subscribers)
    if teller is None:
        return Flow(mailer, backend, feed, io, is_single=is_single)
    from .watched import WatchedFlow

    return WatchedFlow(mailer, backend, feed, io, teller, is_single=is_single)


def single(item: Any) -> Any:
    """Return a feed of one."""
    from .feed import Feed

    return Feed((item,))
