"""Files and folders that hold mail: made for their owner's eyes alone.

What is there already keeps the permissions that it has: whoever wants to share a queue, an inbox or a folder of mails
with another account makes it first. SQLite gives its `-wal` and `-shm` files the permissions of the database.
"""

from __future__ import annotations

import os
from pathlib import Path


def private_file(path: str | os.PathLike[str]) -> None:
    """Make an empty file that only its owner can read, unless there is one.

    What cannot be made is left to whoever opens it next, and has the better error.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600))
    except OSError:  # it is there, or nothing can be there
        return


def private_folder(path: str | os.PathLike[str]) -> None:
    """Make a folder that only its owner can enter, with the folders above it, unless it is there. Raises OSError."""
    folder = Path(path)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
