"""A SQLite file that several processes of one machine share: what limits and suppressions are kept in.

Rules of the file: one connection a process, used by one thread at a time; a connection never crosses a fork; whatever
SQLite cannot do is `StoreUnavailable`, so that nothing is sent that the store should have been asked about.
"""

from __future__ import annotations

import os
import sqlite3
import time
from threading import Lock

from ..errors import ConfigurationError, StoreUnavailable
from ..forks import after_fork
from ..private import private_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    T = TypeVar("T")

_TIMEOUT = 10.0  # seconds
# Inherited by a fork: closing them here could drop the parent's locks.
_abandoned: list[sqlite3.Connection] = []


class SQLiteFile:
    """The file at `path`, made when it is missing; `schema` is run when it is opened."""

    def __init__(self, path: str | os.PathLike[str], schema: str) -> None:
        try:
            self.path = os.fspath(path)
        except TypeError:
            raise ConfigurationError(f"path={path!r}: must be a str or a pathlib.Path") from None
        if not self.path or self.path == ":memory:":
            raise ConfigurationError(
                f"path={self.path!r}: must be a file, which other processes can open too"
            )
        self._schema = schema
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        after_fork(self, SQLiteFile._part)

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return `work(connection)`, done in one write transaction. Raises `StoreUnavailable`."""
        with self._lock:
            try:
                connection = self._opened()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    result = work(connection)
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise StoreUnavailable(
                    f"the store {self.path} cannot be used: {error}", is_transient=True
                ) from error
            return result

    def read(self, query: str, arguments: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Return the rows that a query finds. Raises `StoreUnavailable`."""
        with self._lock:
            try:
                return self._opened().execute(query, arguments).fetchall()
            except sqlite3.Error as error:
                raise StoreUnavailable(
                    f"the store {self.path} cannot be read: {error}", is_transient=True
                ) from error

    def _opened(self) -> sqlite3.Connection:
        connection = self._connection
        if connection is not None:
            return connection
        private_file(self.path)
        fresh = sqlite3.connect(self.path, timeout=_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            _to_wal(fresh)
            fresh.execute("PRAGMA synchronous = NORMAL")
            for statement in self._schema.split(";"):
                fresh.execute(statement)
        except BaseException:
            fresh.close()
            raise
        self._connection = fresh
        return fresh

    def _part(self) -> None:
        """In a forked child: leave the parent's connection alone, and the lock that another of its threads may hold."""
        if self._connection is not None:
            _abandoned.append(self._connection)
            self._connection = None
        self._lock = Lock()

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()

    def __repr__(self) -> str:
        return f"<SQLiteFile {self.path}>"


def _to_wal(connection: sqlite3.Connection) -> None:
    """Turn WAL mode on, when the others that open the new file at this moment let go of it.

    SQLite does not wait for a writer here, as it does elsewhere: two that want the same would wait for each other.
    """
    deadline = time.monotonic() + _TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            is_busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in (
                sqlite3.SQLITE_BUSY,
                sqlite3.SQLITE_LOCKED,
            )
            if not is_busy or time.monotonic() > deadline:
                raise
            time.sleep(_NAP)
        else:
            return


_NAP = 0.005  # seconds
