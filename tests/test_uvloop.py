"""Under uvloop, on which FastAPI's usual server runs, everything is as it is under asyncio's own loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from modernmail import Mailer, Message
from modernmail.errors import DeliveryError, RecipientsRefused
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

uvloop = pytest.importorskip("uvloop", reason="pip install uvloop")


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run it in a loop of uvloop's."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


def a_message(recipient: str = "you@example.com") -> Message:
    """Return a message."""
    return Message("x", "y", from_email="me@example.com", to=recipient)


@pytest.mark.parametrize("tls", [None, "implicit", "starttls"])
def test_what_arrives(tls: str | None, tmp_path: Path) -> None:
    """Twenty mails, one with an attachment larger than the kernel takes at once, over two kept connections."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(range(256)) * 40_000)
    messages = [a_message(f"r{number}@example.com") for number in range(19)] + [a_message().attach_file(path)]

    async def sending() -> None:
        async with Mailer(server.url(pool=2)) as mailer:
            async with mailer.asend_many(messages) as receipts:
                assert [receipt.is_complete async for receipt in receipts] == [True] * 20
            assert (await mailer.asend(a_message())).is_complete

    with ScriptedSMTPServer(tls=tls) as server:
        run(sending())
        assert len(server.commits) == 21
        assert len(server.sessions) == 2


def test_a_refusal_and_a_deadline() -> None:
    """Who is refused is told, and a server that says nothing is not waited for."""

    async def sending() -> None:
        async with Mailer(server.url(timeout=30, deadline=0.3)) as mailer:
            with pytest.raises(RecipientsRefused, match=r"5\.1\.1"):
                await mailer.asend(a_message("nobody@example.com"))
            with pytest.raises(DeliveryError, match=r"deadline of 0\.3 s"):
                await mailer.asend(a_message("silence@example.com"))

    rules = [
        Rule("RCPT", contains="nobody@example.com").reply("550 5.1.1 no such user"),
        Rule("RCPT", contains="silence@example.com").hang(),
    ]
    with ScriptedSMTPServer(rules) as server:
        run(sending())


@pytest.mark.parametrize("tls", [None, "implicit"])
def test_a_sending_that_is_cancelled(tls: str | None) -> None:
    """Its connection is closed, and the next mail goes over another one."""

    async def sending() -> None:
        async with Mailer(server.url(timeout=30)) as mailer:
            lost = asyncio.create_task(mailer.asend(a_message("slow@example.com")))
            await asyncio.to_thread(server.wait_for_step, "RCPT")
            lost.cancel()
            with pytest.raises(asyncio.CancelledError):
                await lost
            assert (await mailer.asend(a_message())).is_complete

    with ScriptedSMTPServer([Rule("RCPT", contains="slow@example.com").hang()], tls=tls) as server:
        run(sending())
        assert [commit.recipients for commit in server.commits] == [("you@example.com",)]
        assert len(server.sessions) == 2
