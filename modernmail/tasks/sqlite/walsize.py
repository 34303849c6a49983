"""The length of SQLite's write-ahead log, made once for a process that writes a lot: `WalSize`."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

logger = logging.getLogger("modernmail.tasks")

_MANY = 32  # durable commits after which a process counts as one that writes a lot
_OCTETS = 4_200_000  # a little more than SQLite lets the log grow to before it begins anew


class WalSize:
    """Counts the durable commits to the queue at `path`; after some of them the log is made as long as it will be.

    A sync of a file that grows has to write the file system's own journal too, and takes many times as long; once the log
    has its length, commits overwrite it. A process that writes now and then is spared the trouble.
    """

    __slots__ = ("_commits", "_path", "is_settled")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._commits = 0
        self.is_settled = False

    def count(self, connection: sqlite3.Connection) -> None:
        """Count a durable commit."""
        self._commits += 1
        if self._commits < _MANY or self.is_settled or connection.in_transaction:
            return
        self.is_settled = True
        try:
            log = Path(f"{self._path}-wal")
            if log.exists() and log.stat().st_size < _OCTETS:
                # One may be left of a process that was killed just here.
                connection.execute(
                    "INSERT OR REPLACE INTO modernmail_content VALUES (-1, zeroblob(?))", (_OCTETS,)
                )
                connection.execute("DELETE FROM modernmail_content WHERE job = -1")
                connection.execute("PRAGMA wal_checkpoint(RESTART)")
        except (sqlite3.Error, OSError) as error:
            logger.info("the queue %s: its log was not made longer beforehand: %s", self._path, error)
