"""The section of one benchmark: paragraphs and tables, when and on what it was measured, and its place in the page.

Rules of the file: a section tells its date, the versions and the kind of machine, never which machine.
"""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
_BEGIN = "<!-- {name}: written by benchmarks/{name}.py -->"
_END = "<!-- {name}: end -->"


class Table:
    """A table of Markdown: the first column to the left, figures to the right."""

    def __init__(self, *titles: str) -> None:
        self._rows = [titles, ("---", *["---:"] * (len(titles) - 1))]

    def add(self, *cells: str) -> None:
        """Add a row; cells that are missing at its end are empty."""
        self._rows.append((*cells, *[""] * (len(self._rows[0]) - len(cells))))

    def __str__(self) -> str:
        return "\n".join("| " + " | ".join(row) + " |" for row in self._rows)


class Section:
    """What `benchmarks/NAME.py` found; `about` says what was measured, and against what."""

    def __init__(self, name: str, title: str, about: str) -> None:
        self._name = name
        self._title = title
        self._blocks: list[str | Table] = [about]
        self._versions: dict[str, str] = {}
        self._missed = 0

    def add(self, block: str) -> None:
        """Add a paragraph, a list, or a subtitle (`### …`)."""
        self._blocks.append(block)

    def table(self, *titles: str) -> Table:
        """Add a table, and return it to be filled."""
        table = Table(*titles)
        self._blocks.append(table)
        return table

    def versions(self, **versions: str) -> None:
        """Tell which versions took part, besides Python's and ours."""
        self._versions |= versions

    def least(self, figure: float, wanted: float, form: str = ".3g") -> tuple[str, str]:
        """Return two cells: a figure that should be no less than what is wanted, and that."""
        return self._judged(figure, f"≥ {wanted:g}", form, is_held=figure >= wanted)

    def most(self, figure: float, wanted: float, form: str = ".3g") -> tuple[str, str]:
        """Return two cells: a figure that should be no more than what is wanted, and that."""
        return self._judged(figure, f"≤ {wanted:g}", form, is_held=figure <= wanted)

    def _judged(self, figure: float, wanted: str, form: str, *, is_held: bool) -> tuple[str, str]:
        self._missed += not is_held
        return f"{figure:{form}}", wanted if is_held else f"{wanted}, **missed**"

    def __str__(self) -> str:
        versions = {"Python": platform.python_version(), "modernmail": version("modernmail")} | self._versions
        measured = (
            f"Measured by `benchmarks/{self._name}.py` on {datetime.now(UTC).date()}: {os.cpu_count()} cores of"
            f" {platform.machine()}, {platform.system()}; {', '.join(map(' '.join, versions.items()))}."
        )
        return "\n\n".join([f"## {self._title}", *map(str, self._blocks), measured])

    def end(self, options: argparse.Namespace) -> int:
        """Print the section, write it into the page when asked to; return the exit status: 0 when nothing was missed."""
        text = str(self)
        print(text)
        if options.write:
            PAGE.write_text(placed(PAGE.read_text("utf-8"), self._name, text), "utf-8")
        return min(self._missed, 1)


def placed(page: str, name: str, text: str) -> str:
    """Return the page with this text in the section's place; without a place, at the end."""
    begin, end = _BEGIN.format(name=name), _END.format(name=name)
    section = f"{begin}\n\n{text}\n\n{end}"
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{section}\n"
    _, closed, after = rest.partition(end)
    if not closed:
        raise ValueError(f"the page has {begin!r} and no {end!r}")
    return f"{before}{section}{after}"
