"""Linear time, everywhere that input comes in: twice the input takes at most about twice the steps.

Steps are counted, not seconds: rounds of loops, calls, and octets that C code handles (`steps`). The default run tries
each shape once, at a size where a quadratic step shows; `nox -s fuzz` tries them larger, and shapes that nobody thought of.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

import pytest
import shapes
from budget import in_both_runs
from hypothesis import given
from hypothesis import strategies as st
from steps import cost, counted
from steps.instrument import NAME, instrumented

import modernmail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    StepsOf = Callable[[Callable[[], object]], int]

pytestmark = pytest.mark.once
SIZES = {"few": 1000, "many": 6000}  # above 998, where a line is too long and an encoding changes


@pytest.fixture(scope="module")
def steps_of() -> Iterator[StepsOf]:
    """Give a function that counts the steps of a call."""
    with counted() as steps:
        yield steps


def check(shape: shapes.Shape, size: int, steps_of: StepsOf) -> None:
    """Hold a shape to linear time."""
    steps_of(shapes.refused_or(shape(3)))  # imports what it needs
    once, twice = (steps_of(shapes.refused_or(shape(n))) for n in (size, 2 * size))
    assert twice <= 2.2 * once + 500, f"{once} steps became {twice}"


@pytest.mark.parametrize("run", ["few", pytest.param("many", marks=pytest.mark.fuzz)])
@pytest.mark.parametrize("kind", shapes.SHAPES)
def test_time_is_linear(kind: str, run: str, steps_of: StepsOf) -> None:
    """Twice as much of the same takes about twice the steps, accepted or refused."""
    check(shapes.SHAPES[kind], SIZES[run] // (4 if kind.startswith("plain text") else 1), steps_of)


PIECES = st.lists(
    st.sampled_from(
        [
            *'"\\<>()[]{}:;@,.=?_-&#!/%* \t\r\n\0a1é',
            "=?",
            "?=",
            "=?utf-8?q?",
            "xn--",
            "\ud800",
            "日",
            "😀",
            "--b",
            "<p",
            "</p>",
        ]
    ),
    max_size=4,
).map("".join)


@in_both_runs
@given(st.sampled_from(sorted(shapes.PLACES)), PIECES, PIECES.filter(bool), PIECES)
def test_time_is_linear_for_whatever_is_repeated(
    run: str, place: str, before: str, piece: str, after: str
) -> None:
    """Any short text, repeated between two others, in any place that takes text."""
    with counted() as steps:
        check(shapes.PLACES[place](shapes.repeated(piece, before, after)), 1000, steps)


QUADRATIC = {
    "rounds": "def work(s):\n for a in s:\n  for b in s: pass",
    "searches": "def work(s):\n for at in range(len(s)): s.find('!', at)",
    "slices": "def work(s):\n while s: s = s[1:]",
    "sums": "def work(s):\n out = ''\n for a in s: out += a",
    "copies": "def work(s):\n for a in s: s.replace('!', '')",
    "look-ups": "def work(s):\n seen = []\n for a in s:\n  if '!' not in seen: seen.append(a)",
    "comprehensions": "def work(s):\n return [[b for b in s] for a in s]",
    "formats": "def work(s):\n for a in s: f'{s}!'",
    "displays": "def work(s):\n out = []\n for a in s: out = [*out, a]",
    "functions in C": "def work(s):\n for a in s: list(s)",
    "generators": "def work(s):\n for a in s: any(b == '!' for b in s)",
    "patterns": "import re\nP = re.compile('!')\ndef work(s):\n for at in range(len(s)): P.search(s, at)",
}


@pytest.mark.parametrize("kind", QUADRATIC)
def test_quadratic_time_is_seen(kind: str, steps_of: StepsOf) -> None:
    """The counting can fail: twice the input takes four times the steps of what is quadratic."""
    module: Any = types.ModuleType("quadratic")
    module.__dict__[NAME] = cost
    exec(compile(instrumented(QUADRATIC[kind], "quadratic"), "quadratic", "exec"), module.__dict__)
    once, twice = (steps_of(lambda text="x" * n: module.work(text)) for n in (200, 400))
    assert twice > 3 * once


def test_counting_changes_no_answer(steps_of: StepsOf) -> None:
    """The copy that counts writes the same mail as the library, and is another one."""
    arguments: dict[str, Any] = {
        "headers": {"Date": "Thu, 05 Nov 2026 09:07:03 +0000", "Message-ID": "<1@example.org>"},
        "to": ["Zoë <zoe@bücher.example>", '"A, B" <ab@example.com>'],
        "text": "Grüße\r\n.\r\n" * 50,
        "attachments": [("é.txt", "x")],
    }
    octets = shapes.mail(**arguments).as_bytes()
    counting = type(shapes.mail())
    boundary = _boundary(octets)
    assert counting is not modernmail.Message
    message = modernmail.Message(from_email="me@example.org", **arguments)
    plain = message.as_bytes()
    plain = plain.replace(_boundary(plain), b"")
    assert NAME in vars(sys.modules[counting.__module__])
    assert octets.replace(boundary, b"") == plain


def _boundary(octets: bytes) -> bytes:
    return octets.partition(b'boundary="')[2].partition(b'"')[0]
