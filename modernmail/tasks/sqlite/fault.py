"""What an error of SQLite means: `is_busy`, which is waited for, and `in_words`, which users read."""

from __future__ import annotations

import sqlite3

_WORDS = {
    sqlite3.SQLITE_BUSY: "is locked by another process",
    sqlite3.SQLITE_LOCKED: "is locked by another connection",
    sqlite3.SQLITE_READONLY: "is read-only",
    sqlite3.SQLITE_PERM: "may not be used: check the permissions of the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: check that its folder exists and may be written",
    sqlite3.SQLITE_FULL: "is full: the disk has no space left",
    sqlite3.SQLITE_IOERR: "cannot be read or written: is the disk full, or at fault?",
    sqlite3.SQLITE_CORRUPT: "is corrupt",
    sqlite3.SQLITE_NOTADB: "is not a SQLite database",
}


def is_busy(error: sqlite3.Error) -> bool:
    """True when somebody else has the database just now."""
    return _code(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def in_words(error: sqlite3.Error) -> str | None:
    """Return what is to be said of the database, None when SQLite's own words must do."""
    return _WORDS.get(_code(error))


def _code(error: sqlite3.Error) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF  # what is above says more than anybody wants to know
