"""Many mails on their way: `Sending` and `AsyncSending`, what `send_many` and `asend_many` return; and their `Tally`.

Rules of the file: nothing is sent before somebody takes receipts; leaving the `with` block stops the sending, and what
was pulled and nobody took the receipt of is in `unsent`; a sending that is dropped half-way gives its connection back; it is
driven by one at a time.
"""

from __future__ import annotations

from _thread import get_ident  # `threading` itself takes a millisecond to import
from functools import partial

from .errors import MailError
from .insight.log import log_receipt, logs_all
from .runtime import run_blocking
from .runtime.aio import running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from types import TracebackType
    from typing import Self, TypeVar

    from .flow.flow import Flow
    from .receipt import Receipt

    E = TypeVar("E", bound=BaseException | None)

_KEPT = 100  # receipts of mails that did not go through entirely, kept for the tally


class Tally:
    """What became of a sending, in numbers.

    `messages` is the number of receipts; `accepted`, `deferred`, `rejected` and `unknown` count recipients; `invalid`
    counts messages of which no mail could be made; `problems` are the first hundred receipts that are not complete.
    """

    __slots__ = ("accepted", "deferred", "invalid", "messages", "problems", "rejected", "unknown")

    def __init__(self) -> None:
        self.messages = 0
        self.accepted = 0
        self.deferred = 0
        self.rejected = 0
        self.unknown = 0
        self.invalid = 0
        self.problems: list[Receipt] = []

    def add(self, receipt: Receipt) -> bool:
        """Count one receipt; return whether everybody accepted the mail."""
        self.messages += 1
        if receipt.is_complete:
            assert receipt.envelope is not None
            self.accepted += len(receipt.envelope.addresses)
            return True
        if receipt.envelope is None:
            self.invalid += 1
        self.accepted += receipt.count("accepted")
        self.deferred += receipt.count("deferred")
        self.rejected += receipt.count("rejected")
        self.unknown += receipt.count("unknown")
        if len(self.problems) < _KEPT:
            self.problems.append(receipt)
        return False

    def __repr__(self) -> str:
        return (
            f"<Tally of {self.messages} messages: {self.accepted} accepted, {self.deferred} deferred, "
            f"{self.rejected} rejected, {self.unknown} unknown, {self.invalid} invalid>"
        )


class _Sending:
    """What the two faces share."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._logs_all = logs_all()
        self._is_begun = False
        self._is_over = False
        # Empty while somebody drives it: to take what is there is one step for all others.
        self._turn = [0]
        self._driver = 0  # the thread that drives it
        self.tally = Tally()
        self.unsent: tuple[Receipt, ...] = ()

    async def _next(self) -> Receipt | None:
        if self._is_over:
            return None
        try:
            self._turn.pop()
        except IndexError:
            raise self._shared() from None
        try:
            self._driver = get_ident()
            if not self._is_begun:
                self._begin()
            receipt = await self._flow.receive()
        except BaseException as error:
            told = await self._stop(error)
            left = self._flow.not_attempted()
            if isinstance(told, MailError) and left is not None:
                told.add_note(f"{left} messages were not attempted")
                told.not_attempted = left  # type: ignore[attr-defined]
            if self.unsent and getattr(told, "receipt", None) is None:
                told.receipt = self.unsent[0]  # type: ignore[union-attr]
            if told is not error:
                raise told from error
            raise
        else:
            if receipt is None:
                self._is_over = True
            elif not self.tally.add(receipt) or self._logs_all:
                log_receipt(receipt, self._flow.hosts)
            return receipt
        finally:
            self._driver = 0
            self._turn.append(0)

    def _shared(self) -> MailError:
        return MailError(
            "another thread or task is in the midst of this sending: share the mailer, and let each have a sending of its own"
        )

    def _begin(self) -> None:
        self._is_begun = True

    async def _finish(self) -> Tally:
        while await self._next() is not None:
            pass
        return self.tally

    async def _stop(self, error: E) -> E | asyncio.CancelledError:
        """Stop, and return what the caller raises then: `error`, or a cancellation that came meanwhile."""
        if self._is_over:
            return error
        self._is_begun = True
        try:
            self._is_over = True
            unsent, told = await self._flow.to_the_end(error)
            self.unsent = tuple(unsent)
        except BaseException:
            self._is_over = False  # interrupted: whoever closes it again, or drops it, ends what is left
            raise
        for receipt in self.unsent:
            if not self.tally.add(receipt) or self._logs_all:
                log_receipt(receipt, self._flow.hosts)
        return told

    def __del__(self) -> None:
        if not self._is_begun:
            import warnings

            warnings.warn(
                "a sending was dropped before anything was sent: iterate over it, or call finish()",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )
        elif not self._is_over:
            self._drop()

    def _drop(self) -> None:
        """Stop, with nobody there to be told."""
        raise NotImplementedError


class Sending(_Sending):
    """Mails on their way: iterate over the receipts, or call `finish()`; use it as a context manager to stop early.

    `tally` counts what has come so far; `unsent` holds, after an early stop, the receipts of what was taken from the
    input and not sent, and of what was on its way still. One thread drives it at a time: another gets a `MailError`.
    """

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Receipt:
        receipt = run_blocking(self._next())
        if receipt is None:
            raise StopIteration
        return receipt

    def finish(self) -> Tally:
        """Send everything that is left and return the tally."""
        return run_blocking(self._finish())

    def close(self) -> None:
        """Stop here."""
        if self._driver not in (0, get_ident()):
            raise self._shared()
        run_blocking(self._stop(None))

    def _drop(self) -> None:
        run_blocking(self._stop(None))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncSending(_Sending):
    """Mails on their way under asyncio: `async for` over the receipts, or `await sending.finish()`; `async with` to stop early.

    `tally` counts what has come so far; `unsent` holds, after an early stop, the receipts of what was taken from the
    input and not sent, and of what was on its way still. One task drives it at a time: another gets a `MailError`.
    """

    _loop: asyncio.AbstractEventLoop | None = None

    def __aiter__(self) -> Self:
        return self

    def _begin(self) -> None:
        super()._begin()
        self._loop = running_loop()

    def _drop(self) -> None:
        loop = self._loop
        if loop is None:
            return
        if loop.is_closed():
            _close_at_once(self._flow)
        else:
            try:
                loop.call_soon_threadsafe(_close_soon, loop, self._flow)
            except RuntimeError:  # closed just now, by its own thread
                _close_at_once(self._flow)

    async def __anext__(self) -> Receipt:
        receipt = await self._next()
        if receipt is None:
            raise StopAsyncIteration
        return receipt

    async def finish(self) -> Tally:
        """Send everything that is left and return the tally."""
        return await self._finish()

    async def close(self) -> None:
        """Stop here."""
        await self.__aexit__(None, None, None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        told = await self._stop(error)
        if told is not None and told is not error:
            raise told


_closing: set[asyncio.Task[list[Receipt]]] = set()  # a loop keeps no task alive by itself


def _close_soon(loop: asyncio.AbstractEventLoop, flow: Flow) -> None:
    task = loop.create_task(flow.close())
    _closing.add(task)
    task.add_done_callback(partial(_closed, flow))


def _closed(flow: Flow, task: asyncio.Task[list[Receipt]]) -> None:
    """The task is over; when the loop ends it may have been cancelled before it began."""
    _closing.discard(task)
    if task.cancelled():
        _close_at_once(flow)


def _close_at_once(flow: Flow) -> None:
    """Close where nothing can wait any more: what would wait for the server breaks the connection instead."""
    closing = flow.close()
    try:
        closing.send(None)
    except StopIteration:
        return
    closing.close()
