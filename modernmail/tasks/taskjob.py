"""A task in the queue: `run` makes one attempt at the job that stands for it, and returns what to store of it."""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

from modernmail.errors import QueueError
from modernmail.runtime import run_blocking

from .attempt import attempt
from .result import TaskError
from .sqlite.lease import Mark
from .sqlite.taskresult import outcome_of, result_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .sqlite.backend import SQLiteBackend
    from .sqlite.job import Job

logger = logging.getLogger("modernmail.tasks")

LOST = 5  # workers that a task may take with it


def run(
    job: Job, backend: SQLiteBackend, worker: str, call: Callable[..., Any]
) -> tuple[Mark, Exception | None]:
    """Return the mark of an attempt, and the error that kept the function from being called at all.

    `call(function, *args, **kwargs)` is how the function is run.
    """
    try:
        result = result_of(job, backend.alias, backend.key)
        if (lost := job.attempts - 1 - len(result.worker_ids)) >= LOST:
            raise QueueError(f"its worker died {lost} times while it ran: it is not tried again")
    except Exception as error:
        # Whatever importing its module raises is the task's failure, not the worker's.
        logger.exception("task %s cannot be run", job.name)
        return Mark(job.id, job.lease or "", "failed", _failure(job, error)), error
    # Attempts that ended with their worker left no trace but their number.
    result.worker_ids += ["lost"] * (job.attempts - 1 - len(result.worker_ids))
    delay = run_blocking(attempt(result, type(backend), worker, call))
    outcome = outcome_of(result)
    if delay is not None:
        return Mark(job.id, job.lease or "", "waiting", outcome, time.time() + delay), None
    return Mark(job.id, job.lease or "", "failed" if result.status == "FAILED" else "done", outcome), None


def _failure(job: Job, error: Exception) -> str:
    outcome: dict[str, Any] = {"value": None, "errors": [], "workers": [], **job.known}
    described = TaskError.from_exception(error)
    outcome["errors"].append([described.exception_class_path, described.traceback])
    return json.dumps(outcome)
