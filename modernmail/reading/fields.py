"""The header block: where it ends, and its fields in order."""

from __future__ import annotations

import re

from .words import decode_words

MOST_FIELDS = 2_000

_LONGEST = 64 * 1024  # octets of one field that are read: enough for a thousand recipients
_CR = 13
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)
_CONTROLS = dict.fromkeys([*range(9), *range(10, 32), 127], "\N{REPLACEMENT CHARACTER}")


class Field:
    """One header field: `name` as written, `raw` its bytes with the folding, `value` what they say.

    >>> Field("Subject", b" =?utf-8?q?Caf=C3=A9?=\\r\\n au lait").value
    'Café au lait'
    """

    __slots__ = ("name", "raw")

    def __init__(self, name: str, raw: bytes) -> None:
        self.name = name
        self.raw = raw

    @property
    def unfolded(self) -> str:
        """The value on one line, encoded-words as they are: what structured fields are parsed from."""
        flat = self.raw.replace(b"\r\n", b"").replace(b"\n", b"").replace(b"\r", b"").strip()
        try:
            text = flat.decode("utf-8")
        except UnicodeDecodeError:
            text = flat.decode("cp1252", "replace")
        return text.translate(_CONTROLS)

    @property
    def value(self) -> str:
        """The value as a person reads it."""
        return decode_words(self.unfolded)

    def __repr__(self) -> str:
        return f"Field({self.name!r}, {self.value!r})"


def read_fields(content: bytes, start: int = 0, end: int | None = None) -> tuple[list[Field], int, list[str]]:
    """Return the fields of the header block at `start`, where the body begins, and the problems.

    A line that can be no field ends the block, and is the first of the body. Past the most fields that are
    read, only an empty line ends it.
    """
    stop = len(content) if end is None else end
    fields: list[Field] = []
    problems: list[str] = []
    position = start
    while position < stop:
        if content.startswith((b"\r\n", b"\n"), position):
            return fields, position + (2 if content[position] == _CR else 1), problems
        line_end, after = _end_of_field(content, position, stop)
        line = content[position : min(line_end, position + _LONGEST)]
        if len(fields) == MOST_FIELDS:
            problems.append(f"more than {MOST_FIELDS:,} header fields; the rest is left out")
            return fields, _past_empty_line(content, position, stop), problems
        if match := _FIELD.fullmatch(line):
            fields.append(Field(match[1].decode("ascii"), match[2]))
        elif position != start or not line.startswith((b"From ", b">From ")):  # an mbox's separator
            number = content.count(b"\n", start, position) + 1
            return (
                fields,
                position,
                [f"line {number} of the header is no field; what follows is read as body"],
            )
        position = after
    return fields, stop, problems


def _past_empty_line(content: bytes, position: int, stop: int) -> int:
    """Return where the first empty line after `position` ends."""
    ends = [
        (found, found + len(mark))
        for mark in (b"\n\n", b"\n\r\n")
        if (found := content.find(mark, position, stop)) >= 0
    ]
    return min(ends)[1] if ends else stop


def _end_of_field(content: bytes, position: int, stop: int) -> tuple[int, int]:
    """Return where the field at `position` ends, continuation lines included, and where the next begins."""
    while True:
        newline = content.find(b"\n", position, stop)
        if newline < 0:
            return stop, stop
        if newline + 1 >= stop or content[newline + 1] not in b" \t":
            return newline - (newline > position and content[newline - 1] == _CR), newline + 1
        position = newline + 1
