"""Lines of plain text as they grow: blocks and their distance, prefixes of lists and quotes, tables.

Called by `plaintext`.

Rules of the file: blanks collapse as HTML has it, unless a text is preformatted; prefixes nest to a bounded depth, so
that time stays linear.
"""

from __future__ import annotations

import re
from itertools import zip_longest
from unicodedata import east_asian_width

DEEPEST = 10  # what is nested deeper gets no prefix of its own
_WIDEST_TABLE = 100
_WIDEST_CELL = 50
_BLANKS = re.compile(r"[ \t\n\r\f\xa0]+")
# Soft hyphens, and what preheaders are filled up with.
_INVISIBLE = dict.fromkeys([0xAD, 0x34F, 0x200B, 0xFEFF])


class Flow:
    """Text in blocks: `text` adds words, `apart` asks for a new line (1) or an empty one (2) before the next.

    >>> flow = Flow()
    >>> for words in ("Hello  ", " world"):
    ...     flow.text(words)
    >>> flow.apart(2)
    >>> flow.text("Bye")
    >>> flow.lines()
    ['Hello world', '', 'Bye']
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._line: list[str] | None = None  # the one that is being written, its prefix first
        self._apart = 0
        self.has_blocks = False  # paragraphs, rather than words alone
        self._prefixes: list[tuple[list[str], str]] = []  # what begins the next line only, what all others
        self._beyond = 0  # how many more are open than have a prefix

    def text(self, text: str) -> None:
        """Add text whose blanks collapse."""
        words = _BLANKS.sub(" ", text.translate(_INVISIBLE))
        if not words:
            return
        if words == " ":
            if self._line is not None and not self._apart and not self.ends_with_blank:
                self._line.append(" ")
            return
        line = self._begin()
        line.append(words[1:] if words[0] == " " and self.ends_with_blank else words)

    def preformatted(self, text: str) -> None:
        """Add text as it stands, line breaks included."""
        for at, words in enumerate(text.split("\n")):
            if at:
                self._end(keep_empty=True)
            if words:
                self._begin().append(words)

    def line_break(self) -> None:
        """End the line; twice in a row leaves an empty one."""
        if self._line is None:
            self._apart = 2
        elif not self._apart:
            self._end()

    def apart(self, distance: int) -> None:
        """Let the next words begin a new line, with an empty one before it when `distance` is 2."""
        self._apart = max(self._apart, distance)
        self.has_blocks = self.has_blocks or distance > 1

    def push(self, first: str, rest: str) -> None:
        """Begin the next line with `first` and all that follow with `rest`, until `pop`."""
        self.apart(1)
        self._space()
        if len(self._prefixes) < DEEPEST:
            self._prefixes.append(([first], rest))
        else:
            self._beyond += 1

    def pop(self) -> None:
        """End what `push` began."""
        self.apart(1)
        self._end()
        if self._beyond:
            self._beyond -= 1
        elif self._prefixes:
            self._prefixes.pop()

    @property
    def ends_with_blank(self) -> bool:
        """Whether a blank before the next words would be one too many."""
        return self._line is None or len(self._line) == 1 or self._line[-1][-1:] == " "

    def lines(self) -> list[str]:
        """Return the lines, without empty ones at the ends."""
        self._end()
        lines = self._lines
        start, stop = 0, len(lines)
        while start < stop and not lines[start]:
            start += 1
        while stop > start and not lines[stop - 1]:
            stop -= 1
        return lines[start:stop]

    def _begin(self) -> list[str]:
        self._space()
        if self._line is None:
            self._line = ["".join([first.pop() if first else rest for first, rest in self._prefixes])]
        return self._line

    def _space(self) -> None:
        """Put the distance that was asked for between what was written and what comes."""
        if self._apart:
            self._end()
            if self._apart == 2 and self._lines and self._lines[-1].strip("> "):
                self._lines.append("".join([rest for _, rest in self._prefixes]).rstrip())
            self._apart = 0

    def _end(self, *, keep_empty: bool = False) -> None:
        if self._line is not None:
            self._lines.append("".join(self._line).rstrip())
            self._line = None
        elif keep_empty and not self._apart:
            self._lines.append("".join([rest for _, rest in self._prefixes]).rstrip())


class Table:
    """Rows of cells: aligned columns when they are short, one cell below the other when the table is only a layout."""

    def __init__(self) -> None:
        self._rows: list[list[Flow]] = []
        self._heads: list[bool] = []

    def row(self) -> None:
        """Begin a row."""
        self._rows.append([])
        self._heads.append(True)

    def cell(self, *, is_head: bool) -> Flow:
        """Begin a cell and return its text."""
        if not self._rows:
            self.row()
        cell = Flow()
        self._rows[-1].append(cell)
        self._heads[-1] = self._heads[-1] and is_head
        return cell

    def lines(self) -> list[str]:
        """Return the table as lines."""
        rows = [[cell.lines() for cell in row] for row in self._rows]
        columns = list(zip_longest(*rows, fillvalue=[]))
        filled = [column for column in columns if any(column)]
        widths = [max([width(line) for cell in column for line in cell]) for column in filled]
        is_simple = all(len(cell) < 2 for column in filled for cell in column)
        if len(filled) < 2 or not is_simple or max(widths) > _WIDEST_CELL or sum(widths) > _WIDEST_TABLE:
            return self._stacked(rows)
        out = []
        for is_head, row in zip(self._heads, zip(*filled, strict=True), strict=True):
            if not any(row):
                continue
            words = [cell[0] if cell else "" for cell in row]
            out.append(
                "  ".join([one + " " * (size - width(one)) for one, size in zip(words, widths, strict=True)])
            )
            if is_head:
                out.append("  ".join(["-" * size for size in widths]))
        return [line.rstrip() for line in out]

    def _stacked(self, rows: list[list[list[str]]]) -> list[str]:
        flow = Flow()
        for row, cells in zip(rows, self._rows, strict=True):
            distance = 2 if any(cell.has_blocks for cell in cells) else 1
            flow.apart(distance)
            for lines in row:
                if lines:
                    flow.apart(distance)
                    flow.preformatted("\n".join(lines))
            flow.apart(distance)
        return flow.lines()


def width(text: str) -> int:
    """Return how many columns a text takes: two for each wide character."""
    if text.isascii():
        return len(text)
    return sum([2 if east_asian_width(char) in "WF" else 1 for char in text])
