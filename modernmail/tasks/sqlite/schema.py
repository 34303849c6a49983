"""The tables of the queue, and how an older file is brought up to date.

They may live in a database of the application's own, so that a job can be part of its transactions: every
name begins with `modernmail_`, and the version stands in a table, not in `user_version`.

A job's `phase` is one of::

    waiting    until run_after                    leased     some worker has it, under a lease
    queued     may be claimed                     content    its final dot may be out: no way back
    done, failed                                  a task's end
    accepted, rejected, expired, discarded        a mail's end
    unknown                                       a mail that may have been accepted: parked until someone
    decides

A program of an earlier release that has the file open goes on with it while another brings the tables up to date: each step
of `MIGRATIONS` leaves its statements right. One that opens it afterwards is told to upgrade.

What is enqueued is `queued` and `fresh`, and in no index until a worker admits it: see `arrivals.py`.
Only `leased` and `content` have a `lease`; `holder` is the lease under which a job became unknown, whose late
outcome still counts. Times are seconds since 1970, but a lease's `until` is seconds since the `boot` it
names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modernmail.errors import QueueUnavailable

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE modernmail_meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE modernmail_job (
            id INTEGER PRIMARY KEY,
            lane TEXT NOT NULL,        -- 'task', or 'mail:' and the name of the mailer
            queue TEXT NOT NULL,
            priority INTEGER NOT NULL,
            phase TEXT NOT NULL,
            run_after REAL,
            expires REAL,
            name TEXT NOT NULL,        -- the task's import path, or the Message-ID
            payload TEXT NOT NULL,     -- JSON: arguments, or envelope and settings
            signature TEXT,
            key TEXT,                  -- idempotency key
            digest BLOB,               -- of what was enqueued under the key
            enqueued_at REAL NOT NULL,
            started_at REAL,
            attempted_at REAL,
            finished_at REAL,
            attempts INTEGER NOT NULL DEFAULT 0,
            lease TEXT,
            holder TEXT,
            outcome TEXT               -- JSON: what has come of it so far
        )""",
        """CREATE INDEX modernmail_ready ON modernmail_job (lane, queue, priority DESC, id)
            WHERE phase = 'queued'""",
        "CREATE INDEX modernmail_waiting ON modernmail_job (run_after) WHERE phase = 'waiting'",
        "CREATE UNIQUE INDEX modernmail_key ON modernmail_job (key) WHERE key IS NOT NULL",
        "CREATE TABLE modernmail_content (job INTEGER PRIMARY KEY, content BLOB NOT NULL)",
        """CREATE TABLE modernmail_lease (
            token TEXT PRIMARY KEY, worker TEXT NOT NULL, boot TEXT NOT NULL, until REAL NOT NULL,
            jobs TEXT NOT NULL         -- JSON: the ids that were claimed under it
        ) WITHOUT ROWID""",
        """CREATE TABLE modernmail_pause (
            lane TEXT PRIMARY KEY, reason TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
            times INTEGER NOT NULL
        ) WITHOUT ROWID""",
    ),
    # What an earlier release queued is admitted: it stands in the index. Its own statements go on being right.
    (
        "ALTER TABLE modernmail_job ADD COLUMN fresh INTEGER",  # 1 until it is admitted, then NULL
        "DROP INDEX modernmail_ready",
        """CREATE INDEX modernmail_ready ON modernmail_job (lane, queue, priority DESC, id)
            WHERE phase = 'queued' AND fresh IS NULL""",
        """INSERT INTO modernmail_meta (name, value)
            SELECT 'admitted', coalesce(max(id), 0) FROM modernmail_job""",
    ),
)

_EXISTS = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'modernmail_meta'"
_VERSION = "SELECT value FROM modernmail_meta WHERE name = 'schema'"
_SET_VERSION = "INSERT OR REPLACE INTO modernmail_meta (name, value) VALUES ('schema', ?)"


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of the tables in a database, 0 when it has none."""
    if connection.execute(_EXISTS).fetchone() is None:
        return 0
    row = connection.execute(_VERSION).fetchone()
    return 0 if row is None else int(row[0])


def is_current(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> bool:
    """True when the tables are those of this release; `QueueUnavailable` when they are of a newer one."""
    version = version_of(connection)
    if version > len(migrations):
        raise QueueUnavailable(
            f"the queue has tables of version {version}, and this release of modernmail knows versions up to "
            f"{len(migrations)}: upgrade modernmail here"
        )
    return version == len(migrations)


def migrate(connection: sqlite3.Connection, migrations: Sequence[Sequence[str]] = MIGRATIONS) -> None:
    """Bring the tables up to this release, within the transaction that the connection is in."""
    if is_current(connection, migrations):
        return
    for statements in migrations[version_of(connection) :]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(_SET_VERSION, (str(len(migrations)),))


def make_ready(connection: sqlite3.Connection) -> None:
    """Bring the tables of a file up to this release, and set up a connection of our own to it."""
    if not is_current(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            migrate(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # a full disk may have ended it, and is what is to be said
                connection.execute("ROLLBACK")
            raise
    elif connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        # The tables were made in a transaction of the application's, before the queue was first opened.
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA journal_size_limit = 67108864")
    connection.execute("PRAGMA cache_size = -16000")
