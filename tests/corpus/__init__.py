"""The corpus: JSON lines of addresses, headers, bodies and attachments, each with its verdict.

`addresses.jsonl`: `verdict` is `accept` (with what it is made of), `accept_smtputf8`, `reject`, or `either`
(refused, or delivered exactly). `headers.jsonl`: `expect` is `roundtrip` (a parser gives `decoded` back),
`reject`, `single` (set twice, stands once), or a choice of two. `bodies.jsonl`: `body`, or `gen`, a Python
expression; equal after newlines are made alike, and one final newline. `attachments.jsonl`: the file name and
type that come back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(__file__).parent


def rows(name: str) -> list[dict[str, Any]]:
    """Return the rows of one file of the corpus."""
    with (_FOLDER / f"{name}.jsonl").open(encoding="ascii") as lines:
        return [json.loads(line) for line in lines]


def cases(name: str, **wanted: str | tuple[str, ...]) -> list[Any]:
    """Return the rows whose fields have one of the wanted values, as pytest parameters named by their id.

    `cases("addresses", verdict=("accept", "either"))`
    """
    chosen = [
        pytest.param(row, id=row["id"])
        for row in rows(name)
        if all(
            row[field] in ((value,) if isinstance(value, str) else value) for field, value in wanted.items()
        )
    ]
    assert chosen, f"{name}.jsonl has no row with {wanted}"
    return chosen


def body_text(row: dict[str, Any]) -> str:
    """Return the text of a row of bodies."""
    return row["body"] if row["gen"] is None else eval(row["gen"])


def attachment_bytes(row: dict[str, Any]) -> bytes:
    """Return the content of a row of attachments."""
    import base64

    return base64.b64decode(row["content_b64"]) if row["gen"] is None else eval(row["gen"])
