"""Jobs into the transaction that a connection is in: `insert` one, `insert_all` of several, `insert_alike` many.

Rules of the file: an id is greater than all there are; no key is taken twice; nothing is committed here.
"""

from __future__ import annotations

import sqlite3
import time
from functools import cache
from typing import TYPE_CHECKING

from modernmail.errors import IdempotencyConflict
from modernmail.tasks.jsonvalue import dumps

from .identifier import new_id
from .job import INSERT, INSERT_ALIKE, INSERT_AS, INSERT_CONTENT, INSERT_UNSIGNED, ROW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modernmail.tasks.jsonvalue import JSONValue

    from .job import NewJob

MOST = 1000  # jobs that are brought in by one statement, or one commit
_ROWS = 50  # of one statement, which runs without Python in between


def insert(connection: sqlite3.Connection, job: NewJob) -> int:
    """Store a job in the transaction that a connection is in, and return its id.

    A job whose key is taken is not stored: the id of the one that has it is returned, if it says the same, else
    `IdempotencyConflict` is raised.
    """
    if job.key is not None and (taken := _with_key(connection, job)) is not None:
        return taken
    try:
        number = connection.execute(INSERT, job.row(new_id(), time.time())).lastrowid or 0
    except sqlite3.IntegrityError:
        # Outside a transaction, another may have taken the key since.
        if job.key is not None and (taken := _with_key(connection, job)) is not None:
            return taken
        raise
    if job.content is not None:
        connection.execute(INSERT_CONTENT, (number, job.content))
    return number


def insert_all(connection: sqlite3.Connection, jobs: Sequence[NewJob]) -> range:
    """Store jobs without keys, the write lock being held, and return their ids in order."""
    row = connection.execute("SELECT max(id) FROM modernmail_job").fetchone()
    first = max(new_id(), 1 + (row[0] or 0))
    now = time.time()
    for at in range(0, len(jobs), _ROWS):
        rows: list[object] = []
        for number, job in enumerate(jobs[at : at + _ROWS], first + at):
            rows += job.row(number, now)
        connection.execute(_inserting(min(_ROWS, len(jobs) - at)), rows)
    contents = [(first + at, job.content) for at, job in enumerate(jobs) if job.content is not None]
    if contents:
        connection.executemany(INSERT_CONTENT, contents)
    return range(first, first + len(jobs))


def insert_alike(
    connection: sqlite3.Connection,
    job: NewJob,
    payloads: Sequence[JSONValue],
    signed: Callable[[str], str | None] | None = None,
) -> list[int]:
    """Store jobs that are like this one but for the payload, a JSON object each, and for what `signed` makes of its text;
    return their ids in order."""
    numbers: list[int] = []
    for at in range(0, len(payloads), MOST):
        part = payloads[at : at + MOST]
        if signed is None:
            # SQLite cuts the text of the array into those of the objects in it.
            sql, values = INSERT_UNSIGNED, part
        else:
            texts = [dumps(payload) for payload in part]
            sql, values = INSERT_ALIKE, [(text, signed(text)) for text in texts]
        shared = job.row_of_many(new_id(), time.time())
        last = connection.execute(sql, (*shared, dumps(values))).lastrowid or 0
        numbers += range(last - len(part) + 1, last + 1)
    return numbers


@cache
def _inserting(rows: int) -> str:
    return INSERT_AS + ", ".join([ROW] * rows)


def _with_key(connection: sqlite3.Connection, job: NewJob) -> int | None:
    row = connection.execute("SELECT id, digest FROM modernmail_job WHERE key = ?", (job.key,)).fetchone()
    if row is None:
        return None
    if row[1] != job.digest:
        raise IdempotencyConflict(f"the idempotency key {job.key!r} is taken by a job with other content")
    return int(row[0])
