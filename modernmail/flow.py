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

from .backends.backend import deferred, unknown
from .errors import DeliveryError, InvalidValue, MailError
from .feed import END, LATER
from .insight.subscribers import teller_of
from .job import Job
from .layers.layer import Again, Layer, Stop, Wait
from .receipt import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .backends.backend import Backend, Receipts
    from .feed import AsyncFeed, Feed
    from .mailer import Mailer
    from .parcel import Parcel
    from .runtime import IO

_PROMPT = 0.001  # seconds: a producer that took less for the last message may be asked before the content is written
_MOST_DUE = 1000  # mails that wait to be tried again; while there are as many, no further one is begun
_MOST_LOCAL = (
    100  # receipts of mails that never reached the backend; then the burst ends, so that somebody takes them
)


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
        self._jobs: dict[int, Job] | None = {} if layers else None
        self._local: deque[Receipt] = deque()  # decided here
        self._ahead: Receipt | None = None  # the backend's, while those of earlier positions are given
        self._due: list[tuple[float, int, Job]] = []  # to be tried again
        self._held: list[tuple[float, int, Job]] = []  # a layer said wait; several when several streams pull
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
        feed = self._feed
        while True:
            job = self._due_now() if self._held or self._due else None
            if job is None:
                if self.is_ended or self._held or ((self._due or self._local) and self._has_enough()):
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
                jobs = self._jobs
                if jobs is None:
                    self.position = position
                    self._pending[position] = parcel
                    return parcel
                # Nearly always every layer lets the mail pass as it is: that is done here, and all else in `_ready`.
                io, number = self._io, 0
                answer: object
                try:
                    for before in self._before:
                        answer = await before(parcel, io)
                        if answer is not parcel:
                            break
                        number += 1
                    else:
                        for admit in self._admit:
                            answer = await admit(parcel, io)
                            if answer is not None:
                                break
                            number += 1
                        else:
                            self._pending[position] = parcel
                            self.position = position
                            return parcel
                except BaseException as error:  # noqa: BLE001  # an answer like any other, or raised again
                    ready = await self._ready(jobs, parcel, position, number, error)
                else:
                    ready = await self._ready(jobs, parcel, position, number, answer)
                if ready is None:
                    continue
                if ready is _LATER:
                    return None
                self._pending[position] = ready
                self.position = position
                return ready
            if job.admitted < len(self._admit):
                wait = await self._admission(job)
                if wait is not None:
                    if wait.delay >= 0:
                        return None
                    continue
            job.admitted = 0
            self._begin(job)
            position = self.position = job.position
            parcel = self._pending[position] = job.parcel
            return parcel

    def _has_enough(self) -> bool:
        """Return whether nothing further is begun before something that waits has ended."""
        return len(self._due) >= _MOST_DUE or len(self._local) >= _MOST_LOCAL

    def _begin(self, job: Job) -> None:
        if not job.attempts:
            job.began = self._io.now()
        job.attempts += 1

    def _due_now(self) -> Job | None:
        """Return a mail whose time has come: one that was held, then one to be tried again."""
        now = self._io.now()
        if self._held:
            return heappop(self._held)[2] if self._held[0][0] <= now else None
        if self._due[0][0] <= now:
            return heappop(self._due)[2]
        return None

    async def _ready(
        self, jobs: dict[int, Job], parcel: Parcel, position: int, number: int, answer: object
    ) -> Parcel | None:
        """Go on with a new mail from the answer of layer `number`, counting those before a mail, then those that admit it.

        Return what goes now, None for what does not, _LATER for what waits.
        """
        io, envelope = self._io, parcel.envelope
        count = len(self._before)
        hooks = (*self._before, *self._admit)
        job: Job | None = None
        try:
            while True:
                if isinstance(answer, BaseException):
                    answer = _stop_of(answer, is_before=number < count)
                if number >= count and answer is not None:
                    if job is None:
                        job = jobs[position] = Job(parcel, position, envelope)
                    job.admitted = number - count
                    return None if self._refused(job, answer) is _OVER else _LATER  # type: ignore[arg-type]
                if isinstance(answer, Stop):
                    if job is None:
                        job = jobs[position] = Job(parcel, position, envelope)
                    job.parcel, rest = parcel, answer.rest
                    self._stop(job, answer, () if rest is None else rest.envelope.recipients)
                    if rest is None:
                        self._local.append(self._merged(job, None))
                        return None
                    job.parcel = parcel = rest
                elif number < count and answer is not parcel:
                    if answer.envelope is not parcel.envelope:  # type: ignore[attr-defined]
                        self._readdressed(position, parcel, answer)  # type: ignore[arg-type]
                    parcel = answer  # type: ignore[assignment]
                number += 1
                if number == count:
                    # Who was stopped is in the receipt, with the others; those it was sent to instead take their place.
                    if job is None or not job.outcomes:
                        envelope = parcel.envelope
                    if job is not None:
                        job.parcel, job.envelope = parcel, envelope
                if number == len(hooks):
                    break
                try:
                    answer = await hooks[number](parcel, io)
                except DeliveryError as error:
                    answer = error
                except InvalidValue as error:
                    answer = error
        except BaseException:
            if position not in jobs:  # `close` has a receipt for it
                jobs[position] = Job(parcel, position, parcel.envelope)
            raise
        if job is not None:
            self._begin(job)
        return parcel

    async def _admission(self, job: Job) -> Wait | None:
        """Ask the layers that have not let this attempt pass yet; None when it may go, _OVER when it ends here."""
        io = self._io
        hooks = self._admit
        while job.admitted < len(hooks):
            try:
                answer = await hooks[job.admitted](job.parcel, io)
            except DeliveryError as error:
                answer = Stop(str(error), status="deferred", error=error)
            if answer is not None:
                return self._refused(job, answer)
            job.admitted += 1
        return None

    def _refused(self, job: Job, answer: Wait | Stop) -> Wait:
        """A layer does not let the mail go now: return its wait, or _OVER when it stops it."""
        if isinstance(answer, Wait):
            heappush(self._held, (self._io.now() + answer.delay, job.position, job))
            self._holds(job, answer.delay)
            return answer
        self._stop(job, answer, ())
        self._local.append(self._merged(job, None))
        return _OVER

    # -- what layers do, for who watches -----------------------------------------------------------------------

    def _stop(self, job: Job, stop: Stop, left: Sequence[str]) -> None:
        job.stop(stop, left)

    def _readdressed(self, position: int, parcel: Parcel, answer: Parcel) -> None:
        """A layer sends a mail to others than it was for."""

    def _holds(self, job: Job, delay: float) -> None:
        """A layer lets a mail wait."""

    def _retries(self, job: Job, delay: float) -> None:
        """A layer wants a mail tried again."""

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
            jobs = self._jobs
            if jobs is not None:
                number, answer = 0, None
                if not jobs:
                    # Nearly always every layer leaves the receipt as it is.
                    try:
                        for after in self._after:
                            answer = await after(parcel, receipt, self._io)
                            if answer is not receipt:
                                break
                            number += 1
                    except BaseException:
                        self._local.append(receipt)  # what became of the mail is not lost with the hook
                        raise
                if jobs or number < len(self._after):
                    settled = await self._settled(jobs, parcel, receipt, number, answer)
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

    async def _settled(
        self,
        jobs: dict[int, Job],
        parcel: Parcel,
        receipt: Receipt,
        number: int,
        answer: Receipt | Again | None,
    ) -> Receipt | None:
        """Go on from the answer of `after` hook `number`, None when it was not asked yet.

        Return the receipt, or None when the mail is to be tried again.
        """
        io = self._io
        position = receipt.position
        job = jobs.get(position)
        if job is not None and job.attempts > 1:
            receipt = receipt.replace(attempts=job.attempts, seconds=io.now() - job.began)
        try:
            for place in range(number, len(self._after)):
                if answer is None:
                    if job is not None and job.unseen:
                        parcel, receipt = job.seen_by(place, parcel, receipt)
                    answer = await self._after[place](parcel, receipt, io)
                if isinstance(answer, Again):
                    if job is None:
                        job = jobs[position] = Job(parcel, position, parcel.envelope)
                        job.attempts, job.began = 1, io.now() - receipt.seconds
                    self._again(job, place, parcel, receipt, answer)
                    return None
                receipt, answer = answer, None
        except BaseException:
            # What became of the mail is not lost with the hook.
            self._local.append(receipt if job is None else self._merged(job, receipt))
            raise
        return receipt if job is None else self._merged(job, receipt)

    def _again(self, job: Job, place: int, parcel: Parcel, receipt: Receipt, again: Again) -> None:
        job.again(place, parcel, receipt, again)
        heappush(self._due, (self._io.now() + again.delay, job.position, job))
        self._retries(job, again.delay)

    def _merged(self, job: Job, receipt: Receipt | None) -> Receipt:
        """Return one receipt for all attempts at a mail, which has come to its end."""
        assert self._jobs is not None
        del self._jobs[job.position]
        return job.merged(receipt, self._io.now())

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
            found = await self._receipts.close()
            self._receipts = None
            # An exception of a signal's may come just when a receipt is made: it is lost, and the mail may be sent.
            lost = self._pending.keys() - {receipt.position for receipt in found}
            why = "interrupted before its receipt was there"
            found += [unknown(self._pending[position], why, position) for position in sorted(lost)]
            for receipt in found:
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


def _stop_of(error: BaseException, *, is_before: bool) -> Stop:
    """Return what an error of a hook means for its mail; raise it when it is about more."""
    if isinstance(error, DeliveryError):
        return Stop(str(error), status="deferred", error=error)
    if is_before and isinstance(error, InvalidValue):
        return Stop(str(error))
    raise error


_OVER = Wait(-1.0)
_LATER: Any = object()


def flow_of(
    mailer: Mailer, backend: Backend, feed: Feed | AsyncFeed, io: IO, *, is_single: bool = False
) -> Flow:
    """Return a new sending of a mailer: one that tells what happens when somebody listens."""
    teller = teller_of(mailer.subscribers)
    if teller is None:
        return Flow(mailer, backend, feed, io, is_single=is_single)
    from .watched import WatchedFlow

    return WatchedFlow(mailer, backend, feed, io, teller, is_single=is_single)
