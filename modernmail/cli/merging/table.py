"""A CSV file as rows: `Table`, read as a stream, however large it is.

Rules of the file: nothing is guessed: the first line names the columns, encoding and delimiter are those that were said;
what cannot be read is a row with a fault, which names its number and its line, and the rows behind it still come.
Rows are numbered from 1, the line of the column names not counted.
"""

from __future__ import annotations

import codecs
import csv
import io
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from modernmail.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_LONGEST = 1_048_576  # octets of a line: a longer one is no row of a table, and need not fit into memory
_RECIPIENT = ("to", "email")


class Row(NamedTuple):
    """One row: its number, its first line in the file, its values by column; `fault` says why it cannot be used."""

    number: int
    line: int
    values: dict[str, str]
    fault: str | None = None

    @property
    def where(self) -> str:
        """How the row is named to people."""
        return f"row {self.number} (line {self.line})"


class Table:
    """The rows of the CSV file at `path`; iterate over it as often as needed.

    `to_column` is the column of the recipients; without it `to`, else `email`. Raises `ConfigurationError` when the file
    cannot be read, its encoding or delimiter cannot be used, or its first line names no such column.
    """

    def __init__(
        self, path: str, *, to_column: str | None = None, delimiter: str = ",", encoding: str = "utf-8"
    ) -> None:
        self.path = Path(path)
        self.delimiter = "\t" if delimiter in ("tab", "\\t") else delimiter
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise ConfigurationError(f"--delimiter {delimiter!r}: must be one character, or tab")
        try:
            self.encoding = codecs.lookup(encoding).name
        except LookupError:
            raise ConfigurationError(
                f"--encoding {encoding!r}: no such encoding; try utf-8 or cp1252"
            ) from None
        self.columns = self._header()
        self.to_column = self._recipient(to_column)

    def _header(self) -> list[str]:
        with self._lines() as lines:
            try:
                columns = next(csv.reader(lines, delimiter=self.delimiter, strict=True), None)
            except (csv.Error, ValueError) as error:
                raise ConfigurationError(
                    f"{self.path}: the line of the column names cannot be read: {self._why(error)}"
                ) from error
        if not columns:
            raise ConfigurationError(f"{self.path} is empty: its first line must name the columns")
        columns = [column.strip() for column in columns]
        for at, column in enumerate(columns):
            if not column:
                raise ConfigurationError(f"{self.path}: column {at + 1} has no name")
            if column in columns[:at]:
                raise ConfigurationError(f"{self.path}: two columns are called {column!r}")
        if "headers" in columns:
            raise ConfigurationError(f"{self.path}: a column cannot be called 'headers': name it otherwise")
        return columns

    def _recipient(self, asked: str | None) -> str:
        found = next((name for name in ((asked,) if asked else _RECIPIENT) if name in self.columns), None)
        if found is not None:
            return found
        wanted = repr(asked) if asked else "'to' or 'email'"
        hint = "; say --to-column NAME" if not asked else ""
        others = [
            mark for mark in (";", "\t", "|", ",") if mark in self.columns[0] and mark != self.delimiter
        ]
        if len(self.columns) == 1 and len(others) == 1:
            hint = f"; if its delimiter is another, say --delimiter {others[0]!r}"
        raise ConfigurationError(
            f"{self.path} has no column {wanted}: there are {', '.join(self.columns)}{hint}"
        )

    def __iter__(self) -> Iterator[Row]:
        with self._lines() as lines:
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            number = -1
            while True:
                line = reader.line_num + 1
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except (csv.Error, ValueError) as error:
                    number += 1
                    yield Row(number, line, {}, self._why(error))
                    continue
                if not fields:
                    continue  # an empty line is no row
                number += 1
                if number:
                    yield self._row(number, line, fields)

    def _row(self, number: int, line: int, fields: list[str]) -> Row:
        values = dict(zip(self.columns, fields, strict=False))
        if len(fields) != len(self.columns):
            return Row(
                number,
                line,
                values,
                f"has {len(fields)} fields, and there are {len(self.columns)} columns",
            )
        return Row(number, line, values)

    def _opened(self) -> BinaryIO:
        try:
            return self.path.open("rb")
        except OSError as error:
            raise ConfigurationError(f"{str(self.path)!r} cannot be read: {error.strerror}") from error

    @contextmanager
    def _lines(self) -> Iterator[Iterator[str]]:
        """Give the lines as text; what cannot be decoded raises at its line, and the next one still comes.

        Of an encoding in which a line end is no single octet, none comes after that.
        """
        with self._opened() as file:
            if "\n".encode(self.encoding) == b"\n":
                yield _Lines(file, self.encoding)
                return
            with io.TextIOWrapper(file, self.encoding, newline="") as text:
                yield text

    def _why(self, error: Exception) -> str:
        if isinstance(error, UnicodeDecodeError):
            octet = error.object[error.start]
            return (
                f"is not {self.encoding}: octet {octet:#04x} at {error.start}; say --encoding, such as cp1252"
            )
        return str(error)

    def __repr__(self) -> str:
        return f"<Table {self.path}: {', '.join(self.columns)}>"


class _Lines:
    """The lines of a file, decoded one by one; an iterator that goes on after an error."""

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._is_first = True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        octets = self._file.readline(_LONGEST)
        if not octets:
            raise StopIteration
        if len(octets) == _LONGEST:
            while octets and not octets.endswith(b"\n"):
                octets = self._file.readline(_LONGEST)
            raise ValueError(f"is a line of more than {_LONGEST} octets")
        if self._is_first:
            self._is_first = False
            if self._encoding == "utf-8":
                octets = octets.removeprefix(codecs.BOM_UTF8)
        return octets.decode(self._encoding)
