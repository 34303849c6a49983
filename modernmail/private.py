"""Files and folders that hold mail: made for their owner's eyes alone.

What is there already keeps the permissions that it has: whoever wants to share a queue, an inbox or a folder of mails
with another account makes it first. SQLite gives its `-wal` and `-shm` files the permissions of the database.
"""

from __future__ import annotations

import os
from contextlib import suppress
from os import urandom
from pathlib import Path


def private_file(path: str | os.PathLike[str]) -> None:
    """Make an empty file that only its owner can read, unless there is one.

    What cannot be made is left to whoever opens it next, and has the better error.
    """
    if os.path.lexists(path):
        return
    # Made beside and then linked, so that its name is there only when its descriptor is closed: to close a file drops all locks
    # that this process has on it (POSIX), those of SQLite for a thread that was quicker to open it among them.
    beside = f"{os.fspath(path)}.{urandom(8).hex()}"
    try:
        os.close(os.open(beside, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600))
    except OSError:  # nothing can be there
        return
    try:
        # Somebody was quicker, or the file system has no links, and then hardly permissions.
        with suppress(OSError):
            os.link(beside, path)
    finally:
        Path(beside).unlink()


def private_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder that only its owner can enter, with the folders above it, unless it is there. Raises OSError."""
    folder = Path(path)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
