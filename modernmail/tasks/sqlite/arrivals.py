"""Jobs that have just come in: in the table, and not yet in the index that workers choose from.

An enqueue writes its row and nothing else, one page of one tree, since each further page is waited for. The rows that
came in since a worker last looked are those with an id above the mark that he left: he admits them to the index, many
in one step, before he claims.

Rules of the file: a fresh row has an id above the mark. So ids are given out under the write lock, each greater than
all there are (`job.INSERT`), and the mark is never above the greatest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from .database import Database

_STEP = 1000  # rows admitted in one transaction: a few milliseconds, in which nobody else can write

MARK = "(SELECT CAST(value AS INTEGER) FROM modernmail_meta WHERE name = 'admitted')"
_ANY = f"SELECT 1 FROM modernmail_job WHERE id > {MARK} LIMIT 1"  # noqa: S608 - our own text
_MORE = f"SELECT 1 FROM modernmail_job WHERE id > {MARK} LIMIT 1 OFFSET {_STEP}"  # noqa: S608
_LAST = f"""SELECT max(id) FROM (
    SELECT id FROM modernmail_job WHERE id > {MARK} ORDER BY id LIMIT {_STEP})"""  # noqa: S608
_ADMIT = f"""UPDATE modernmail_job SET fresh = NULL
    WHERE id > {MARK} AND id <= ? AND fresh IS NOT NULL"""  # noqa: S608
_SET = "UPDATE modernmail_meta SET value = ? WHERE name = 'admitted'"
_LOWER = f"""UPDATE modernmail_meta SET value = (SELECT coalesce(max(id), 0) FROM modernmail_job)
    WHERE name = 'admitted' AND {MARK} > (SELECT coalesce(max(id), 0) FROM modernmail_job)"""  # noqa: S608


def have_come(database: Database) -> bool:
    """True when there is something to admit."""
    return bool(database.rows(_ANY))


def admit(connection: sqlite3.Connection) -> None:
    """Admit what has come, at most a thousand jobs, within the write transaction that a connection is in."""
    (last,) = connection.execute(_LAST).fetchone()
    if last is not None:
        connection.execute(_ADMIT, (last,))
        connection.execute(_SET, (last,))


def admit_crowd(database: Database) -> None:
    """Admit what has come until less than a thousand are left, so that the claim which admits these sees all there is.

    Each step is a transaction of its own: others can write in between.
    """
    while database.rows(_MORE):
        with database.write(durable=False) as connection:
            admit(connection)


def forget(connection: sqlite3.Connection) -> None:
    """Keep the mark right after rows were deleted: the next id follows the greatest that is left."""
    connection.execute(_LOWER)
