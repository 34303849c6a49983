"""Weight: the octets of all mails of an index together, which are asked for after every mail.

A mail weighs what its content does, and its envelope where that is long: there may be a thousand recipients of two thousand
letters to no content at all, and the index holds what they say four times.

Only `Index` calls it, in its transactions. Rules of the file: what this process adds and removes is counted along; what
another one did to the file is seen by SQLite's `data_version`, and then all is counted anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

_FEW = 100  # rows whose weights are looked up to be taken off
_LIGHT, _TIMES = 4000, 4  # octets of an envelope that count nothing; how often those beyond are held
# The weight of a row, as SQL; both columns are JSON in ASCII.
WEIGHT = f"size + {_TIMES} * max(0, length(recipients) + length(recipient_options) - {_LIGHT})"

_SUM = f"SELECT coalesce(sum({WEIGHT}), 0) FROM mails"  # noqa: S608 - our own text
_ONE = f"SELECT {WEIGHT} FROM mails WHERE seq = ?"  # noqa: S608


def weight_of(size: int, recipients: str, recipient_options: str) -> int:
    """Return the weight of a mail with a content of so many octets, and these columns.

    >>> weight_of(100, '["zoe@example.com"]', "[[]]"), weight_of(100, "x" * 5000, "")
    (100, 4100)
    """
    return size + _TIMES * max(0, len(recipients) + len(recipient_options) - _LIGHT)


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
            (self._octets,) = self._db.execute(_SUM).fetchone()
        return int(self._octets or 0)

    def add(self, octets: int) -> None:
        """Count a mail of this weight."""
        if self._octets is not None:
            self._octets += octets

    def remove(self, numbers: Sequence[tuple[int]]) -> None:
        """Count these mails, which are still there, no more."""
        if self._octets is None or len(numbers) > _FEW:
            self.forget()
            return
        for number in numbers:
            found = self._db.execute(_ONE, number).fetchone()
            self._octets -= found[0] if found else 0

    def forget(self) -> None:
        """Count anew when asked: what was counted did not come to be."""
        self._octets = None
