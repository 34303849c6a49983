"""Weight: the octets of all mails of an index together, which are asked for after every mail.

Only `Index` calls it, in its transactions. Rules of the file: what this process adds and removes is counted along; what
another one did to the file is seen by SQLite's `data_version`, and then all is counted anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_FEW = 100  # rows whose sizes are looked up to be taken off


class Weight:
    """The octets of the mails in `db`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._octets: int | None = None
        self._version = 0

    @property
    def octets(self) -> int:
        """How many there are."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if self._octets is None or version != self._version:
            self._version = version
            (self._octets,) = self._db.execute("SELECT coalesce(sum(size), 0) FROM mails").fetchone()
        return int(self._octets or 0)

    def add(self, octets: int) -> None:
        """Count a mail of so many octets."""
        if self._octets is not None:
            self._octets += octets

    def remove(self, numbers: Sequence[tuple[int]]) -> None:
        """Count these mails, which are still there, no more."""
        if self._octets is None or len(numbers) > _FEW:
            self.forget()
            return
        for number in numbers:
            found = self._db.execute("SELECT size FROM mails WHERE seq = ?", number).fetchone()
            self._octets -= found[0] if found else 0

    def forget(self) -> None:
        """Count anew when asked: what was counted did not come to be."""
        self._octets = None
