"""What time brings back: jobs whose hour has come, and jobs whose worker has died."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .boot import boot_id

if TYPE_CHECKING:
    from .database import Database

_DUE = "SELECT 1 FROM modernmail_job WHERE phase = 'waiting' AND run_after <= ? LIMIT 1"
# `run_after` stays, and says since when it could have been run.
_WAKE = """UPDATE modernmail_job SET phase = 'queued' WHERE id IN (
    SELECT id FROM modernmail_job WHERE phase = 'waiting' AND run_after <= ? ORDER BY run_after LIMIT 1000)"""
DEAD = "(modernmail_lease.boot <> ? OR modernmail_lease.until <= ?)"  # this boot, and the seconds in it
_DEAD = f"SELECT token, boot, jobs FROM modernmail_lease WHERE {DEAD}"  # noqa: S608 - our own text
_ALIVE = f"SELECT 1 FROM modernmail_lease WHERE NOT {DEAD} LIMIT 1"  # noqa: S608
_TO_UNKNOWN = """UPDATE modernmail_job SET phase = 'unknown', holder = lease, lease = NULL, finished_at = ?
    WHERE id IN (SELECT value FROM json_each(?)) AND lease = ? AND lane <> 'task' AND (phase = 'content' OR ?)
    RETURNING id"""
# A mail keeps count of the workers that died with it in their hands: one after the other, it may be what kills them.
_TO_QUEUED = """UPDATE modernmail_job SET phase = 'queued', lease = NULL, outcome = CASE
        WHEN lane = 'task' THEN outcome
        WHEN outcome IS NULL THEN '{"recipients":{},"lost":1}'
        WHEN json_valid(outcome) THEN json_set(outcome, '$.lost', coalesce(json_extract(outcome, '$.lost'), 0) + 1)
        ELSE outcome END
    WHERE id IN (SELECT value FROM json_each(?)) AND lease = ?"""


def wake(database: Database, now: float | None = None) -> int:
    """Queue jobs whose `run_after` has come, at most 1000 at a time; return how many."""
    now = time.time() if now is None else now
    if not database.rows(_DUE, (now,)):
        return 0
    return database.execute(_WAKE, (now,), durable=False)


def next_due(database: Database) -> float | None:
    """Return the time of the next waiting job, in seconds since 1970."""
    rows = database.rows("SELECT min(run_after) FROM modernmail_job WHERE phase = 'waiting'")
    return rows[0][0]  # type: ignore[return-value]


def is_held(database: Database) -> bool:
    """True while a worker that is alive holds jobs."""
    return bool(database.rows(_ALIVE, (boot_id(), time.monotonic())))


def recover(database: Database) -> tuple[int, list[int]]:
    """Take back what is held under leases that ran out; return how many jobs were queued again, and the ids of those
    that are unknown now.

    A mail in phase `content` may have been accepted: it becomes unknown. So does every mail that was held
    when the machine went down, since the mark of its commit point may have been lost with the power. All else
    is queued.
    """
    boot = boot_id()
    database.place.check()
    if not database.rows(_DEAD, (boot, time.monotonic())):
        return 0, []
    queued, unknown = 0, []
    with database.write() as connection:
        for token, of_boot, jobs in connection.execute(_DEAD, (boot, time.monotonic())).fetchall():
            parameters = (time.time(), jobs, token, of_boot != boot)
            unknown += [row[0] for row in connection.execute(_TO_UNKNOWN, parameters).fetchall()]
            queued += connection.execute(_TO_QUEUED, (jobs, token)).rowcount
            connection.execute("DELETE FROM modernmail_lease WHERE token = ?", (token,))
    return queued, unknown
