"""Where the system has no `poll`, as Windows, everything is sent as elsewhere."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

import pytest

from modernmail import Mailer, Message
from modernmail.errors import DeliveryError
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take `poll` away."""
    monkeypatch.delattr(select, "poll")


def a_message() -> Message:
    """Return a message."""
    return Message("x", "y", from_email="me@example.com", to="you@example.com")


@pytest.mark.parametrize("tls", [None, "implicit", "starttls"])
def test_what_is_larger_than_the_kernel_takes(tls: str | None, tmp_path: Path) -> None:
    """Mails of any size arrive, in clear and under TLS, over a connection that is kept."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 40_000)
    with ScriptedSMTPServer(tls=tls) as server, Mailer(server.url()) as mailer:
        for message in (a_message(), a_message().attach_file(path), a_message()):
            assert mailer.send(message).is_complete
        assert len(server.sessions) == 1


@pytest.mark.parametrize("tls", [None, "implicit"])
def test_silence_ends_with_the_timeout(tls: str | None) -> None:
    """A server that says nothing more is not waited for longer."""
    silent = Rule("MAIL").hang()
    with (
        ScriptedSMTPServer([silent], tls=tls) as server,
        pytest.raises(DeliveryError, match=r"within 0\.2 s"),
    ):
        Mailer(server.url(timeout=0.2)).send(a_message())
