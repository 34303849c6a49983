"""What it costs in round trips to do without PIPELINING, to log in, and to send to a crowd: see docs/how-to/tune.md.

What pipelining and chunking cost is in test_turnarounds.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from turnarounds import Proxy

from modernmail import Mailer, Message
from modernmail.testing import ScriptedSMTPServer

EXTENSIONS = ("PIPELINING", "CHUNKING", "8BITMIME", "SIZE 1000000")
OPENING = 1  # EHLO; the greeting comes with the connection
FAREWELL = 1  # QUIT


def letters(count: int, recipients: int = 1) -> list[Message]:
    """Return so many small mails."""
    to = [f"person{number}@example.com" for number in range(recipients)]
    return [Message(f"{number}", "x", from_email="me@example.com", to=to) for number in range(count)]


def turns(mails: list[Message], face: str, capabilities: tuple[str, ...] = EXTENSIONS, **options: Any) -> int:
    """Return how often the client spoke and waited for an answer, connecting and leaving included."""
    with ScriptedSMTPServer(capabilities=capabilities) as server, Proxy(server.port) as proxy:
        url = server.url(**options).replace(f":{server.port}", f":{proxy.port}")

        async def asend() -> None:
            async with Mailer(url) as mailer:
                if face == "asend_many":
                    assert (await mailer.asend_many(mails).finish()).problems == []
                for mail in mails if face == "asend" else ():
                    await mailer.asend(mail)

        if face.startswith("a"):
            asyncio.run(asend())
        else:
            with Mailer(url) as mailer:
                if face == "send_many":
                    assert mailer.send_many(mails).finish().problems == []
                for mail in mails if face == "send" else ():
                    mailer.send(mail)
        server.wait_until_idle()
        assert sum(len(commit.recipients) for commit in server.commits) == sum(len(mail.to) for mail in mails)
        assert len(server.sessions) == 1
        return proxy.turnarounds


@pytest.mark.parametrize("face", ["send", "asend", "send_many", "asend_many"])
def test_without_pipelining(face: str) -> None:
    """One round trip a command: MAIL, each RCPT, DATA, the content; chunking is not used."""
    mails = letters(4, recipients=10)
    assert turns(mails, face, ("8BITMIME", "CHUNKING")) == OPENING + 4 * (10 + 3) + FAREWELL
    assert turns(mails, face, ("8BITMIME", "CHUNKING"), chunking="on") == OPENING + 4 * (10 + 3) + FAREWELL


@pytest.mark.parametrize("face", ["send", "asend"])
@pytest.mark.parametrize(("mechanism", "count"), [("PLAIN", 1), ("CRAM-MD5", 2), ("LOGIN", 3)])
def test_what_a_login_costs(mechanism: str, count: int, face: str) -> None:
    """One round trip for PLAIN, two for CRAM-MD5, three for LOGIN."""
    with (
        ScriptedSMTPServer(credentials={"zoe": "secret"}, mechanisms=[mechanism]) as server,
        Proxy(server.port) as proxy,
    ):
        url = f"smtp://zoe:secret@127.0.0.1:{proxy.port}?tls=off"

        async def averify() -> None:
            async with Mailer(url) as mailer:
                await mailer.averify()

        if face == "asend":
            asyncio.run(averify())
        else:
            with Mailer(url) as mailer:
                mailer.verify()
        server.wait_until_idle()
        assert proxy.turnarounds == OPENING + count + FAREWELL


@pytest.mark.parametrize("face", ["send_many", "asend_many"])
def test_more_recipients_than_a_transaction_takes(face: str) -> None:
    """250 recipients at 100 each: three transactions, the content three times, two round trips each."""
    assert turns(letters(1, recipients=250), face) == OPENING + 3 * 2 + FAREWELL
    assert turns(letters(1, recipients=250), face, max_recipients=1000) == OPENING + 2 + FAREWELL
