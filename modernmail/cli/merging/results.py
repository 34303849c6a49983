"""The results of a merge as a CSV file: a line for each row."""

from __future__ import annotations

import csv
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from modernmail.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from .state import State

COLUMNS = ("row", "to", "status", "reply", "message_id", "at")
WORDS = {"ready": "not sent", "content": "unknown", "bad": "bad row"}


def check_results(path: Path) -> None:
    """Raise `ConfigurationError` when no results could be written there: better known before the first mail."""
    beside = _beside(path)
    try:
        with _made(beside, path):
            pass
        beside.unlink()
    except OSError as error:
        raise ConfigurationError(f"--results {str(path)!r}: cannot be written: {error.strerror}") from error


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.urandom(8).hex()}")


def _made(beside: Path, path: Path) -> IO[str]:
    """Open a new file, which nobody else can have put there: with the permissions of the one it will replace, or, as it
    holds addresses, for its owner alone."""
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    if path.exists():
        os.chmod(beside, path.stat().st_mode & 0o777)  # noqa: PTH101  # named with its file
    return os.fdopen(descriptor, "w", encoding="utf-8", newline="")


def write_results(path: Path, state: State) -> None:
    """Write all that is known of each row, in place of what the file held.

    `status` is accepted, deferred, rejected, unknown, `not sent` or `bad row`; `reply` is what the server said, or why
    it was not asked; `at` is the time of it, in UTC.
    """
    beside = _beside(path)
    try:
        with _made(beside, path) as file:
            out = csv.writer(file)
            out.writerow(COLUMNS)
            for row in state.rows():
                at = (
                    ""
                    if row.at is None
                    else datetime.fromtimestamp(row.at, UTC).isoformat(timespec="seconds")
                )
                number = "" if row.number is None else row.number
                out.writerow(
                    (
                        number,
                        row.recipient,
                        WORDS.get(row.phase, row.phase),
                        row.reply or "",
                        row.message_id or "",
                        at,
                    )
                )
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigurationError(f"--results {str(path)!r}: cannot be written: {error.strerror}") from error
