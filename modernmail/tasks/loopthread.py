"""An event loop in a thread of its own, on which worker threads run `async def` functions: `LoopThread`.

One loop for all of them, so that connections which belong to a loop are reused from task to task.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from modernmail.forks import after_fork

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
P = ParamSpec("P")


class LoopThread:
    """Runs coroutines from any thread; the loop starts with the first one and ends with `close`."""

    def __init__(self) -> None:
        self._reset()
        after_fork(self, LoopThread._in_child)

    def _reset(self) -> None:
        """Begin without a loop: also in a forked child, where nobody turns the parent's."""
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def _in_child(self) -> None:
        if self._loop is not None:
            _parents.append(self._loop)  # left alone: its selector is shared with the parent
        self._reset()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return the result of the coroutine, run on the loop; the calling thread waits."""
        value, error = asyncio.run_coroutine_threadsafe(_contained(coroutine), self._started()).result()
        if error is not None:
            raise error
        return value  # type: ignore[return-value]

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a plain function here; run an `async def` one on the loop while this thread waits."""
        value = function(*args, **kwargs)
        return self.run(value) if asyncio.iscoroutine(value) else value

    def start(self) -> None:
        """Start the loop now: at the end of a program it may be too late for a new thread."""
        self._started()

    def close(self) -> None:
        """End the loop, cancelling what still runs on it."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(_Threads())
                self._thread = threading.Thread(
                    target=_turn, args=(self._loop,), name="modernmail-loop", daemon=True
                )
                self._thread.start()
            return self._loop


_parents: list[asyncio.AbstractEventLoop] = []


async def _contained(coroutine: Coroutine[Any, Any, T]) -> tuple[T | None, BaseException | None]:
    """Return what the coroutine returns, or the exception with which asyncio would end the whole loop."""
    try:
        return await coroutine, None
    except (KeyboardInterrupt, SystemExit) as error:
        return None, error


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


class _Threads(ThreadPoolExecutor):
    """A thread for each call. The standard pool refuses work once the interpreter shuts down, which is
    exactly when queued tasks are drained, and name look-ups go through it."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                value = function(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - handed to whoever awaits it
                future.set_exception(error)
            else:
                future.set_result(value)

        try:
            threading.Thread(target=run, name="modernmail-call", daemon=True).start()
        except RuntimeError:
            # Python 3.12.0 and 3.12.1 start no thread once the main one has ended: the loop waits for this
            # call.
            run()
        return future
