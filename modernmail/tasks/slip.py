"""What an engine carries for us: `Slip`, one job as text, with all that a worker elsewhere needs to run it.

Rules of the file: JSON and nothing else; a version; a signature where a key is set. What grows from attempt
to attempt (errors, workers, the state of each recipient) is in `progress`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from modernmail.errors import PayloadRejected

from .jsonvalue import dumps
from .moment import moment_at
from .result import FAILED, READY, SUCCESSFUL, TaskError, TaskResult, TaskResultStatus
from .signature import queue_key, sign, verify
from .task import find_task

if TYPE_CHECKING:
    from datetime import datetime

VERSION = 1


@dataclass(slots=True)
class Slip:
    """One job. `kind` is task or mail; `name` the task's path or the mailer; times are seconds since 1970."""

    id: str
    kind: str
    name: str
    payload: dict[str, Any]
    queue: str = "default"
    priority: int = 0
    enqueued_at: float = 0.0
    not_before: float | None = None
    progress: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_result(cls, result: TaskResult[Any], not_before: float | None) -> Slip:
        """Return the slip of a task that was just enqueued."""
        task = result.task
        enqueued_at = result.enqueued_at.timestamp() if result.enqueued_at else 0.0
        payload = {"args": result.args, "kwargs": result.kwargs}
        path = task.module_path
        return cls(result.id, "task", path, payload, task.queue_name, task.priority, enqueued_at, not_before)

    def to_text(self) -> str:
        """Return the slip as signed text."""
        body = dumps([
            VERSION, self.id, self.kind, self.name, self.payload, self.queue, self.priority, self.enqueued_at,
            self.not_before, self.progress,
        ])  # fmt: skip
        return dumps({"slip": body, "signature": sign(queue_key(), body)})

    @classmethod
    def from_text(cls, text: str) -> Slip:
        """Return the slip in the text; `PayloadRejected` for a newer version, a wrong signature, or other
        text."""
        try:
            outer = json.loads(text)
            body = outer["slip"]
            version, *fields = json.loads(body)
            signature = outer["signature"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise PayloadRejected("the engine delivered a job that is none of modernmail's") from error
        verify(queue_key(), signature, body)
        if version != VERSION:
            raise PayloadRejected(f"job of version {version!r}; this release reads {VERSION}")
        try:
            slip = cls(*fields)
        except TypeError as error:
            raise PayloadRejected("the engine delivered a job that is none of modernmail's") from error
        if slip.kind not in ("task", "mail") or not isinstance(slip.payload, dict):
            raise PayloadRejected("the engine delivered a job that is none of modernmail's")
        return slip

    @classmethod
    def of_record(cls, slip_id: str, text: str) -> Slip:
        """Return the slip in the text of a record; `PayloadRejected` for one of another job as well, though it is signed."""
        slip = cls.from_text(text)
        if slip.id != slip_id:
            raise PayloadRejected(f"the record of the job {slip_id} was replaced by that of {slip.id!r}")
        return slip

    def result(self, alias: str) -> TaskResult[Any]:
        """Return the task's result as far as the slip knows; `InvalidTask` when its function is gone."""
        task = find_task(self.name).using(priority=self.priority, queue_name=self.queue, backend=alias)
        progress = self.progress
        result: TaskResult[Any] = TaskResult(
            task,
            self.id,
            self.payload["args"],
            self.payload["kwargs"],
            enqueued_at=moment_at(self.enqueued_at),
            backend=alias,
        )
        result.started_at = moment_at(progress.get("started_at"))
        result.last_attempted_at = moment_at(progress.get("last_attempted_at"))
        result.finished_at = moment_at(progress.get("finished_at"))
        result.errors = [TaskError(*pair) for pair in progress.get("errors", ())]
        result.worker_ids = list(progress.get("workers", ()))
        result._return_value = progress.get("value")
        result.status = TaskResultStatus(progress.get("status", READY))
        return result

    def note(self, result: TaskResult[Any]) -> None:
        """Take over what has come of the task so far."""

        def seconds(moment: datetime | None) -> float | None:
            return None if moment is None else moment.timestamp()

        self.progress = {
            **self.progress,
            "status": result.status.value,
            "started_at": seconds(result.started_at),
            "last_attempted_at": seconds(result.last_attempted_at),
            "finished_at": seconds(result.finished_at),
            "errors": [[error.exception_class_path, error.traceback] for error in result.errors],
            "workers": result.worker_ids,
            "value": result._return_value,
        }

    def fail(self, error: Exception, now: float) -> None:
        """End as failed, for an error that came before the function was called."""
        described = TaskError.from_exception(error)
        errors = [*self.progress.get("errors", ()), [described.exception_class_path, described.traceback]]
        self.progress = {**self.progress, "status": FAILED.value, "errors": errors, "finished_at": now}

    @property
    def is_finished(self) -> bool:
        """True when the job has come to its end."""
        if self.kind == "mail":
            return self.progress.get("phase", "queued") not in ("queued", "waiting", "leased", "content")
        return self.progress.get("status") in (FAILED.value, SUCCESSFUL.value)
