"""The result of a stored task: `result_of` reads it from its job, `outcome_of` says what the job keeps of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from modernmail.errors import PayloadRejected
from modernmail.tasks.jsonvalue import dumps
from modernmail.tasks.moment import moment_at
from modernmail.tasks.result import FAILED, READY, RUNNING, SUCCESSFUL, TaskError, TaskResult
from modernmail.tasks.signature import verify
from modernmail.tasks.task import find_task

from .identifier import to_text

if TYPE_CHECKING:
    from .job import Job

VERSION = 1  # of a task's payload
_STATUS = {"leased": RUNNING, "done": SUCCESSFUL, "failed": FAILED}


def result_of(job: Job, alias: str, key: str | None) -> TaskResult[Any]:
    """Return the result that a stored job stands for, of the backend with this alias.

    Raises `PayloadRejected` for a payload of a newer version or with a signature that is not of this key, and `InvalidTask`
    when its function no longer exists.
    """
    verify(key, job.signature, job.name, job.payload)
    try:
        payload = json.loads(job.payload)
        version = payload["v"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PayloadRejected(f"job {to_text(job.id)}: the payload cannot be read: {error!r}") from error
    if version != VERSION:
        raise PayloadRejected(
            f"job {to_text(job.id)}: payload of version {version!r}; this release reads {VERSION}"
        )
    if not isinstance(payload.get("args"), list) or not isinstance(payload.get("kwargs"), dict):
        raise PayloadRejected(f"job {to_text(job.id)}: the payload has no arguments")
    task = find_task(job.name).using(priority=job.priority, queue_name=job.queue, backend=alias)
    result: TaskResult[Any] = TaskResult(
        task, to_text(job.id), payload["args"], payload["kwargs"],
        enqueued_at=moment_at(job.enqueued_at), backend=alias,
    )  # fmt: skip
    result.started_at = moment_at(job.started_at)
    result.last_attempted_at = moment_at(job.attempted_at)
    result.finished_at = moment_at(job.finished_at)
    outcome = job.known
    result.errors = [TaskError(path, text) for path, text in outcome.get("errors", ())]
    result.worker_ids = list(outcome.get("workers", ()))
    result._return_value = outcome.get("value")
    result.status = _STATUS.get(job.phase, READY)
    return result


def outcome_of(result: TaskResult[Any]) -> str:
    """Return what is stored of a result besides its times: value, errors, workers."""
    errors = [[error.exception_class_path, error.traceback] for error in result.errors]
    return dumps({"value": result._return_value, "errors": errors, "workers": result.worker_ids})
