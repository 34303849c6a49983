"""The file of the queue: one connection for each process, and its transactions.

Rules of the file: a connection never crosses a fork; nothing is begun in a file that is no longer where the queue is;
nothing waits longer for the write lock than `patience` seconds; no error of `sqlite3` leaves it unmapped, but for
`IntegrityError`, which means something to the caller.
"""

from __future__ import annotations

import random
import sqlite3
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from modernmail.errors import ConfigurationError, QueueUnavailable
from modernmail.forks import after_fork
from modernmail.private import private_file

from .fault import in_words, is_busy
from .place import Place
from .schema import make_ready
from .walsize import WalSize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

LEAST_SQLITE = (3, 35)  # UPDATE … RETURNING


class Database:
    """The SQLite file at `path`, in WAL mode, made with its tables when it is first used, for its owner alone.

    `synchronous` is FULL (a commit survives the loss of power) or NORMAL (it survives `kill -9`, but the last
    ones may be lost with the power); `patience` is how many seconds a locked database is waited for.
    """

    def __init__(self, path: str, *, synchronous: str = "FULL", patience: float = 30.0) -> None:
        if sqlite3.sqlite_version_info < LEAST_SQLITE:
            raise ConfigurationError(
                f"the queue needs SQLite 3.35 or later; this Python has {sqlite3.sqlite_version}"
            )
        if not path or path.startswith(":memory:") or "\0" in path:
            raise ConfigurationError(f"sqlite: {path!r} is no file; a durable queue needs one")
        self.path = Path(path).absolute()
        self.synchronous = synchronous
        self.patience = patience
        self._connection: sqlite3.Connection | None = None
        # For statements without rows: `connection.execute` makes a new one for each, and keeps a list of them.
        self._cursor: sqlite3.Cursor
        self.place = Place(self.path)
        self._set_to = ""
        self._wal = WalSize(self.path)
        self.lock = threading.RLock()
        after_fork(self, Database._part)

    def __str__(self) -> str:
        return f"the queue {self.path}"

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Enter a transaction that writes; it commits at the end, and rolls back when something is raised.

        With `durable=False` it commits under NORMAL: safe against `kill -9`, not against the loss of power.
        """
        with self.lock:
            connection = self._for(durable)
            if durable:
                self.place.check()
            self.patiently(connection.execute, "BEGIN IMMEDIATE")
            try:
                yield connection
                self.patiently(connection.execute, "COMMIT")
                if durable:
                    self._wal.count(connection)
            except BaseException as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.IntegrityError):
                    raise self.explained(error) from error
                raise

    def execute(self, sql: str, parameters: object = (), *, durable: bool = True) -> int:
        """Run one statement that writes as a transaction of its own, and return the number of rows it
        changed."""
        with self.lock:
            connection = self._for(durable)
            try:
                changed = self._cursor.execute(sql, parameters).rowcount  # type: ignore[arg-type]
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error:
                # Said again, it is either done or explained.
                changed = self.patiently(connection.execute, sql, parameters).rowcount
            if durable and not self._wal.is_settled:
                self._wal.count(connection)
            return changed

    def insert(self, sql: str, parameters: tuple[object, ...]) -> int:
        """Run one INSERT of a row as a durable transaction of its own, and return the row's id."""
        with self.lock:
            connection = self._connection
            if connection is None or self._set_to != self.synchronous:
                connection = self._for(True)
            self.place.check()
            try:
                number = self._cursor.execute(sql, parameters).lastrowid
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error:
                # Said again, it is either done or explained.
                number = self.patiently(connection.execute, sql, parameters).lastrowid
            if not self._wal.is_settled:
                self._wal.count(connection)
            return number or 0

    def together(self, *statements: tuple[str, tuple[object, ...]]) -> list[int]:
        """Run statements that write as one transaction under NORMAL, and return how many rows each changed."""
        with self.lock:
            connection = self._for(False)
            execute = self._cursor.execute
            self.patiently(execute, "BEGIN IMMEDIATE")
            try:
                changed = [execute(sql, parameters).rowcount for sql, parameters in statements]
                execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:
                    execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise self.explained(error) from error
                raise
            return changed

    def rows(self, sql: str, parameters: object = ()) -> list[tuple[object, ...]]:
        """Return the rows of a query."""
        with self.lock:
            connection = self._for(None)
            return self.patiently(lambda: connection.execute(sql, parameters).fetchall())  # type: ignore[arg-type]

    def patiently(self, step: Callable[..., T], *arguments: object) -> T:
        """Return what the step returns, called with these arguments; while the database is locked it is
        repeated, for at most `patience` seconds.

        SQLite's own waiting doubles up to 100 ms; with many short writers a brief random wait loses less.
        """
        deadline = wait = 0.0
        while True:
            try:
                return step(*arguments)
            except sqlite3.IntegrityError:
                raise
            except sqlite3.Error as error:
                now = time.monotonic()
                deadline = deadline or now + self.patience
                if not is_busy(error) or now > deadline:
                    raise self.explained(error) from error
            wait = min(wait * 1.5, 0.02) or 0.0002
            time.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - spreads the waiters

    def explained(self, error: sqlite3.Error, *, waited: bool = True) -> QueueUnavailable:
        """Return the library's error for one of SQLite's; `waited` says that it came after our own patience."""
        says = in_words(error)
        long = f" for {self.patience:g} s" if waited and is_busy(error) else ""
        return QueueUnavailable(f"{self} {says}{long} ({error})" if says else f"{self}: {error}")

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        with self.lock:
            connection, self._connection = self._connection, None
            self.place.forget()
            if connection is not None:
                connection.close()

    def _part(self) -> None:
        """In a forked child: leave the parent's connection alone, unclosed, since closing would drop the parent's locks."""
        if self._connection is not None:
            _parents.append(self._connection)
            self._connection = None
            self.place.forget()
        self.lock = threading.RLock()

    def __del__(self) -> None:
        connection = getattr(self, "_connection", None)
        if connection is not None:
            connection.close()

    def is_open_on(self, connection: sqlite3.Connection) -> bool:
        """True when a connection of the caller's has this very file as its main database."""
        for _, name, file in connection.execute("PRAGMA database_list"):
            if name == "main" and file:
                here = self.path
                return Path(file).resolve() == here.resolve() or (here.exists() and here.samefile(file))
        return False

    def _for(self, durable: bool | None) -> sqlite3.Connection:
        connection = self._connection
        if connection is None:
            connection = self._opened()
        if durable is not None:
            wanted = self.synchronous if durable else "NORMAL"
            # A statement inside a transaction commits with it, as that one was begun.
            if wanted != self._set_to and not connection.in_transaction:
                connection.execute(f"PRAGMA synchronous = {wanted}")
                self._set_to = wanted
        return connection

    def _opened(self) -> sqlite3.Connection:
        private_file(self.path)
        try:
            connection = sqlite3.connect(
                self.path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=256
            )
        except sqlite3.Error as error:
            raise self.explained(error) from error
        try:
            self.patiently(make_ready, connection)
        except BaseException:
            connection.close()
            raise
        self.place.note()
        self._connection = connection
        self._cursor = connection.cursor()
        self._set_to = ""
        return connection


_parents: list[sqlite3.Connection] = []
