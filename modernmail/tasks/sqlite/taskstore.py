"""The tasks in a SQLite queue as they are stored: `TaskStore` shows them, and has failed ones tried again.

It needs none of their functions: a task whose function is gone, or whose payload is refused, can be looked at too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail.errors import QueueError, TaskResultDoesNotExist
from modernmail.tasks.moment import moment_at

from .identifier import to_number, to_text
from .job import SELECTED, Job

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .backend import SQLiteBackend

STATUSES = ("waiting", "queued", "running", "done", "failed")
_OF_PHASE = {"leased": "running"}
_PAGE = 500
_PHASE = {status: phase for phase, status in _OF_PHASE.items()}
_LIST = f"""SELECT {SELECTED} FROM modernmail_job WHERE lane = 'task' AND id > ? AND (? IS NULL OR phase = ?)
    ORDER BY id LIMIT {_PAGE}"""  # noqa: S608
_AGAIN = """UPDATE modernmail_job SET phase = 'queued', finished_at = NULL, attempts = ?
    WHERE id = ? AND phase = 'failed'"""


class TaskStore:
    """The tasks of one queue; each is shown as a dictionary of JSON values, times in ISO 8601."""

    def __init__(self, backend: SQLiteBackend) -> None:
        self.backend = backend

    def task(self, task_id: str) -> dict[str, Any]:
        """Return the task with this id, or raise `TaskResultDoesNotExist`."""
        return _shown(self._job(task_id))

    def tasks(self, status: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the tasks in order of arrival; with a status, those that have it."""
        last = 0
        phase = _PHASE.get(status, status) if status else None
        while rows := self.backend.database.rows(_LIST, (last, phase, phase)):
            yield from (_shown(Job.from_row(row)) for row in rows)
            last = rows[-1][0]  # type: ignore[assignment]

    def retry(self, task_id: str) -> None:
        """Queue a failed task again; `QueueError` when it has not failed."""
        job = self._job(task_id)
        workers = job.known.get("workers", ())
        if job.phase != "failed" or not self.backend.database.execute(_AGAIN, (len(workers), job.id)):
            raise QueueError(f"task {task_id} is {_status(job)}: only a failed one is tried again")

    def _job(self, task_id: str) -> Job:
        number = to_number(task_id)
        job = None if number is None else self.backend.jobs.find(number)
        if job is None or job.lane != "task":
            raise TaskResultDoesNotExist(f"{self.backend} has no task {task_id!r}")
        return job


def _shown(job: Job) -> dict[str, Any]:
    outcome = job.known
    return {
        "id": to_text(job.id),
        "task": job.name,
        "status": _status(job),
        "queue_name": job.queue,
        "priority": job.priority,
        "attempts": job.attempts,
        "enqueued_at": _moment(job.enqueued_at),
        "run_after": _moment(job.run_after),
        "last_attempted_at": _moment(job.attempted_at),
        "finished_at": _moment(job.finished_at),
        "payload": job.payload,
        "return_value": outcome.get("value"),
        "errors": [{"exception": path, "traceback": text} for path, text in outcome.get("errors", ())],
    }


def _status(job: Job) -> str:
    return _OF_PHASE.get(job.phase, job.phase)


def _moment(seconds: float | None) -> str | None:
    moment = moment_at(seconds)
    return None if moment is None else moment.isoformat()
