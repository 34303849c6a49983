"""A job of the queue as values: `NewJob` goes in, `Job` comes out. Neither knows what its payload means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

COLUMNS = (
    "id", "lane", "queue", "priority", "phase", "run_after", "expires", "name", "payload", "signature", "key",
    "digest", "enqueued_at", "started_at", "attempted_at", "finished_at", "attempts", "lease", "outcome",
)  # fmt: skip
SELECTED = ", ".join(COLUMNS)


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

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Job:
        """Return the job in a row of `SELECTED`."""
        return cls(*row)
