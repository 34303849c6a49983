"""What ended long ago is forgotten: `Forgetting`, a walk over the jobs in order of arrival, some at a time.

Rules of the file: a step looks at so many jobs and no more, however many there are; no transaction holds the write lock for
more than `_STEP` jobs, or many octets of content; what somebody has resent since it was looked at stays.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from modernmail.tasks.jsonvalue import dumps

from .arrivals import forget

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .database import Database

_STEP = 1000  # jobs that are deleted in one transaction: some milliseconds, in which nobody else can write
_OCTETS = 16_000_000  # of content that one deletes: SQLite walks over all its pages

_LOOK = "SELECT id, enqueued_at, finished_at, phase FROM modernmail_job WHERE id > ? ORDER BY id LIMIT ?"
# Contents are looked up one by one: see `_CONTENTS` in `queue.py`.
_LENGTHS = """SELECT each.value, coalesce((SELECT length(content) FROM modernmail_content WHERE job = each.value), 0)
    FROM json_each(?) AS each"""
_DELETE = """DELETE FROM modernmail_job
    WHERE id IN (SELECT value FROM json_each(?)) AND finished_at < ? AND phase <> 'unknown'"""
_DELETE_CONTENT = """DELETE FROM modernmail_content
    WHERE job = ? AND NOT EXISTS (SELECT 1 FROM modernmail_job WHERE id = ?)"""


class Forgetting:
    """The walk over one queue: it ends at the first job that is too young to have ended long ago, then begins anew."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._at = 0  # the id of the last job that was looked at

    @property
    def is_through(self) -> bool:
        """True when the next step begins at the oldest job."""
        return self._at == 0

    def step(self, before: float, at_most: int) -> int:
        """Look at the next `at_most` jobs, forget those that ended before this time (seconds since 1970), unknown ones
        excepted, and return how many these were."""
        now = time.time()
        ended: list[int] = []
        rows = self._database.rows(_LOOK, (self._at, at_most))
        at = int(rows[-1][0]) if len(rows) == at_most else 0  # type: ignore[call-overload]
        for number, enqueued_at, finished_at, phase in rows:
            # Not by the time in the ids: after a clock that was ahead once, they all are of that time.
            if before <= enqueued_at <= now:  # type: ignore[operator]
                at = 0
                break
            if finished_at is not None and finished_at < before and phase != "unknown":  # type: ignore[operator]
                ended.append(number)  # type: ignore[arg-type]
        gone = sum(self._forget(part, before) for part in self._parts(ended))
        self._at = at
        return gone

    def _parts(self, numbers: list[int]) -> Iterator[list[int]]:
        found = self._database.rows(_LENGTHS, (dumps(numbers),)) if numbers else []
        lengths: dict[int, int] = dict(found)  # type: ignore[arg-type]
        part: list[int] = []
        octets = 0
        for number in numbers:
            length = lengths.get(number, 0)
            if part and (len(part) >= _STEP or octets + length > _OCTETS):
                yield part
                part, octets = [], 0
            part.append(number)
            octets += length
        if part:
            yield part

    def _forget(self, numbers: list[int], before: float) -> int:
        ids = dumps(numbers)
        with self._database.write(durable=False) as connection:
            gone = connection.execute(_DELETE, (ids, before)).rowcount
            if gone:
                connection.executemany(_DELETE_CONTENT, [(number, number) for number in numbers])
                forget(connection)
        return gone
