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
_INTO = """INSERT INTO modernmail_job
    (id, lane, queue, priority, phase, run_after, expires, name, payload, signature, key, digest, enqueued_at, fresh)"""
# The id is given out under the write lock, after that of every job there is: `arrivals.py` counts on it.
_ID = "max(?, 1 + coalesce((SELECT max(id) FROM modernmail_job), 0))"
_REST = ", ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
INSERT = f"{_INTO} VALUES ({_ID}{_REST}"
# What nearly every task is, due at once and unsigned: half the values are to be bound.
_INSERT_PLAIN = f"""INSERT INTO modernmail_job
    (id, lane, queue, priority, phase, name, payload, enqueued_at, fresh) VALUES ({_ID}, ?, ?, ?, 'queued', ?, ?, ?, 1)"""  # noqa: S608
INSERT_AS = f"{_INTO} VALUES "  # and one `ROW` or more, under ids that are known to come after all others
ROW = f"(?{_REST}"
# Rows that differ in payload and signature only, from a JSON array of them: nothing is bound for each row.
INSERT_ALIKE = f"""WITH first (id) AS MATERIALIZED (SELECT {_ID})
    {_INTO} SELECT first.id + each.key, ?, ?, ?, ?, ?, ?, ?,
        json_extract(each.value, '$[0]'), json_extract(each.value, '$[1]'), ?, ?, ?, ?
    FROM first, json_each(?) AS each"""  # noqa: S608 - our own text
INSERT_UNSIGNED = INSERT_ALIKE.replace("json_extract(each.value, '$[0]')", "each.value").replace(
    "json_extract(each.value, '$[1]')", "NULL"
)
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

    def insertion(self, number: int, now: float) -> tuple[str, tuple[object, ...]]:
        """Return the statement that stores this job, which has no key, enqueued now, and what is bound to it."""
        if self.run_after is None and self.expires is None and self.signature is None:
            row = (number, self.lane, self.queue, self.priority, self.name, self.payload, now)
            return _INSERT_PLAIN, row
        return INSERT, self.row(number, now)

    def row(self, number: int, now: float) -> tuple[object, ...]:
        """Return the row of `INSERT` under this id, enqueued now: queued, or waiting for its time."""
        is_due = self.run_after is None or self.run_after <= now
        return (
            number, self.lane, self.queue, self.priority, "queued" if is_due else "waiting", self.run_after,
            self.expires, self.name, self.payload, self.signature, self.key, self.digest, now, is_due or None,
        )  # fmt: skip

    def row_of_many(self, number: int, now: float) -> tuple[object, ...]:
        """Return what `INSERT_ALIKE` wants before the JSON array: this job's row without payload and signature."""
        row = self.row(number, now)
        return *row[:8], *row[10:]


def forget_deaths(known: dict[str, Any]) -> None:
    """Take away from an outcome what it says of workers that died with the mail."""
    known.pop("lost", None)
    known.pop("spared", None)


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
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def lost(self) -> int:
        """How many workers have died with this mail in their hands since it last came to something."""
        found = 0 if self.outcome is None else self.known.get("lost", 0)
        return found if isinstance(found, int) else 0

    @property
    def is_spared(self) -> bool:
        """True when it has been put off since a worker last died with it: now it is tried once more."""
        return self.known.get("spared") == self.lost

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> Job:
        """Return the job in a row of `SELECTED`."""
        return cls(*row)
