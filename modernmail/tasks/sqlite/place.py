"""Which file the queue was opened as, and whether it is still there: `Place`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from modernmail.errors import QueueUnavailable

if TYPE_CHECKING:
    from pathlib import Path


class Place:
    """The file at `path`, once it was noted."""

    __slots__ = ("_name", "_noted")

    def __init__(self, path: Path) -> None:
        self._name = str(path)  # asked about at each enqueue, where a path's own conversion would show
        self._noted: tuple[int, int] | None = None  # device and inode

    def note(self) -> None:
        """Keep in mind which file is there: it has just been opened."""
        found = os.stat(self._name)  # noqa: PTH116  # as above
        self._noted = found.st_dev, found.st_ino

    def forget(self) -> None:
        """Nothing is open any more."""
        self._noted = None

    def check(self) -> None:
        """Raise `QueueUnavailable` when the file that is open was deleted, moved or replaced: what is written there is lost.

        It is not opened anew: to close the old one would take the log of the new one away, which has the same name.
        """
        if self._noted is None:
            return
        try:
            found = os.stat(self._name)  # noqa: PTH116  # as above
        except OSError as error:
            says = f"cannot be found any more ({error.strerror})"
        else:
            if (found.st_dev, found.st_ino) == self._noted:
                return
            says = "is another file now"
        raise QueueUnavailable(
            f"the queue {self._name} {says}: put back the one that is open, or restart this program"
        )
