"""Processes that bring the tables of a queue up to date: `python -m engines.migrating killed FILE`, or `together FILE`.

`killed` does it in a process that dies at the first statement of the migration, in one that dies at the second, and so on
until one comes through; it prints the versions that were found after each. `together` does it in eight processes at the same
moment, each of which then enqueues a task; it prints how many came through.
"""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from typing import TYPE_CHECKING, NoReturn

import chores

from modernmail import tasks
from modernmail.tasks.sqlite import schema

if TYPE_CHECKING:
    from collections.abc import Callable

TOGETHER = 8


def main(how: str, file: str) -> None:
    """Do it, and print what came of it."""
    tasks.configure(f"sqlite:////{file}")
    if how == "killed":
        found = []
        while died(dying_at(len(found) + 1)):
            found.append(version(file))
        print(*found, version(file))  # noqa: T201
        return
    start = time.monotonic() + 0.1

    def enqueue() -> None:
        time.sleep(max(0.0, start - time.monotonic()))
        chores.note.enqueue(1)

    children = [forked(enqueue) for _ in range(TOGETHER)]
    print(sum(os.waitpid(child, 0)[1] == 0 for child in children))  # noqa: T201


def dying_at(statement: int) -> Callable[[], None]:
    """Return what opens the queue, and dies when so many statements of the migration have begun."""

    real = schema.migrate

    def migrate(connection: sqlite3.Connection) -> None:
        begun = 0

        def count(_: str) -> None:
            nonlocal begun
            begun += 1
            if begun == statement:
                os.kill(os.getpid(), signal.SIGKILL)

        connection.set_trace_callback(count)
        real(connection)

    def opened() -> None:
        schema.migrate = migrate
        tasks.task_backends["default"].database.rows("SELECT 1")  # type: ignore[attr-defined]

    return opened


def version(file: str) -> int:
    """Return the version of the tables, as somebody else finds them."""
    connection = sqlite3.connect(file)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    found = schema.version_of(connection)
    connection.close()
    return found


def died(do: Callable[[], None]) -> bool:
    """Do it in a child; True when that was killed."""
    return os.WIFSIGNALED(os.waitpid(forked(do), 0)[1])


def forked(do: Callable[[], None]) -> int:
    """Do it in a child, and return its number."""
    return os.fork() or end(do)


def end(do: Callable[[], None]) -> NoReturn:
    """Do it and end."""
    code = 1
    try:
        do()
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
