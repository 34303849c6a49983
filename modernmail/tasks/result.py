"""What became of a task: `TaskResult`, its `TaskResultStatus`, its `TaskError`s, and the `TaskContext` it may
ask for.

Names and meanings are those of Django 6. A result is changed by the library only; who holds one sees it
change when the task runs in the same process, and calls `refresh` otherwise.
"""

from __future__ import annotations

import enum
import traceback as traceback_module
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from modernmail.errors import shown

from .modulepath import resolve
from .moment import iso

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .task import Task

T = TypeVar("T")


class TaskResultStatus(enum.StrEnum):
    """Where a task stands."""

    READY = "READY"
    RUNNING = "RUNNING"
    FAILED = "FAILED"
    SUCCESSFUL = "SUCCESSFUL"


READY, RUNNING, FAILED, SUCCESSFUL = TaskResultStatus


@dataclass(frozen=True, slots=True)
class TaskError:
    """One failed attempt: the class of the exception by its import path, and its traceback as text."""

    exception_class_path: str
    traceback: str

    @classmethod
    def from_exception(cls, error: BaseException) -> TaskError:
        """Return the description of an exception that was caught."""
        kind = type(error)
        lines = traceback_module.format_exception(error)
        return cls(f"{kind.__module__}.{kind.__qualname__}", "".join(lines))

    @property
    def exception_class(self) -> type[BaseException]:
        """The class itself; `ValueError` when what the path names is gone or is no exception."""
        try:
            found = resolve(self.exception_class_path)
        except (ImportError, AttributeError):
            found = None
        if not (isinstance(found, type) and issubclass(found, BaseException)):
            raise ValueError(f"{self.exception_class_path} is not an exception class (any more)")
        return found


class TaskResult(Generic[T]):
    """One enqueued call of a task, and what became of it.

    `id`, `task`, `backend` (its alias), `args` and `kwargs` (as JSON values) are known at once; `status`,
    `started_at`, `last_attempted_at`, `finished_at`, `attempts`, `errors` (one `TaskError` for each failed
    attempt) and `worker_ids` (one for each attempt) as it runs. Times are aware, in UTC.
    """

    __slots__ = (
        "_return_value", "args", "backend", "enqueued_at", "errors", "finished_at", "id", "kwargs",
        "last_attempted_at", "started_at", "status", "task", "worker_ids",
    )  # fmt: skip

    def __init__(
        self,
        task: Task[..., T],
        id: str,  # noqa: A002 - Django's name
        args: list[Any],
        kwargs: dict[str, Any],
        *,
        enqueued_at: datetime | None = None,
        backend: str = "default",
    ) -> None:
        self.task = task
        self.id = id
        self.status: TaskResultStatus = READY
        self.enqueued_at = enqueued_at
        self.started_at: datetime | None = None
        self.finished_at: datetime | None = None
        self.last_attempted_at: datetime | None = None
        self.args = args
        self.kwargs = kwargs
        self.backend = backend
        self.errors: list[TaskError] = []
        self.worker_ids: list[str] = []
        self._return_value: T | None = None

    @property
    def return_value(self) -> T:
        """What the task returned, as JSON values; `ValueError` when it failed or has not finished."""
        if self.status is SUCCESSFUL:
            return self._return_value  # type: ignore[return-value]
        if self.status is FAILED:
            why = f": {self.errors[-1].exception_class_path}; see .errors" if self.errors else ""
            raise ValueError(f"Task failed{why}")
        raise ValueError("Task has not finished yet")

    @property
    def is_finished(self) -> bool:
        """True when it failed or succeeded: nothing will change any more."""
        return self.status is FAILED or self.status is SUCCESSFUL

    @property
    def attempts(self) -> int:
        """How many times it was started."""
        return len(self.worker_ids)

    def refresh(self) -> None:
        """Read its state from the backend again."""
        self._become(self.task.get_backend().get_result(self.id))

    async def arefresh(self) -> None:
        """Read its state from the backend again."""
        self._become(await self.task.get_backend().aget_result(self.id))

    def _become(self, other: TaskResult[Any]) -> None:
        for name in TaskResult.__slots__:
            if name != "task":
                setattr(self, name, getattr(other, name))

    def to_dict(self) -> Mapping[str, Any]:
        """Return what is known as JSON values, times in ISO 8601: for logs and for other programs."""
        return {
            "id": self.id,
            "task": self.task.module_path,
            "status": self.status.value,
            "args": self.args,
            "kwargs": self.kwargs,
            "enqueued_at": iso(self.enqueued_at),
            "started_at": iso(self.started_at),
            "last_attempted_at": iso(self.last_attempted_at),
            "finished_at": iso(self.finished_at),
            "attempts": self.attempts,
            "errors": [{"exception": e.exception_class_path, "traceback": e.traceback} for e in self.errors],
            "worker_ids": list(self.worker_ids),
            "return_value": self._return_value,
        }

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaskResult):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in TaskResult.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"<TaskResult {self.id} of {self.task.module_path}: {self.status.value}, args {shown(self.args)}>"
        )


@dataclass(frozen=True, slots=True)
class TaskContext:
    """What a task with `takes_context=True` gets first: its `task_result`, and the number of this `attempt`
    from 1."""

    task_result: TaskResult[Any]

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.task_result.attempts
