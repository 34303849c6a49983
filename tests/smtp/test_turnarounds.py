"""How often sending waits for the server, counted by a proxy: the promise of pipelining, without a clock."""

from __future__ import annotations

import asyncio

import pytest
from turnarounds import Proxy

from modernmail import Mailer, Message
from modernmail.testing import ScriptedSMTPServer

MANY = 16  # mails
CHUNKING = ("PIPELINING", "CHUNKING", "8BITMIME")
OPENING = 2  # the greeting and the reply to EHLO are each waited for


def messages(recipients: int) -> list[Message]:
    """Return `MANY` small messages, each to so many."""
    to = [f"user{number}@example.com" for number in range(recipients)]
    return [Message(f"Order {n}", "Hello\n", from_email="me@example.com", to=to) for n in range(MANY)]


@pytest.mark.parametrize("recipients", [1, 10])
@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param("", OPENING + MANY, id="data"),
        pytest.param("?chunking=on&window=8", OPENING + MANY // 8 - 1, id="chunking"),
    ],
)
def test_many_wait_once_a_mail(face: str, options: str, expected: int, recipients: int) -> None:
    """Many mails wait once for each, whatever the number of recipients; by BDAT once for each window."""
    with (
        ScriptedSMTPServer(capabilities=CHUNKING) as server,
        Proxy(server.port) as proxy,
    ):
        url = f"smtp://127.0.0.1:{proxy.port}{options}"
        if face == "sync":
            with Mailer(url) as mailer:
                tally = mailer.send_many(messages(recipients)).finish()
                turnarounds = proxy.turnarounds
        else:

            async def main() -> tuple[object, int]:
                async with Mailer(url) as mailer:
                    tally = await mailer.asend_many(messages(recipients)).finish()
                    return tally, proxy.turnarounds

            tally, turnarounds = asyncio.run(main())
        assert tally.accepted == MANY * recipients
        assert len(server.commits) == MANY
    assert turnarounds == expected


@pytest.mark.parametrize("recipients", [1, 10])
@pytest.mark.parametrize(("options", "expected"), [("", 2), ("?chunking=on", 1)])
def test_one_on_a_warm_pool_waits_twice(options: str, expected: int, recipients: int) -> None:
    """A mail over a connection that is open waits for its recipients and for its content; by BDAT once for both."""
    with (
        ScriptedSMTPServer(capabilities=CHUNKING) as server,
        Proxy(server.port) as proxy,
        Mailer(f"smtp://127.0.0.1:{proxy.port}{options}") as mailer,
    ):
        first, *others = messages(recipients)
        mailer.send(first)
        before = proxy.turnarounds
        for message in others:
            mailer.send(message)
        assert proxy.turnarounds - before == expected * len(others)
