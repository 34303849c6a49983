"""`SQLiteLimits`: tokens that the processes of one machine share."""

from __future__ import annotations

import time

from ..sqlitefile import SQLiteFile
from .bucket import taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    import sqlite3

    from .bucket import Limit

_SCHEMA = "CREATE TABLE IF NOT EXISTS buckets (name TEXT PRIMARY KEY, tokens REAL NOT NULL, at REAL NOT NULL) WITHOUT ROWID"


class SQLiteLimits:
    """Tokens in the SQLite file at `path`, which is made when it is missing.

    Every process that opens this file and names the same bucket shares its rate. Raises `StoreUnavailable` when the file
    cannot be used.
    """

    is_local = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = SQLiteFile(path, _SCHEMA)

    def take(self, name: str, limit: Limit, cost: int) -> float:
        """Take tokens, or return the seconds until they are there."""

        def take(connection: sqlite3.Connection) -> float:
            now = time.time()  # of the machine, as other processes see it
            row = connection.execute("SELECT tokens, at FROM buckets WHERE name = ?", (name,)).fetchone()
            tokens, at = (limit.capacity, now) if row is None else row
            tokens, wait = taken(limit, tokens, now - at, cost)
            connection.execute("INSERT OR REPLACE INTO buckets VALUES (?, ?, ?)", (name, tokens, now))
            return wait

        return self._file.run(take)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._file.close()

    def __repr__(self) -> str:
        return f"<SQLiteLimits {self._file.path}>"
