"""The index of words: which mails a word stands in, by SQLite's FTS5.

Only `Index` calls it, in its transactions. Rules of the file: texts wait in a table until somebody searches for words, or
until a batch has gathered; where SQLite has no FTS5, searches compare the texts of the rows instead.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .search import parse_search

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .search import Condition

_BATCH = 200  # mails whose words are indexed together: singly, the index would be written over and over


class WordIndex:
    """The words of the mails in `db`; `exists` is False where this SQLite made none."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._waiting = 0
        table = "SELECT 1 FROM sqlite_master WHERE name = 'words'"
        self.exists = db.execute(table).fetchone() is not None

    def add(self, seq: int, text: str) -> None:
        """Take the text of the mail with this number."""
        self._db.execute("INSERT INTO unindexed VALUES (?, ?)", (seq, text))
        self._waiting += 1
        if self._waiting >= _BATCH:
            self._index()

    def remove(self, numbers: Sequence[tuple[int]]) -> None:
        """Forget the texts of these mails."""
        self._db.executemany("DELETE FROM unindexed WHERE seq = ?", numbers)
        self._db.executemany("DELETE FROM words WHERE rowid = ?", numbers)

    def _index(self) -> None:
        """Move the texts that wait into the index of words: many at once cost little more than one."""
        self._db.execute("INSERT INTO words (rowid, text) SELECT seq, text FROM unindexed")
        self._db.execute("DELETE FROM unindexed")
        self._waiting = 0

    @contextmanager
    def asking(self, query: str) -> Iterator[Condition]:
        """Give the condition of a search, with the words indexed if it looks for words.

        The search runs before that is committed: should the disk be full, its answer is right all the same,
        and the words wait on.
        """
        where = parse_search(query, has_fts=self.exists)
        if not (self.exists and where.has_words):
            yield where
        elif self._db.in_transaction:
            self._index()
            yield where
        elif not self._db.execute("SELECT 1 FROM unindexed LIMIT 1").fetchone():
            yield where
        else:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._index()
                yield where
            except BaseException:
                self._rollback()
                raise
            try:
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                self._rollback()
                if "full" not in str(error):
                    raise

    def _rollback(self) -> None:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
