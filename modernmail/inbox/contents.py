"""Where the bytes of caught mails are: in memory, or one `.eml` file each."""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

_OURS = re.compile(r"\.?[0-9A-Za-z]{22}\.(?:eml|tmp)")
_ABANDONED = 3600.0  # seconds after which a file without a row belongs to a process that died


class Contents(Protocol):
    """Keeps bytes under the ids of mails; the index knows which there are."""

    def prepare(self, mail_id: str, content: bytes) -> None:
        """Do the slow part of keeping `content`; an OSError leaves nothing behind."""

    def keep(self, mail_id: str) -> None:
        """Make what was prepared visible, at once or not at all."""

    def drop(self, mail_id: str) -> None:
        """Forget what was prepared or kept; nothing happens when there is nothing."""

    def get(self, mail_id: str) -> bytes | None:
        """Return the bytes, or None."""


class MemoryContents:
    """Bytes in a dictionary."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}

    def prepare(self, mail_id: str, content: bytes) -> None:
        """Put them there."""
        self._contents[mail_id] = content

    def keep(self, mail_id: str) -> None:
        """They are there."""

    def drop(self, mail_id: str) -> None:
        """Take them away."""
        self._contents.pop(mail_id, None)

    def get(self, mail_id: str) -> bytes | None:
        """Return the bytes, or None."""
        return self._contents.get(mail_id)


class FolderContents:
    """Bytes in `folder/ID.eml`, exactly as they were sent; a reader never sees half a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def prepare(self, mail_id: str, content: bytes) -> None:
        """Write a hidden file."""
        hidden = self._hidden(mail_id)
        try:
            _write(hidden, content)
        except BaseException:
            with contextlib.suppress(OSError):
                hidden.unlink()
            raise

    def keep(self, mail_id: str) -> None:
        """Give it its name."""
        self._hidden(mail_id).replace(self.path(mail_id))

    def drop(self, mail_id: str) -> None:
        """Remove it."""
        self._hidden(mail_id).unlink(missing_ok=True)
        self.path(mail_id).unlink(missing_ok=True)

    def get(self, mail_id: str) -> bytes | None:
        """Return the bytes, or None."""
        try:
            return self.path(mail_id).read_bytes()
        except FileNotFoundError:
            return None

    def sweep(self, known: Container[str]) -> None:
        """Remove what processes left that died between writing a file and its row."""
        abandoned = time.time() - _ABANDONED
        for path in self._folder.iterdir():
            if _OURS.fullmatch(path.name) and path.stem.lstrip(".") not in known:
                with contextlib.suppress(FileNotFoundError):  # another process may sweep too
                    if path.stat().st_mtime < abandoned:
                        path.unlink()

    def path(self, mail_id: str) -> Path:
        """Return where the mail is."""
        return self._folder / f"{mail_id}.eml"

    def _hidden(self, mail_id: str) -> Path:
        return self._folder / f".{mail_id}.tmp"


def _write(path: Path, content: bytes) -> None:
    """Write a new file; plain system calls, since a mail is one write and there may be thousands a second."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(file, left) :]
    finally:
        os.close(file)
