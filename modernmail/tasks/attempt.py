"""One attempt at a task, from RUNNING to its end: the same steps for every backend, sync or async."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .jsonvalue import normalise_receipts
from .result import FAILED, READY, RUNNING, SUCCESSFUL, TaskContext, TaskError
from .signals import task_finished, task_started

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .backend import TaskBackend
    from .result import TaskResult

    Call = Callable[..., Awaitable[Any]]

logger = logging.getLogger("modernmail.tasks")


async def attempt(
    result: TaskResult[Any], backend: type[TaskBackend], worker: str, call: Call
) -> float | None:
    """Make one attempt and leave its outcome in `result`.

    `call(function, *args, **kwargs)` is how the function is run. Returns None when the task is over, or the
    seconds to wait before the next attempt, the result being READY again.
    """
    now = datetime.now(UTC)
    result.last_attempted_at = now
    if result.started_at is None:
        result.started_at = now
    result.worker_ids.append(worker)
    result.status = RUNNING
    task_started.send(backend, result)
    task = result.task
    args = (TaskContext(result), *result.args) if task.takes_context else result.args
    try:
        value = normalise_receipts(await call(task.func, *args, **result.kwargs), "return value")
    except BaseException as error:
        if _ends_more_than_the_task(error):
            raise
        delay = None if task.retry is None else task.retry.delay_after(result.attempts, error)
        result.errors.append(TaskError.from_exception(error))
        if delay is not None:
            result.status = READY
            kind = type(error).__name__
            said = "task %s %s: attempt %d failed, next in %.1f s: %s: %s"
            logger.warning(said, task.module_path, result.id, result.attempts, delay, kind, error)
            return delay
        logger.exception("task %s %s failed at attempt %d", task.module_path, result.id, result.attempts)
        _finish(result, FAILED)
    else:
        result._return_value = value
        _finish(result, SUCCESSFUL)
    task_finished.send(backend, result)
    return None


def _ends_more_than_the_task(error: BaseException) -> bool:
    """True for what is meant for who runs the task: Ctrl-C in the main thread, the end of a loop or of a coroutine.

    Everything else is the task's own failure, whatever its class: a worker outlives it.
    """
    if isinstance(error, KeyboardInterrupt):
        return threading.current_thread() is threading.main_thread()
    if isinstance(error, asyncio.CancelledError):
        try:
            running = asyncio.current_task()
        except RuntimeError:  # no loop is here
            return False
        return running is not None and running.cancelling() > 0
    return isinstance(error, GeneratorExit)


def _finish(result: TaskResult[Any], status: Any) -> None:
    result.finished_at = datetime.now(UTC)
    result.status = status  # last: who polls the status finds the rest in place


async def call_here(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a function in this thread, an `async def` one on an event loop of its own: for backends that
    block."""
    value = function(*args, **kwargs)
    return asyncio.run(value) if asyncio.iscoroutine(value) else value


async def call_on_loop(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Await an `async def` function on the running loop; call a plain one in a thread."""
    if inspect.iscoroutinefunction(function):
        return await function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)
