"""A folder with a table and a text, a server, and the command `modernmail merge` run in this process."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from modernmail.cli.__main__ import main
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

PEOPLE = 'to,name,item\nzoe@example.com,Zoë,Tea\nbob@example.com,"Bob, Jr.",<Coffee>\n'


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder of our own to be in, with people.csv and t.txt, and no environment of the developer's."""
    for name in ("MODERNMAIL_URL", "MODERNMAIL_FROM", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(PEOPLE, encoding="utf-8")
    (tmp_path / "t.txt").write_text("Dear {name},\nyour {item}.\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def server() -> Iterator[ScriptedSMTPServer]:
    """A server that refuses whoever is called refused, and puts off whoever is called later."""
    rules = [
        Rule("RCPT", contains="refused").reply("550 5.1.1 no such user"),
        Rule("RCPT", contains="later", session=1).reply("450 4.2.1 later"),
    ]
    with ScriptedSMTPServer(rules) as running:
        yield running


class Merge:
    """Calls the command and remembers what it said."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *arguments: str, file: str = "people.csv", text: str | None = "t.txt") -> int:
        """Run it; return its exit code."""
        given = ["--from", "shop@example.com", "--subject", "For {name}", *arguments]
        texts = [] if text is None else ["--text-file", text]
        try:
            code = main(["merge", file, *given, *texts])
        finally:
            self.out, self.err = self._capsys.readouterr()
        return code


@pytest.fixture
def merge(capsys: pytest.CaptureFixture[str]) -> Merge:
    """The command."""
    return Merge(capsys)


def results(path: str = "people.results.csv") -> list[dict[str, Any]]:
    """Return the lines of a results file."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
