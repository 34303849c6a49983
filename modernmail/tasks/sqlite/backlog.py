"""What a queue still has to do, and for how long it could have been done: `Backlog`, for people and alarms.

Rules of the file: what ended costs nothing here, however much of it is kept: only what is queued, waits, or is held under a
claim is looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .arrivals import MARK
from .recovery import DEAD

if TYPE_CHECKING:
    from .database import Database

HOUR = 3600.0

_MAIL = "lane >= 'mail:' AND lane < 'mail;'"
# A job that could be taken has been so since its time came, or since it was enqueued.
_READY = f"""SELECT count(*), min(coalesce(run_after, enqueued_at)) FROM (
    SELECT run_after, enqueued_at FROM modernmail_job WHERE phase = 'queued' AND fresh IS NULL AND {_MAIL}
    UNION ALL SELECT run_after, enqueued_at FROM modernmail_job
        WHERE id > {MARK} AND phase = 'queued' AND fresh = 1 AND {_MAIL})"""  # noqa: S608 - our own text
_WAITING = f"""SELECT count(*), count(CASE WHEN run_after <= ? THEN 1 END), min(run_after)
    FROM modernmail_job WHERE phase = 'waiting' AND run_after > ? AND {_MAIL}"""  # noqa: S608
# No worker has come by since: it would have queued them.
_OVERDUE = f"""SELECT count(*), min(run_after) FROM modernmail_job
    WHERE phase = 'waiting' AND run_after <= ? AND {_MAIL}"""  # noqa: S608
_HELD = f"""SELECT count(*) FROM modernmail_job
    WHERE id IN (SELECT each.value FROM modernmail_lease, json_each(modernmail_lease.jobs) AS each)
    AND phase IN ('leased', 'content') AND {_MAIL}"""  # noqa: S608
_LEFT = f"""SELECT count(*), min(attempted_at) FROM modernmail_job
    WHERE id IN (SELECT each.value FROM modernmail_lease, json_each(modernmail_lease.jobs) AS each WHERE {DEAD})
    AND phase IN ('leased', 'content') AND {_MAIL}"""  # noqa: S608


class Backlog(NamedTuple):
    """The mails of a queue that have not ended, at one moment.

    `ready` could be sent now, the first of them for `oldest` seconds (None when there are none); `held` are in workers' hands;
    `waiting` have a time that is yet to come: `within_hour` of them within the hour, the first in `next` seconds.
    """

    ready: int
    oldest: float | None
    held: int
    waiting: int
    within_hour: int
    next: float | None


def backlog_of(database: Database, now: float, since_boot: float, boot: str) -> Backlog:
    """Return what there is to do at the time `now` (seconds since 1970), which is `since_boot` seconds in this `boot`."""
    dead = (boot, since_boot)
    parts = [
        database.rows(_READY)[0],
        database.rows(_OVERDUE, (now,))[0],
        database.rows(_LEFT, dead)[0],  # by a worker that died, and nobody has noticed
    ]
    since = [row[1] for row in parts if row[1] is not None]
    count, soon, first = database.rows(_WAITING, (now + HOUR, now))[0]
    ready = sum(row[0] for row in parts)  # type: ignore[misc]
    held = database.rows(_HELD)[0][0] - parts[2][0]  # type: ignore[operator]
    return Backlog(
        ready=ready,
        oldest=max(0.0, now - min(since)) if since else None,  # type: ignore[type-var, operator]
        held=held,
        waiting=count,  # type: ignore[arg-type]
        within_hour=soon,  # type: ignore[arg-type]
        next=None if first is None else first - now,  # type: ignore[operator]
    )
