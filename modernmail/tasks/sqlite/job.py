"""A job of the queue as values: `NewJob` goes in, `Job` comes out. Neither knows what its payload means."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = (
    "id", "lane", "queue", "priority", "phase", "run_after", "expires", "name", "payload", "signature", "key",
    "digest", "enqueued_at", "started_at", "attempted_at", "finished_at", "attempts", "lease", "outcome",
)  # fmt: skip
SELECTED = ", ".join(COLUMNS)
INSERT = """INSERT INTO modernmail_job
    (id, lane, queue, priority, phase, run_after, expires, name, payload, signature, key, digest, enqueued_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
INSERT_CONTENT = "INSERT INTO modernmail_content (job, content) VALUES (?, ?)"


@dataclass(slots=True)
class NewJob:
    """What is to be stored: `run_after` and `expires` are seconds since 1970, `content` is kept apart from
    the rest."""

    lane: str
    name: str
    payload: str
    queue: str = "default"
    priority: int = 0
    run_after: float | None = None
    expires: float | None = None
    signature: str | None = None
    key: str | None = None
    digest: bytes | None = None
    content: bytes | None = None

    @property
    def is_plain(self) -> bool:
        """True when one row is all there is to store."""
        return self.content is None and self.key is None

    def row(self, number: int, now: float) -> tuple[object, ...]:
        """Return the row of `INSERT` under this id, enqueued now: queued, or waiting for its time."""
        phase = "queued" if self.run_after is None or self.run_after <= now else "waiting"
        return (
            number, self.lane, self.queue, self.priority, phase, self.run_after, self.expires, self.name,
            self.payload, self.signature, self.key, self.digest, now,
        )  # fmt: skip


@dataclass(slots=True)
class Job:
    """What is stored, as it stood when it was read."""

    id: int
    lane: str
    queue: str
    priority: int
    phase: str
    run_after: float | None
    expires: float | None
    name: str
    payload: str
    signature: str | None
    key: str | None
    digest: bytes | None
    enqueued_at: float
    started_at: float | None
    attempted_at: float | None
    finished_at: float | None
    attempts: int
    lease: str | None
    outcome: str | None

    @property
    def known(self) -> dict[str, Any]:
        """What has come of it so far; nothing, when what is stored of that cannot be read."""
        try:
            found = json.loads(self.outcome or "{}")
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Job:
        """Return the job in a row of `SELECTED`."""
        return cls(*row)
