"""The corpus of faults is well formed: a typing error in it would make a test that cannot fail."""

from __future__ import annotations

import json

import pytest
from faults.row import CLASSES, CORPUS, MUST_NOT, STATUS, rows

from modernmail.testing import ScriptedSMTPServer

LINES = [json.loads(line) for line in CORPUS.read_text("utf-8").splitlines()]
CLASS_OF = {"delivered": "success", "not_sent": "transient"}


def test_there_are_enough_rows_and_each_has_its_own_name():
    """At least 110 faults, no two with one id or one name."""
    assert len(LINES) >= 110
    assert len({line["id"] for line in LINES}) == len(LINES)
    assert len({line["name"] for line in LINES}) == len(LINES)
    assert len(rows()) == len(LINES)


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["id"])
def test_a_row_speaks_the_corpus_words_and_its_class_follows_from_its_recipients(line):
    """Classes, truths and prohibitions are known words, and class and recipients agree."""
    assert line["class"] in CLASSES
    assert set(line.get("cls_any", ())) <= set(CLASSES)
    assert set(line.get("must_not", ())) <= set(MUST_NOT)
    assert list(line["per_rcpt"]) == line["rcpts"]
    truths = set(line["per_rcpt"].values()) | set(line.get("per_rcpt_any", ()))
    assert truths <= set(STATUS)
    truths = {CLASS_OF.get(truth, truth) for truth in line["per_rcpt"].values()}
    if line["class"] == "security":
        assert truths == {"transient"}
    else:
        assert line["class"] == (truths.pop() if len(truths) == 1 else "partial")


@pytest.mark.parametrize("line", LINES, ids=lambda line: line["id"])
def test_the_scripted_server_understands_the_script(line):
    """Every rule is accepted, and so are the row's options."""
    ScriptedSMTPServer(
        line["script"],
        tls=line.get("tls"),
        credentials=line.get("credentials"),
        mechanisms=line.get("mechanisms", ()),
    )
