"""`SQLiteSuppressions`: suppressed addresses that the processes of one machine share."""

from __future__ import annotations

import time

from .sqlitefile import SQLiteFile
from .suppress import suppression_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Iterator

    from ..address import Address

_SCHEMA = """CREATE TABLE IF NOT EXISTS suppressions (
    address TEXT PRIMARY KEY, reason TEXT NOT NULL, since REAL NOT NULL
) WITHOUT ROWID"""
_AT_ONCE = 500  # addresses in one question


class SQLiteSuppressions:
    """Suppressed addresses in the SQLite file at `path`, which is made when it is missing.

    `add`, `discard`, `in` and iteration take and give addresses. Raises `StoreUnavailable` when the file cannot be used.
    """

    is_local = False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._file = SQLiteFile(path, _SCHEMA)

    def add(self, address: str | Address, reason: str = "") -> None:
        """Suppress an address from now on."""
        row = (suppression_key(address), reason, time.time())

        def add(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR REPLACE INTO suppressions VALUES (?, ?, ?)", row)

        self._file.run(add)

    def discard(self, address: str | Address) -> None:
        """Suppress it no more."""
        key = suppression_key(address)

        def discard(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM suppressions WHERE address = ?", (key,))

        self._file.run(discard)

    def find(self, keys: tuple[str, ...]) -> dict[str, str]:
        """Return those of the keys that are suppressed, each with its reason."""
        found: dict[str, str] = {}
        for at in range(0, len(keys), _AT_ONCE):
            some = keys[at : at + _AT_ONCE]
            marks = ",".join("?" * len(some))
            query = f"SELECT address, reason FROM suppressions WHERE address IN ({marks})"  # noqa: S608  # only marks
            found.update((str(key), str(reason)) for key, reason in self._file.read(query, some))
        return found

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        self._file.close()

    def __contains__(self, address: str | Address) -> bool:
        return bool(self.find((suppression_key(address),)))

    def __iter__(self) -> Iterator[str]:
        return iter(
            [str(key) for (key,) in self._file.read("SELECT address FROM suppressions ORDER BY address")]
        )

    def __len__(self) -> int:
        ((count,),) = self._file.read("SELECT count(*) FROM suppressions")
        return int(str(count))

    def __repr__(self) -> str:
        return f"<SQLiteSuppressions {self._file.path}>"
