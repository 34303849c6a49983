"""What a mail holds does not steer the terminal that shows it."""

from __future__ import annotations

import io
import json
import logging
from typing import TYPE_CHECKING

from modernmail import Mailer, Message
from modernmail.backends.console import ConsoleBackend
from modernmail.cli.terminal import PlainFormatter, json_text

if TYPE_CHECKING:
    import pytest

STEERING = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e"


class Terminal(io.StringIO):
    """A stream that says that a person looks at it."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def shown(stream: io.StringIO) -> str:
    """Return what `console:` writes of a mail of others that holds such characters everywhere."""
    octets = (
        f"From: me@example.com\r\nTo: you@example.com\r\nSubject: a{STEERING}\r\nX-A: b{STEERING}\r\n"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nc{STEERING}\r\nd\r\n"
    ).encode()
    Mailer(ConsoleBackend(stream)).send(Message.from_bytes(octets))
    return stream.getvalue()


def test_mail_on_the_console() -> None:
    """A terminal gets escapes for what it would obey; lines stay lines. A file gets what was sent."""
    text = shown(Terminal())
    assert all(line.isprintable() for line in text.split("\n"))
    assert "c\\x1b]0;owned\\x07\\x1b[2J\\x9b31m\\u202e\nd\n" in text
    assert STEERING in shown(io.StringIO())


def test_json_of_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `json` itself leaves bare is escaped, and read back as it was."""
    monkeypatch.setattr("modernmail.cli.terminal.sys.stdout", io.TextIOWrapper(io.BytesIO(), "utf-8"))
    value = {"reason": f"é{STEERING}\x7f\U000e0041\n日本"}
    for indent in (None, 2):
        text = json_text(value, indent=indent)
        assert all(line.isprintable() for line in text.split("\n"))
        assert json.loads(text) == value
        assert "é" in text


def test_records_of_the_worker() -> None:
    """What stands in a queue comes into its log as text, one line for a message and for each of a traceback."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("of a test")
    logger.addHandler(handler)
    try:
        raise ValueError(f"a\n{STEERING}")
    except ValueError:
        logger.exception("task %s cannot be run", f"b\n{STEERING}")
    logger.removeHandler(handler)
    lines = stream.getvalue().splitlines()
    assert lines[0] == r"ERROR task b\n\x1b]0;owned\x07\x1b[2J\x9b31m\u202e cannot be run"
    assert lines[1] == "Traceback (most recent call last):"
    assert all(line.isprintable() for line in lines)
