"""`Task`: a function that can be run later, elsewhere. Names and meanings are those of Django 6."""

from __future__ import annotations

import asyncio
import inspect
import sys
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

from modernmail.errors import InvalidTask, TaskResultMismatch

from .callables import check_function, takes_parameter
from .modulepath import resolve
from .moment import check_moment, moment_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from .backend import TaskBackend
    from .registry import TaskBackends
    from .result import TaskResult
    from .retry import Retry

P = ParamSpec("P")
T = TypeVar("T")

DEFAULT_BACKEND = "default"
DEFAULT_QUEUE = "default"
MIN_PRIORITY, MAX_PRIORITY = -100, 100


@dataclass(frozen=True)
class Task(Generic[P, T]):
    """A function that can be enqueued. Made by `@task`; changed copies come from `using`.

    `priority` is from -100 to 100, higher first; `run_after` is an aware datetime, or a timedelta counted
    from each enqueue; `backend` is a registered name or a URL; `retry` says whether a failed attempt is
    followed by another.
    """

    func: Callable[..., Any]
    _: KW_ONLY
    priority: int = 0
    queue_name: str = DEFAULT_QUEUE
    backend: str = DEFAULT_BACKEND
    run_after: datetime | timedelta | None = None
    takes_context: bool = False
    retry: Retry | None = None
    connection: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_function(self.func, takes_context=self.takes_context)
        check_settings(self.priority, queue_name=self.queue_name, backend=self.backend)
        check_moment("run_after", self.run_after)

    @property
    def name(self) -> str:
        """The name of the function."""
        return str(self.func.__name__)

    # These two are asked for with every enqueue, and never change.
    @cached_property
    def module_path(self) -> str:
        """The import path of the function: what a stored job holds."""
        return f"{self.func.__module__}.{self.func.__qualname__}"

    @cached_property
    def is_async(self) -> bool:
        """True for an `async def` function."""
        return inspect.iscoroutinefunction(self.func)

    def using(
        self,
        *,
        priority: int | None = None,
        queue_name: str | None = None,
        run_after: datetime | timedelta | None = None,
        backend: str | None = None,
        connection: Any = None,
    ) -> Task[P, T]:
        """Return the same task with these settings changed.

        `connection` is your own open `sqlite3` or psycopg connection: what is enqueued belongs to its
        transaction.
        """
        given: dict[str, Any] = {
            "priority": priority,
            "queue_name": queue_name,
            "run_after": run_after,
            "backend": backend,
            "connection": connection,
        }
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    def get_backend(self) -> TaskBackend:
        """Return the backend this task is enqueued on."""
        return _backends()[self.backend]

    def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[T]:
        """Queue a call with these arguments and return its result, which is READY, or done on an immediate
        backend.

        `connection=` stands for `using(connection=...)` when the function has no parameter of that name.
        Raises `InvalidTask` for arguments that are not JSON values, or what this backend cannot do.
        """
        this = self._within(kwargs) if "connection" in kwargs else self
        return _backends()[this.backend].enqueue(this, args, kwargs)

    async def aenqueue(self, *args: P.args, **kwargs: P.kwargs) -> TaskResult[T]:
        """Queue a call, as `enqueue` does, without blocking the event loop."""
        this = self._within(kwargs) if "connection" in kwargs else self
        return await this.get_backend().aenqueue(this, args, kwargs)

    def enqueue_many(self, calls: Iterable[Mapping[str, Any] | Sequence[Any]]) -> list[TaskResult[T]]:
        """Queue one call for each item, a mapping of keyword arguments or a sequence of positional ones.

        A durable backend stores them in one transaction: all or none, and many times faster than one by one.
        """
        return self.get_backend().enqueue_many(self, (_arguments(call) for call in calls))

    async def aenqueue_many(self, calls: Iterable[Mapping[str, Any] | Sequence[Any]]) -> list[TaskResult[T]]:
        """Queue one call for each item, as `enqueue_many` does, without blocking the event loop."""
        return await self.get_backend().aenqueue_many(self, [_arguments(call) for call in calls])

    def get_result(self, result_id: str) -> TaskResult[T]:
        """Return the result kept under this id.

        Raises `TaskResultDoesNotExist`, or `TaskResultMismatch` when it belongs to another task.
        """
        return self._own(self.get_backend().get_result(result_id))

    async def aget_result(self, result_id: str) -> TaskResult[T]:
        """Return the result kept under this id, as `get_result` does."""
        return self._own(await self.get_backend().aget_result(result_id))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the function here and now, an `async def` one on an event loop of its own, and return its
        value."""
        if self.is_async:
            value: T = asyncio.run(self.func(*args, **kwargs))
            return value
        return self.func(*args, **kwargs)  # type: ignore[no-any-return]

    async def acall(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the function here and now, a plain one in a thread, and return its value."""
        if self.is_async:
            return await self.func(*args, **kwargs)  # type: ignore[no-any-return]
        return await asyncio.to_thread(self.func, *args, **kwargs)

    if not TYPE_CHECKING:  # a type checker knows by itself

        def __call__(self, *_: object, **__: object) -> None:
            """Say what to write instead."""
            raise TypeError(
                f"the task {self.module_path} is not called: .enqueue(…) queues it, .call(…) runs it here and now"
            )

    def starts_at(self, now: datetime) -> datetime | None:
        """Return when a call enqueued `now` may start, in UTC, or None for at once."""
        return None if self.run_after is None else moment_of("run_after", self.run_after, now)

    def is_importable(self) -> bool:
        """True when a fresh process that imports `module_path` finds this very function."""
        module = self.func.__module__
        found = getattr(sys.modules.get(module), self.func.__name__, None)
        return module != "__main__" and isinstance(found, Task) and found.func is self.func

    def _within(self, kwargs: dict[str, Any]) -> Task[P, T]:
        if takes_parameter(self.func, "connection"):
            return self
        return self.using(connection=kwargs.pop("connection"))

    def _own(self, result: TaskResult[Any]) -> TaskResult[T]:
        if result.task.func is not self.func:
            raise TaskResultMismatch(
                f"{result.id} is a result of {result.task.module_path}, not of {self.module_path}"
            )
        return result

    def __reduce__(self) -> tuple[object, ...]:
        changes = {name: getattr(self, name) for name in ("priority", "queue_name", "run_after", "backend")}
        return _restore, (self.module_path, changes)


def check_settings(priority: object, **names: object) -> None:
    """Raise `InvalidTask` for a priority that is none, and for what cannot be the name of a queue, a backend, a mailer."""
    if type(priority) is not int or not MIN_PRIORITY <= priority <= MAX_PRIORITY:
        raise InvalidTask(
            "priority", priority, f"must be a whole number between {MIN_PRIORITY} and {MAX_PRIORITY}"
        )
    for argument, name in names.items():
        if not isinstance(name, str) or not name or not name.isprintable():
            raise InvalidTask(argument, name, "must be a name: printable text, not empty")


def find_task(module_path: str) -> Task[..., Any]:
    """Return the task at this import path.

    Raises `InvalidTask` when its module cannot be imported or has no such task (any more).
    """
    try:
        found = resolve(module_path)
    except (ImportError, AttributeError) as error:
        raise InvalidTask("task", module_path, f"cannot be found: {error}") from error
    if not isinstance(found, Task):
        raise InvalidTask(
            "task", module_path, f"is {type(found).__name__}, not a task: decorate it with @task"
        )
    return found


@cache
def _backends() -> TaskBackends:
    """Return the backends, imported when the first task is enqueued."""
    from .registry import task_backends

    return task_backends


def _restore(module_path: str, changes: dict[str, Any]) -> Task[..., Any]:
    return find_task(module_path).using(**changes)


def _arguments(call: Mapping[str, Any] | Sequence[Any]) -> tuple[Sequence[Any], Mapping[str, Any]]:
    if type(call) is dict:
        return (), call
    if isinstance(call, (str, bytes)):
        raise InvalidTask(
            "calls", call, "each item is a mapping of keyword arguments or a sequence of positional ones"
        )
    return ((), call) if hasattr(call, "keys") else (call, {})  # type: ignore[return-value]
