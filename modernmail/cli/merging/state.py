"""How far a merge has come, row by row: `State`, an SQLite file that survives whatever ends the run.

A row is known by its recipient and how many rows before it had the same, so that it is found again in a file to which
rows were added. Its phase is ready, content, accepted, deferred, rejected, unknown or bad.

Rules of the file: a row in phase `content` is written to the disk before its mail's final dot is sent; one that is found in
it by a later run was being sent when the run died: it is `unknown` from then on, and never sent again by itself. The file
is locked while a run has it: two runs would send everything twice.
"""

from __future__ import annotations

import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple

from modernmail.errors import ConfigurationError, StoreUnavailable
from modernmail.private import private_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import TypeVar

    T = TypeVar("T")

_VERSION = "1"
_SLOW = 0.005  # seconds: an outcome waits no longer than this for the next commit point

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS row (
    key TEXT NOT NULL, nth INTEGER NOT NULL, number INTEGER, recipient TEXT NOT NULL, phase TEXT NOT NULL,
    reply TEXT, message_id TEXT, at REAL, PRIMARY KEY (key, nth)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS row_number ON row (number);
CREATE TEMP TABLE IF NOT EXISTS seen (key TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID
"""
_LOST = "the run that sent it ended before the server's reply"


class Known(NamedTuple):
    """What is known of a row; `number` is None for one that is no longer in the file."""

    number: int | None
    recipient: str
    phase: str
    reply: str | None
    message_id: str | None
    at: float | None


class State:
    """The state at `path`, made when it is missing; without a path it is kept until the run ends.

    Raises `ConfigurationError` when another run has it, or it is something else.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.is_kept = path is not None
        self._marks: list[tuple[str, str, str | None, float, int]] = []
        self._heard = 0.0
        self._gap = 0.0
        if path is not None and path.is_dir():
            raise ConfigurationError(f"--resume {str(path)!r}: is a folder; name a file")
        if path is not None:
            private_file(path)
        try:
            self._database = sqlite3.connect("" if path is None else path, isolation_level=None, timeout=0)
        except sqlite3.Error as error:
            raise ConfigurationError(f"--resume {str(path)!r}: cannot be opened: {error}") from error
        try:
            self._open()
        except BaseException:
            self._database.close()
            raise

    def _open(self) -> None:
        run = self._database.execute
        try:
            # The lock is taken with the first write and kept; it goes with the process, however that ends.
            run("PRAGMA locking_mode = EXCLUSIVE")
            if self.is_kept:
                run("PRAGMA journal_mode = WAL")
                run("PRAGMA synchronous = FULL")
            else:
                run("PRAGMA synchronous = OFF")
            run("BEGIN IMMEDIATE")
            tables = {name for (name,) in run("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            if tables - {"meta", "row"}:
                raise ConfigurationError(f"{self.path} is a database of something else: name another file")
            for statement in _SCHEMA.split(";"):
                run(statement)
            version = self.meta("version")
            if version not in (None, _VERSION):
                raise ConfigurationError(
                    f"{self.path} is of version {version}; this release reads {_VERSION}"
                )
            self.put_meta("version", _VERSION)
            run("UPDATE row SET phase = 'unknown', reply = ? WHERE phase = 'content'", (_LOST,))
            run("COMMIT")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ConfigurationError(
                    f"{self.path} is in use: another merge is running with it"
                ) from error
            raise ConfigurationError(f"{self.path} cannot be used: {error}") from error
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(f"{self.path} is not the state of a merge: {error}") from error

    def meta(self, key: str) -> str | None:
        """Return what was noted under a name."""
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def put_meta(self, key: str, value: str) -> None:
        """Note something."""
        self._database.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    # -- before the sending ------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Begin to take in the rows of the file; nothing counts before `commit_rows`."""
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("DELETE FROM seen")
        self._database.execute("DELETE FROM row WHERE phase = 'bad'")
        self._database.execute("UPDATE row SET number = NULL")

    def add(self, number: int, key: str, recipient: str) -> None:
        """Take in a row of the file."""
        nth = self._database.execute(
            "INSERT INTO seen VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET count = count + 1 RETURNING count",
            (key,),
        ).fetchone()[0]
        self._database.execute(
            "INSERT INTO row (key, nth, number, recipient, phase) VALUES (?, ?, ?, ?, 'ready') "
            "ON CONFLICT (key, nth) DO UPDATE SET number = excluded.number, recipient = excluded.recipient",
            (key, nth, number, recipient),
        )

    def add_bad(self, number: int, recipient: str, fault: str) -> None:
        """Take in a row that no mail can be made of."""
        self._database.execute(
            "INSERT INTO row (key, nth, number, recipient, phase, reply) VALUES ('', ?, ?, ?, 'bad', ?)",
            (number, number, recipient, fault),
        )

    def repeated(self) -> int:
        """Return how many rows have a recipient that a row before them has, too."""
        return int(self._database.execute("SELECT coalesce(sum(count - 1), 0) FROM seen").fetchone()[0])

    def commit_rows(self) -> None:
        """The rows are as they were taken in."""
        self._database.execute("COMMIT")

    def forget_rows(self) -> None:
        """The rows are as they were before `begin`."""
        self._database.execute("ROLLBACK")

    # -- while it is sent --------------------------------------------------------------------------------------

    def phase_of(self, number: int) -> tuple[str, str] | None:
        """Return the recipient's key and the phase of a row; None when it was not taken in."""
        found = self._database.execute("SELECT key, phase FROM row WHERE number = ?", (number,)).fetchone()
        return None if found is None else (str(found[0]), str(found[1]))

    def commit_point(self, number: int, message_id: str) -> None:
        """Write to the disk that this row's mail is about to be sent, with the outcomes of those before it.

        Raises `StoreUnavailable`: then it must not be sent.
        """
        if self._marks:
            self._gap = time.monotonic() - self._heard

        def work() -> None:
            self._write_marks()
            self._database.execute(
                "UPDATE row SET phase = 'content', reply = NULL, message_id = ?, at = ? WHERE number = ?",
                (message_id, time.time(), number),
            )

        self._transaction(work)
        self._marks.clear()

    def settle(self, number: int, phase: str, reply: str, message_id: str | None) -> None:
        """Say what became of a row; it is written at once, or with what comes within milliseconds."""
        self._marks.append((phase, reply, message_id, time.time(), number))
        self._heard = time.monotonic()
        if self._gap > _SLOW or len(self._marks) >= 100:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet. Raises `StoreUnavailable`."""
        if self._marks:
            self._transaction(self._write_marks)
            self._marks.clear()
            self._gap = 0.0

    def _write_marks(self) -> None:
        self._database.executemany(
            "UPDATE row SET phase = ?, reply = ?, message_id = coalesce(?, message_id), at = ? WHERE number = ?",
            self._marks,
        )

    def _transaction(self, work: Callable[[], T]) -> T:
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                result = work()
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the state {self.path} cannot be written: {error}") from error
        return result

    # -- afterwards --------------------------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """Return how many rows of the file are in each phase."""
        found = self._database.execute("SELECT phase, count(*) FROM row WHERE number NOT NULL GROUP BY phase")
        return dict(found.fetchall())

    def rows(self, phase: str | None = None) -> Iterator[Known]:
        """Yield what is known of each row, in the order of the file, those that are gone from it at the end."""
        where = "" if phase is None else "WHERE phase = ? "
        for row in self._database.execute(
            f"SELECT number, recipient, phase, reply, message_id, at FROM row {where}"  # noqa: S608  # no input in it
            "ORDER BY number IS NULL, number, key, nth",
            () if phase is None else (phase,),
        ):
            yield Known(*row)

    def close(self) -> None:
        """Write what is left, and let another run have it."""
        try:
            self.flush()
        finally:
            self._database.close()
