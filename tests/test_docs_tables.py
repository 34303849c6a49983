"""The tables of the documentation name files and tests that exist."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["docs/reference/rfc.md", "docs/reference/smtp-security.md"]
NAMED = re.compile(r"`((?:modernmail|tests|docs|benchmarks)/[^`:]+)(?:::([^`]+))?`")


@cache
def names_in(path: Path) -> frozenset[str]:
    """Return what a file has to name: its test functions, or the ids of its rows."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return frozenset(json.loads(line)["id"] for line in text.splitlines())
    return frozenset(re.findall(r"^(?:async )?def (test_\w+)", text, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_what_a_table_names_exists(page: str) -> None:
    """Every file is there, and in it every test or row; each row of a table names one."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    missing = []
    for line in lines:
        for path, name in NAMED.findall(line):
            if not (ROOT / path).is_file() or (name and name not in names_in(ROOT / path)):
                missing.append(f"{path}::{name}")
    assert missing == []
    headed = [line for line in lines if line.startswith("|") and line.rstrip().endswith("` |")]
    assert len(headed) > 15


@pytest.mark.parametrize("page", PAGES)
def test_every_row_is_shown_by_a_test(page: str) -> None:
    """A row of a table with the column "shown by" ends with a test."""
    is_shown = False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            is_shown = False
        elif line.endswith("| shown by |"):
            is_shown = True
        elif is_shown and not line.startswith("|---"):
            *_, last, _ = line.split("|")
            assert any(name for _, name in NAMED.findall(last)), line
