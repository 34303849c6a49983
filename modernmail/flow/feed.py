"""Where the messages of a sending come from: any iterable, or an async one, behind one question: is there one now?

Rules of the file: an async producer is driven by one task of its own, one item ahead at most, so that a pull never waits
inside a burst; whoever stops early closes it.
"""

from __future__ import annotations

from functools import partial

from ..errors import InvalidMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import Any

END = object()  # there will be no more
LATER = object()  # not now


class Feed:
    """Items of an ordinary iterable."""

    __slots__ = ("_items", "goes_on_after_errors", "is_sequence", "size", "take")

    def __init__(self, items: Any) -> None:
        self.goes_on_after_errors = getattr(items, "goes_on_after_errors", False)
        self.is_sequence = isinstance(items, (list, tuple))
        self.size: int | None = len(items) if hasattr(items, "__len__") else None
        try:
            self._items: Iterator[Any] = iter(items)
        except TypeError:
            reason = "must be an iterable of messages, such as a list"
            if hasattr(items, "__aiter__"):
                reason += "; an async one is for asend_many"
            raise InvalidMessage("messages", items, reason) from None
        self.take: Callable[[], Any] = partial(next, self._items, END)  # the next item, or `END`

    async def ready(self) -> None:
        """An iterable is ready at once."""

    async def close(self) -> None:
        """Close a generator that was not exhausted."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


class AsyncFeed:
    """Items of an async iterable, pulled by a task when somebody asks."""

    __slots__ = ("_asked", "_error", "_item", "_items", "_news", "_task", "is_sequence", "size")
    goes_on_after_errors = False  # a generator that raised is at its end

    def __init__(self, items: Any) -> None:
        self.is_sequence = False
        self.size: int | None = None
        self._items: AsyncIterator[Any] = items.__aiter__()
        self._task: asyncio.Task[None] | None = None
        self._item: Any = LATER
        self._error: BaseException | None = None
        self._asked: asyncio.Event | None = None
        self._news: asyncio.Event | None = None

    def take(self) -> Any:
        """Return the next item, `LATER` when the producer is not ready, or `END`; raise what it raised."""
        import asyncio

        if self._error is not None:
            raise self._error
        item, self._item = self._item, LATER
        if item is END:
            self._item = END
        elif self._task is None:
            self._asked, self._news = asyncio.Event(), asyncio.Event()
            self._asked.set()
            self._task = asyncio.create_task(self._pull())
        elif item is not LATER:
            assert self._asked is not None
            assert self._news is not None
            self._news.clear()
            self._asked.set()
        return item

    async def _pull(self) -> None:
        assert self._asked is not None
        assert self._news is not None
        try:
            async for item in self._items:
                await self._asked.wait()
                self._asked.clear()
                self._item = item
                self._news.set()
            await self._asked.wait()
            self._item = END
        except BaseException as error:
            self._error = error
            if not isinstance(error, Exception):
                raise
        finally:
            self._news.set()

    async def ready(self) -> None:
        """Wait until `take` has something else to say than `LATER`."""
        if self._news is not None:
            await self._news.wait()

    async def close(self) -> None:
        """Stop the producer."""
        import asyncio

        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        close = getattr(self._items, "aclose", None)
        if close is not None:
            await close()
