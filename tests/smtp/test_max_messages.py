"""`max_messages`: no connection carries more transactions, whatever the stream; nothing is lost or sent twice at the change."""

from __future__ import annotations

import asyncio

import pytest

from modernmail import Mailer, Message, Receipt
from modernmail.testing import Rule, ScriptedSMTPServer

PIPELINING, CHUNKING = ["PIPELINING", "8BITMIME"], ["PIPELINING", "CHUNKING"]


def letters(count: int, recipients: int = 1) -> list[Message]:
    """Return so many small mails, the recipients of each its own."""
    return [
        Message(
            f"{n}",
            "x",
            from_email="me@example.com",
            to=[f"p{n}-{who}@example.com" for who in range(recipients)],
        )
        for n in range(count)
    ]


def send(url: str, mails: list[Message], face: str) -> list[Receipt]:
    """Send them as one stream, or one after the other."""

    async def asend() -> list[Receipt]:
        async with Mailer(url) as mailer:
            if face == "asend":
                return [await mailer.asend(mail) for mail in mails]
            return [receipt async for receipt in mailer.asend_many(mails)]

    if face.startswith("a"):
        return asyncio.run(asend())
    with Mailer(url) as mailer:
        if face == "send":
            return [mailer.send(mail) for mail in mails]
        return list(mailer.send_many(mails))


@pytest.mark.parametrize("face", ["send", "asend", "send_many", "asend_many"])
@pytest.mark.parametrize(
    ("capabilities", "options", "lmtp"),
    [
        pytest.param(PIPELINING, {}, False, id="pipelined"),
        pytest.param([], {}, False, id="one by one"),
        pytest.param(CHUNKING, {"chunking": "on"}, False, id="BDAT"),
        pytest.param(CHUNKING, {"chunking": "on", "window": 8}, False, id="BDAT with a window"),
        pytest.param(PIPELINING, {}, True, id="LMTP"),
    ],
)
def test_a_connection_carries_so_many(
    capabilities: list[str], options: dict[str, object], lmtp: bool, face: str
) -> None:
    """Seventeen mails at five for each connection: four connections, and each mail once, in order."""
    with ScriptedSMTPServer(capabilities=capabilities, lmtp=lmtp) as server:
        receipts = send(server.url(max_messages=5, **options), letters(17), face)
        server.wait_until_idle()
    assert [receipt.accepted for receipt in receipts] == [(f"p{n}-0@example.com",) for n in range(17)]
    assert [commit.recipients for commit in server.commits] == [(f"p{n}-0@example.com",) for n in range(17)]
    assert [len(session.transactions) for session in server.sessions] == [5, 5, 5, 2]


@pytest.mark.parametrize("face", ["send_many", "asend_many"])
@pytest.mark.parametrize("capabilities", [PIPELINING, []])
def test_a_mail_in_several_transactions_may_change_the_connection(capabilities: list[str], face: str) -> None:
    """Three transactions a mail, two for each connection: the rest of the recipients goes over the next one."""
    rules = [Rule("RCPT", contains="p1-4@").reply("550 5.1.1 no")]
    with ScriptedSMTPServer(rules, capabilities=capabilities) as server:
        receipts = send(server.url(max_messages=2, max_recipients=2), letters(3, recipients=5), face)
        server.wait_until_idle()
    assert [len(receipt.accepted) for receipt in receipts] == [5, 4, 5]
    assert max(len(session.transactions) for session in server.sessions) == 2
    given = [recipient for commit in server.commits for recipient in commit.recipients]
    assert sorted(given) == sorted(recipient for receipt in receipts for recipient in receipt.accepted)


@pytest.mark.parametrize("face", ["send", "asend", "send_many", "asend_many"])
@pytest.mark.parametrize("capabilities", [PIPELINING, CHUNKING, []])
def test_what_the_server_says_it_takes(capabilities: list[str], face: str) -> None:
    """RFC 9422: MAILMAX and RCPTMAX are kept, whatever stands beside them; an option may ask for less, never for more."""
    limits = "LIMITS rcptmax=3 MAILMAX=4 RCPTDOMAINMAX=9"
    chunking = "on" if capabilities is CHUNKING else "off"
    for wanted, transactions in ((100, [4, 2]), (3, [3, 3])):
        with ScriptedSMTPServer(capabilities=[*capabilities, limits]) as server:
            url = server.url(max_messages=wanted, chunking=chunking)
            receipts = send(url, letters(3, recipients=5), face)
            server.wait_until_idle()
        assert all(receipt.is_complete for receipt in receipts)
        assert [len(session.transactions) for session in server.sessions] == transactions
        assert [len(commit.recipients) for commit in server.commits] == [3, 2] * 3


@pytest.mark.parametrize("limits", ["LIMITS", "LIMITS MAILMAX", "LIMITS MAILMAX=0", "LIMITS MAILMAX=many =5"])
def test_limits_that_nobody_can_read(limits: str) -> None:
    """They limit nothing."""
    with ScriptedSMTPServer(capabilities=[limits]) as server:
        assert all(receipt.is_complete for receipt in send(server.url(), letters(3), "send_many"))
        server.wait_until_idle()
    assert len(server.sessions) == 1


@pytest.mark.parametrize("face", ["send_many", "asend_many"])
def test_one_for_each_connection(face: str) -> None:
    """The least there is: a connection for each mail."""
    with ScriptedSMTPServer() as server:
        assert all(receipt.is_complete for receipt in send(server.url(max_messages=1), letters(4), face))
        server.wait_until_idle()
    assert [(len(session.transactions), session.end) for session in server.sessions] == [(1, "quit")] * 4
