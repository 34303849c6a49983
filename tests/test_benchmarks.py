"""The benchmarks run, and each writes its own section of the page and nothing else."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from types import ModuleType

FOLDER = Path(__file__).parents[1] / "benchmarks"
PAGE = FOLDER.parent / "docs" / "benchmarks.md"


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the package that the benchmarks report with."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(FOLDER)])
    import report

    return report


def ended(section: Any, *, write: bool) -> int:
    """Return the status of a section that is ended, written or not."""
    status: int = section.end(argparse.Namespace(write=write))
    return status


def test_section_goes_into_its_place(
    report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A section replaces what its benchmark wrote before; the words around it and other sections stay."""
    page = tmp_path / "benchmarks.md"
    page.write_text(
        "# Words\n\n<!-- one: written by benchmarks/one.py -->\nold\n<!-- one: end -->\n\n"
        "<!-- two: written by benchmarks/two.py -->\nkept\n<!-- two: end -->\n"
    )
    monkeypatch.setattr(sys.modules["report.section"], "PAGE", page)
    section = report.Section("one", "The first", "What it is.")
    section.table("what", "figure").add("speed", "3")
    section.versions(Peer="1.2")
    assert ended(section, write=False) == 0
    assert "old" in page.read_text()
    assert ended(section, write=True) == 0
    text = page.read_text()
    assert text.startswith("# Words\n\n<!-- one: written by benchmarks/one.py -->\n\n## The first\n")
    assert "| speed | 3 |" in text
    assert "Peer 1.2." in text
    assert "old" not in text
    assert text.endswith("<!-- two: written by benchmarks/two.py -->\nkept\n<!-- two: end -->\n")


def test_section_without_a_place_goes_last(
    report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A section that the page does not know yet is added at its end, and found there the next time."""
    page = tmp_path / "benchmarks.md"
    page.write_text("# Words\n")
    monkeypatch.setattr(sys.modules["report.section"], "PAGE", page)
    for about in ("First.", "Second."):
        ended(report.Section("new", "New", about), write=True)
    assert page.read_text().count("## New") == 1
    assert "First." not in page.read_text()


def test_missed_target_is_told(report: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """A figure that falls short of what was wanted is marked, and the benchmark ends with 1."""
    section = report.Section("one", "One", "About.")
    assert section.least(1.8, 1.8) == ("1.8", "≥ 1.8")
    assert section.most(0.9, 1) == ("0.9", "≤ 1")
    assert ended(section, write=False) == 0
    assert section.least(1.79, 1.8) == ("1.79", "≥ 1.8, **missed**")
    assert ended(section, write=False) == 1
    assert section.most(1.21, 1.2) == ("1.21", "≤ 1.2, **missed**")
    assert "## One" in capsys.readouterr().out


def test_turns_are_taken_in_rounds(report: ModuleType) -> None:
    """Each contender has one turn that does not count and then one in each round; ratios are of the same round."""
    taken: dict[str, list[float]] = {"slow": [9, 8, 2, 6], "fast": [9, 2, 1, 3]}
    figures = report.in_turns({name: iter(values).__next__ for name, values in taken.items()}, 3)
    assert figures.rounds == {"slow": [8, 2, 6], "fast": [2, 1, 3]}
    assert figures.median("slow") == 6
    assert figures.ratio("fast", "slow") == 2


def test_page_has_a_place_for_each_benchmark() -> None:
    """Each benchmark has a place in the page of the documentation."""
    text = PAGE.read_text("utf-8")
    for path in FOLDER.glob("*.py"):
        assert f"<!-- {path.stem}: written by benchmarks/{path.name} -->" in text
        assert f"<!-- {path.stem}: end -->" in text


@pytest.mark.once
@pytest.mark.parametrize(
    ("command", "says"), [("compose.py --mails=M1", "| modernmail"), ("queue.py", "| one task |")]
)
def test_benchmark_runs(command: str, says: str) -> None:
    """A benchmark does what it should in its short form; figures of a test run say nothing."""
    name, *options = command.split()
    done = subprocess.run(
        [sys.executable, str(FOLDER / name), "--quick", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.startswith("## "), done.stderr
    assert f"Measured by `benchmarks/{name}` on" in done.stdout
    assert says in done.stdout
    assert "- modernmail" not in done.stdout, "its own output is not what was asked for"
