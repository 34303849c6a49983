"""What is missing skips a test, or fails it where services are required; what was delivered can be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from .maildir import Delivered
from .process import Log, Process, ServiceFailed, service_folder
from .programs import require


def test_a_missing_program_skips_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason holds the command to run."""
    monkeypatch.delenv("MODERNMAIL_REQUIRE_SERVICES", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no-such-program.*apt-get install nothing"):
        require("no-such-program", install="apt-get install nothing")


def test_a_missing_program_fails_where_services_are_required(monkeypatch: pytest.MonkeyPatch) -> None:
    """Continuous integration cannot go green by skipping."""
    monkeypatch.setenv("MODERNMAIL_REQUIRE_SERVICES", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install nothing"):
        require("no-such-program", install="apt-get install nothing")


def test_a_program_that_ends_at_once_shows_its_log() -> None:
    """Waiting for a server that died says why it died."""
    with service_folder("process") as folder:
        process = Process("sh", ["sh", "-c", "echo no such port; exit 3"], Log(folder / "log"))
        with pytest.raises(ServiceFailed, match=r"sh ended with 3:\nno such port"):
            process.wait_until(lambda: False, "never")


def test_trace_and_content_are_told_apart() -> None:
    """Trace fields and their continuations are above, everything else is content."""
    trace = b"Return-Path: <>\nRECEIVED: from a\n\tby b;\n today\nDelivered-To: zoe@example.com\n"
    for content in (
        b"Subject: hi\nReceived: forged\n\nbody\n",
        b"\nonly a body\n",
        b" folded first\n\n",
        b"",
    ):
        delivered = Delivered(Path("1"), trace + content)
        assert delivered.trace == (trace if not content.startswith(b" ") else trace + b" folded first\n")
        assert delivered.trace + delivered.content.replace(b"\r\n", b"\n") == delivered.raw
    assert delivered.return_path == ""
    assert delivered.recipient == "zoe@example.com"
