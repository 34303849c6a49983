"""Jobs in a transaction of the caller's own: `joined` makes his connection ready for them.

Rules of the file: what is enqueued together is stored as a whole or not at all, whether or not the caller goes on after
an error; a transaction of his is never ended here; one that Python would have begun for him stays open for his commit.
"""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from modernmail.errors import InvalidTask

from .schema import is_current, migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .database import Database


@contextmanager
def joined(database: Database, connection: sqlite3.Connection) -> Iterator[None]:
    """Check that a connection of the caller's can carry jobs of this queue, and explain its errors."""
    if not isinstance(connection, sqlite3.Connection):
        raise InvalidTask("connection", connection, "must be an open sqlite3.Connection")
    rows, texts = connection.row_factory, connection.text_factory
    connection.row_factory, connection.text_factory = None, str  # ours read rows as they come
    try:
        if not database.is_open_on(connection):
            raise InvalidTask(
                "connection", connection, f"its main database is another file than {database.path}"
            )
        with _as_a_whole(connection):
            if not is_current(connection):
                migrate(connection)
            yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.Error as error:
        raise database.explained(error, waited=False) from error
    finally:
        connection.row_factory, connection.text_factory = rows, texts


@contextmanager
def _as_a_whole(connection: sqlite3.Connection) -> Iterator[None]:
    if connection.in_transaction:
        connection.execute("SAVEPOINT modernmail")
        undo, end = ["ROLLBACK TO modernmail", "RELEASE modernmail"], "RELEASE modernmail"
    else:
        connection.execute("BEGIN IMMEDIATE")
        undo, end = ["ROLLBACK"], "COMMIT" if _commits_each_statement(connection) else ""
    try:
        yield
        if end:
            connection.execute(end)
    except BaseException:
        for statement in undo:
            if connection.in_transaction:  # a full disk may have ended it
                connection.execute(statement)
        raise


def _commits_each_statement(connection: sqlite3.Connection) -> bool:
    """True when Python begins no transaction by itself on this connection."""
    if getattr(connection, "autocommit", -1) is True:  # -1, or before Python 3.12: isolation_level says it
        return True
    return connection.isolation_level is None
