"""The way of a sending's mails through its layers: `Passage`, what is done with each answer of a hook.

Nearly always every layer lets the mail and its receipt pass as they are: the flow asks them itself, and comes here with the
first answer that is another one, and for every mail that a layer has changed the course of.

Rules of the file: every mail has exactly one receipt, whatever a hook raises; nothing here waits.
"""

from __future__ import annotations

from ..backends.backend import deferred
from ..errors import DeliveryError, InvalidValue, MailError
from ..layers.layer import Again, Layer, Stop, Wait
from .job import Job
from .waiting import Waiting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Sequence
    from typing import Any

    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO

_OVER = Wait(-1.0)
HELD: Any = object()


class Passage:
    """The layers' hooks, each kind in its order, and the mails that a layer stopped, held or wants tried again."""

    __slots__ = ("_io", "_over", "admit", "after", "before", "jobs", "waiting")

    def __init__(self, layers: Sequence[Layer], io: IO, over: deque[Receipt]) -> None:
        self.before = [layer.before for layer in layers if type(layer).before is not Layer.before]
        self.admit = [layer.admit for layer in layers if type(layer).admit is not Layer.admit]
        self.after = [layer.after for layer in reversed(layers) if type(layer).after is not Layer.after]
        self.jobs: dict[int, Job] = {}  # by position, until the mail has its receipt
        self.waiting = Waiting()
        self._io = io
        self._over = over  # where the receipts go of mails that end here

    # -- on the way to the backend -----------------------------------------------------------------------------

    async def begin(self, parcel: Parcel, position: int, number: int, answer: object) -> Parcel | None:
        """Go on with a new mail from the answer of layer `number`, counting those before a mail, then those that admit it.

        Return what goes now, None for what does not, HELD for what waits.
        """
        jobs, io, envelope = self.jobs, self._io, parcel.envelope
        count = len(self.before)
        hooks = (*self.before, *self.admit)
        job: Job | None = None
        try:
            while True:
                if isinstance(answer, BaseException):
                    answer = _stop_of(answer, is_before=number < count)
                if number >= count and answer is not None:
                    if job is None:
                        job = jobs[position] = Job(parcel, position, envelope)
                    job.admitted = number - count
                    return None if self._refused(job, answer) is _OVER else HELD  # type: ignore[arg-type]
                if isinstance(answer, Stop):
                    if job is None:
                        job = jobs[position] = Job(parcel, position, envelope)
                    job.parcel, rest = parcel, answer.rest
                    self._stop(job, answer, () if rest is None else rest.envelope.recipients)
                    if rest is None:
                        self._over.append(self._merged(job, None))
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
            if position not in jobs:  # `left` has a receipt for it
                jobs[position] = Job(parcel, position, parcel.envelope)
            raise
        if job is not None:
            job.begin(io.now())
        return parcel

    async def due(self) -> Job | None:
        """Return a mail that waited, whose time has come and which every layer lets pass now."""
        io, hooks = self._io, self.admit
        while (job := self.waiting.due(io.now())) is not None:
            answer: Wait | Stop | None = None
            while answer is None and job.admitted < len(hooks):
                try:
                    answer = await hooks[job.admitted](job.parcel, io)
                except DeliveryError as error:
                    answer = _stop_of(error, is_before=False)
                if answer is None:
                    job.admitted += 1
            if answer is None:
                job.admitted = 0
                job.begin(io.now())
                return job
            if self._refused(job, answer) is not _OVER:
                return None
        return None

    def _refused(self, job: Job, answer: Wait | Stop) -> Wait:
        """A layer does not let the mail go now: return its wait, or _OVER when it stops it."""
        if isinstance(answer, Wait):
            self.waiting.hold(job, self._io.now() + answer.delay)
            self._holds(job, answer.delay)
            return answer
        self._stop(job, answer, ())
        self._over.append(self._merged(job, None))
        return _OVER

    def attempt_at(self, position: int) -> int:
        """Return which attempt at the mail of this position is the one that was begun last."""
        job = self.jobs.get(position)
        return 1 if job is None else job.attempts

    # -- on the way back ---------------------------------------------------------------------------------------

    async def settled(
        self, parcel: Parcel, receipt: Receipt, number: int, answer: Receipt | Again | None
    ) -> Receipt | None:
        """Go on from the answer of `after` hook `number`, None when it was not asked yet.

        Return the receipt, or None when the mail is to be tried again.
        """
        io = self._io
        position = receipt.position
        job = self.jobs.get(position)
        if job is not None and job.attempts > 1:
            receipt = receipt.replace(attempts=job.attempts, seconds=io.now() - job.began)
        try:
            for place in range(number, len(self.after)):
                if answer is None:
                    if job is not None and job.unseen:
                        parcel, receipt = job.seen_by(place, parcel, receipt)
                    answer = await self.after[place](parcel, receipt, io)
                if isinstance(answer, Again):
                    if job is None:
                        job = self.jobs[position] = Job(parcel, position, parcel.envelope)
                        job.attempts, job.began = 1, io.now() - receipt.seconds
                    job.again(place, parcel, receipt, answer)
                    self.waiting.retry(job, io.now() + answer.delay)
                    self._retries(job, answer.delay)
                    return None
                receipt, answer = answer, None
        except BaseException:
            # What became of the mail is not lost with the hook.
            self._over.append(self.merged(receipt))
            raise
        return receipt if job is None else self._merged(job, receipt)

    def merged(self, receipt: Receipt) -> Receipt:
        """Return one receipt for all attempts at the mail of this one, which has come to its end."""
        job = self.jobs.get(receipt.position)
        return receipt if job is None else self._merged(job, receipt)

    def _merged(self, job: Job, receipt: Receipt | None) -> Receipt:
        del self.jobs[job.position]
        return job.merged(receipt, self._io.now())

    def left(self) -> list[Receipt]:
        """Stop: return the receipts of the mails that waited, or were in the hands of a hook that raised."""
        self.waiting.clear()
        error = MailError("not sent: the sending was closed before")
        return [
            self._merged(job, deferred(job.parcel, error, job.position)) for job in list(self.jobs.values())
        ]

    # -- what layers do, for who watches -----------------------------------------------------------------------

    def _stop(self, job: Job, stop: Stop, left: Sequence[str]) -> None:
        job.stop(stop, left)

    def _readdressed(self, position: int, parcel: Parcel, answer: Parcel) -> None:
        """A layer sends a mail to others than it was for."""

    def _holds(self, job: Job, delay: float) -> None:
        """A layer lets a mail wait."""

    def _retries(self, job: Job, delay: float) -> None:
        """A layer wants a mail tried again."""


def _stop_of(error: BaseException, *, is_before: bool) -> Stop:
    """Return what an error of a hook means for its mail; raise it when it is about more."""
    if isinstance(error, DeliveryError):
        return Stop(str(error), status="deferred", error=error)
    if is_before and isinstance(error, InvalidValue):
        return Stop(str(error))
    raise error
