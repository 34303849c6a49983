"""The receipts of one burst over SMTP: `SMTPReceipts`, which keeps a pipeline on a wire of the pool.

The backend makes one for each burst, or several that share one source.

Rules of the file: a wire that served before and fails before content is written is replaced once, silently; what a
fresh wire cannot do is deferred. What a server loses of commands that were written together shortens the reach of those that
follow, and the mail that it happened to begins anew. After a connection could not be opened the parcels that follow at once
are deferred without another attempt, so that a dead server does not cost a timeout for each mail; a busy pool is no dead
server. A long stream gives its wire up for a while when others wait for one.
"""

from __future__ import annotations

from collections import deque
from math import inf

from ..errors import AuthenticationFailed, ConnectFailed, DeliveryError, MailError, SecurityFailed
from ..outcome import Outcome
from ..smtp.chunking import ChunkedPipeline
from ..smtp.delivery import Delivery
from ..smtp.lmtp import LMTPPipeline
from ..smtp.patience import late
from ..smtp.pipeline import Pipeline
from .standstill import caller_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..receipt import Receipt
    from ..runtime import IO
    from ..smtp.wire import Wire
    from .backend import Parcels
    from .smtp import SMTPBackend

_TURN = 50  # mails that a stream sends over a wire while others wait for one
_RESPITE = 1.0  # seconds without a new attempt after a connection could not be opened


class SMTPReceipts:
    """The receipts of one burst over one wire at a time."""

    __slots__ = (
        "__weakref__",
        "_backend",
        "_done",
        "_ended_by",
        "_error",
        "_given",
        "_io",
        "_pipeline",
        "_pool",
        "_ready_at",
        "_waiting",
        "_was_used",
        "_wire",
        "caller",
        "parcels",
        "turns",
    )

    def __init__(self, backend: SMTPBackend, parcels: Parcels, io: IO) -> None:
        self._backend = backend
        self._pool = backend.pools.of(io)
        self.caller = caller_of(io)  # who sends: a stream of `FanOut` is driven by a task of its own
        self.parcels = parcels
        self._io = io
        self._wire: Wire | None = None
        self._was_used = False  # the wire had served before this burst
        self._pipeline: Pipeline | None = None
        self._waiting: deque[Delivery] = deque()  # pulled, and without a wire
        self._done: deque[Receipt] = deque()
        self._given = 0  # receipts since the wire was taken
        self._error: ConnectFailed | None = None
        self._ended_by: DeliveryError | None = None  # what no mail of this stream can go for
        self._ready_at = 0.0
        self.turns = 0
        self._pool.attend(self)

    @property
    def is_under_way(self) -> bool:
        """Whether it has a connection, so that a mail may be on its way."""
        return self._wire is not None

    async def next(self) -> Receipt | None:
        """Return the next receipt; None when the source ended."""
        self.turns += 1
        try:
            while not self._done:
                pipeline = self._pipeline
                if pipeline is None:
                    if not await self._connect():
                        return None
                    continue
                receipt = await pipeline.next()
                if receipt is not None:
                    self._given += 1
                    if self._given >= _TURN and self._pool.is_wanted:
                        pipeline.stop()
                    return receipt
                if pipeline.fault is None:
                    self._waiting.extend(pipeline.hand_on())
                    is_spent = pipeline.is_spent
                    await self._hand_back()
                    if is_spent:
                        continue
                    return None
                await self._replace(pipeline)
            return self._done.popleft()
        finally:
            self.turns += 1
            if self._pool.drainers:
                self._pool.turn_ended()

    async def _connect(self) -> bool:
        """Get a wire for the next parcel; False when there is no parcel."""
        io = self._io
        if not self._waiting:
            parcel = await self.parcels.next()
            if parcel is None:
                return False
            self._waiting.append(Delivery(parcel, self.parcels.position, io.now()))
        started = io.now()
        if self._error is not None and started < self._ready_at:
            self._defer(self._error)
            return True
        settings = self._backend.settings
        until = inf
        if settings.deadline is not None:
            until = self._waiting[0].deadline(settings.deadline, started)
        try:
            wire = await self._pool.acquire(io, until, self)
        except (SecurityFailed, AuthenticationFailed) as error:
            self._ended_by = error
            raise
        except ConnectFailed as error:
            self._error = error
            now = io.now()
            self._ready_at = now + max(_RESPITE, now - started)
            self._defer(error)
            return True
        if wire is None:
            self._defer(self._busy(io.now() - started, is_late=io.now() >= until))
            return True
        self._error = None
        self._wire = wire
        self._given = 0
        self._was_used = not wire.is_fresh
        again = tuple(self._waiting)
        self._waiting.clear()
        now = io.now()
        for delivery in again:
            if delivery.wired is None:
                delivery.wired = now
        reach = self._backend.reach
        if not reach.to_mail:
            wire.extensions = wire.extensions.without(("PIPELINING",))
        is_chunked = self._backend.is_chunked(wire.extensions)
        kind = LMTPPipeline if settings.is_lmtp else ChunkedPipeline if is_chunked else Pipeline
        self._pipeline = kind(wire, self.parcels, io, settings, again, looks_ahead=reach.to_next)
        return True

    def _busy(self, seconds: float, *, is_late: bool) -> ConnectFailed:
        """Return the error of one who waited for a connection in vain."""
        settings = self._backend.settings
        busy = f"all {settings.pool} connections to {settings.where} were busy"
        if is_late and settings.deadline is not None:
            return ConnectFailed(f"{late(settings.deadline)}: {busy}", is_transient=True)
        return ConnectFailed(f"{busy} for {seconds:g} s", is_transient=True)

    def _defer(self, error: MailError) -> None:
        """Give up the mail that comes first: there is no connection for it."""
        delivery = self._waiting.popleft()
        cause = error if isinstance(error, DeliveryError) else None
        outcome = Outcome(
            "deferred", reply=None if cause is None else cause.reply, reason=str(error), phase="connect"
        )
        delivery.settle_rest(outcome, cause)
        delivery.conversation = delivery.conversation or (cause.conversation if cause else ())
        self._done.append(delivery.receipt(self._io.now()))

    async def _replace(self, pipeline: Pipeline) -> None:
        """The wire failed: begin what is stranded on a new one, unless this one was new itself."""
        lost = pipeline.has_lost
        if lost is not None:
            self._backend.reach.shorten(lost)
        is_old = self._was_used or pipeline.opened > 0 or lost is not None
        self._waiting.extend(pipeline.rescue(is_old=is_old))
        self._done.extend(await pipeline.close())
        await self._hand_back()

    async def _hand_back(self) -> None:
        wire, self._wire, pipeline, self._pipeline = self._wire, None, self._pipeline, None
        if wire is not None:
            if pipeline is not None:
                wire.served += pipeline.opened
            deadline = self._backend.settings.deadline
            # A farewell is no part of a mail, but who set a deadline waits for no more than a tenth of it besides.
            await self._pool.release(
                wire, self._io, inf if deadline is None else self._io.now() + deadline / 10
            )

    async def close(self) -> list[Receipt]:
        """Stop: return the receipts of everything pulled that has none yet."""
        receipts = list(self._done)
        self._done.clear()
        try:
            if self._pipeline is not None:
                receipts += await self._pipeline.close()
            await self._hand_back()
        finally:
            self._pool.leave(self, self._io)  # a wire that an interruption left is in doubt
        error = self._ended_by or MailError("not sent: the sending was closed before")
        while self._waiting:
            self._defer(error)
        receipts += self._done
        self._done.clear()
        return receipts
