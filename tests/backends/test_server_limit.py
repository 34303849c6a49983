"""A server that lets fewer connections in than the pool would have: the others carry the mail, and nothing is put off for it."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from modernmail import Mailer, Message
from modernmail.errors import AuthenticationFailed, ConnectFailed
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from modernmail import Receipt

LIMIT = 2
# Microsoft 365's words; others close at once, or say it at the login.
REFUSALS = {
    "421 in the greeting": Rule("CONNECT")
    .reply("421 4.3.2 The maximum number of connections has exceeded a limit")
    .close(),
    "closed at once": Rule("CONNECT").close(),
    "432 at the login": Rule("AUTH").reply("432 4.3.2 Concurrent connections limit exceeded"),
}


def letters(count: int) -> list[Message]:
    """Return so many mails."""
    return [Message(f"{n}", "x", from_email="me@example.com", to="zoe@example.com") for n in range(count)]


def server(refusal: str, **options: object) -> ScriptedSMTPServer:
    """Return a server that lets in its first sessions alone, each of which takes a moment for a mail."""
    rule = REFUSALS[refusal]
    script = [
        Rule(rule.on, session=tuple(range(LIMIT + 1, 60)), do=rule.do),
        Rule("BODY").sleep(0.01).proceed(),
    ]
    return ScriptedSMTPServer(script, credentials={"zoe": "s3cret"}, **options)  # type: ignore[arg-type]


def url(of: ScriptedSMTPServer, **options: object) -> str:
    """Return the URL with the login."""
    return of.url(username="zoe", password="s3cret", tls="off", **options)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_stream_goes_over_those_that_are_let_in(refusal: str) -> None:
    """Forty mails over four connections, of which two are refused: each is accepted, and nobody knocks again and again."""

    async def send(at: str) -> list[Receipt]:
        async with Mailer(at) as mailer, mailer.asend_many(letters(40)) as sending:
            return [receipt async for receipt in sending]

    with server(refusal) as limited:
        receipts = asyncio.run(send(url(limited, pool=4)))
        assert len(limited.sessions) == 4
        assert len(limited.commits) == 40
    assert all(receipt.is_complete for receipt in receipts)


@pytest.mark.parametrize("refusal", REFUSALS)
def test_threads_wait_for_those_that_are_let_in(refusal: str) -> None:
    """Four threads with ten mails each: who is refused a connection waits for another's."""
    with server(refusal) as limited, Mailer(url(limited, pool=4)) as mailer:
        together = threading.Barrier(4)

        def ten(_: int) -> list[Receipt]:
            together.wait()
            return [mailer.send(mail) for mail in letters(10)]

        with ThreadPoolExecutor(4) as threads:
            receipts = [receipt for some in threads.map(ten, range(4)) for receipt in some]
        assert len(limited.commits) == 40
    assert all(receipt.is_complete for receipt in receipts)


def test_a_server_that_lets_nobody_in_is_told_at_once() -> None:
    """Four connections refused: one attempt each, and every mail deferred with the server's words."""
    refused = Rule("CONNECT").reply("421 4.3.2 not now").close()

    async def send(at: str) -> list[Receipt]:
        async with Mailer(at) as mailer, mailer.asend_many(letters(20)) as sending:
            return [receipt async for receipt in sending]

    with ScriptedSMTPServer([refused]) as closed:
        receipts = asyncio.run(send(closed.url(pool=4)))
        assert len(closed.sessions) == 4
    assert all(isinstance(receipt.error, ConnectFailed) for receipt in receipts)
    assert {str(receipt.recipients["zoe@example.com"].reply) for receipt in receipts} == {"421 4.3.2 not now"}


def test_a_wrong_password_is_no_limit() -> None:
    """535 beside connections that are open ends the stream: it would be wrong the next time, too."""
    script = [
        Rule("AUTH", session=(2, 3, 4)).reply("535 5.7.8 bad credentials"),
        Rule("BODY").sleep(0.05).proceed(),
    ]

    async def send(at: str) -> None:
        async with Mailer(at) as mailer:
            await mailer.asend_many(letters(20)).finish()

    with (
        ScriptedSMTPServer(script, credentials={"zoe": "s3cret"}) as strict,
        pytest.raises(AuthenticationFailed, match="bad credentials"),
    ):
        asyncio.run(send(url(strict, pool=4)))
