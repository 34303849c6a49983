"""The deadline of a whole send: connections, replies, writes, further transactions and replaced connections all count.

The outcomes are the proof; how exactly the time is kept is measured by `nox -s faults`. `test_faults.py` has the steps.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from modernmail import Mailer, Message
from modernmail.errors import DeliveryError
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from modernmail import Receipt

    SendMany = Callable[[str, list[Message]], list[Receipt]]

pytestmark = pytest.mark.once  # most of it is waiting

BOTH = ["PIPELINING", "CHUNKING"]


def a_message(*recipients: str) -> Message:
    """Return a message to these recipients, one by default."""
    return Message("x", "y", from_email="me@example.com", to=recipients or ["you@example.com"])


def sync(url: str, messages: list[Message]) -> list[Receipt]:
    """Send them as one stream."""
    with Mailer(url) as mailer, mailer.send_many(messages) as sending:
        return list(sending)


def under_asyncio(url: str, messages: list[Message]) -> list[Receipt]:
    """Send them as one stream under asyncio."""

    async def run() -> list[Receipt]:
        async with Mailer(url) as mailer, mailer.asend_many(messages) as sending:
            return [receipt async for receipt in sending]

    return asyncio.run(run())


faces = pytest.mark.parametrize("send_many", [sync, under_asyncio], ids=["sync", "async"])


@faces
@pytest.mark.parametrize("chunking", ["off", "on"])
def test_writes_that_the_server_does_not_take(send_many: SendMany, chunking: str, tmp_path: Path) -> None:
    """A server that stops reading in the middle of a content: deferred, as its end was never written."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(16_000_000))  # more than the sockets between client and server hold
    stalled = Rule("DATA").reply("354 go").stall() if chunking == "off" else Rule("MAIL").stall()
    with ScriptedSMTPServer([stalled], capabilities=BOTH) as server:
        url = server.url(timeout=30, deadline=0.3, chunking=chunking)
        (receipt,) = send_many(url, [a_message().attach_file(path)])
    assert receipt.recipients["you@example.com"].status == "deferred"
    assert "deadline of 0.3 s" in str(receipt.error)


@faces
def test_further_transactions_share_it(send_many: SendMany) -> None:
    """Of a mail that needs eight transactions those that the time allows are made, and the rest is deferred."""
    recipients = [f"r{number}@example.com" for number in range(8)]
    with ScriptedSMTPServer([Rule("BODY").sleep(0.2).proceed()]) as server:
        url = server.url(timeout=30, final_timeout=30, deadline=0.5, max_recipients=1)
        (receipt,) = send_many(url, [a_message(*recipients)])
        server.wait_until_idle()
    taken = {commit.recipients[0] for commit in server.commits}
    for address, outcome in receipt.recipients.items():
        assert outcome.status in ({"accepted", "unknown"} if address in taken else {"deferred", "unknown"})
    assert receipt.count("unknown") <= 1
    assert receipt.count("deferred") >= 5
    assert "0.5 s" in str(receipt.recipients["r7@example.com"].reason)


@faces
@pytest.mark.parametrize("step", ["CONNECT", "MAIL"])
def test_a_connection_that_is_replaced_shares_it(send_many: SendMany, step: str) -> None:
    """The kept connection dies under the second mail, and the new one drips: the time is that of the mail."""
    script = [Rule("MAIL", nth=2, session=1).close(), Rule(step, session=2).drip("250-" + "x" * 500, 0.05)]
    with ScriptedSMTPServer(script, capabilities=[]) as server:
        first, second = send_many(
            server.url(timeout=30, deadline=0.8, pool=1), [a_message(), a_message("b@example.com")]
        )
        assert len(server.sessions) == 2
    assert first.is_complete
    assert second.recipients["b@example.com"].status == "deferred"
    assert "0.8 s" in str(second.error)


@faces
@pytest.mark.parametrize("step", ["MAIL", "BODY"])
def test_a_reply_that_is_late_by_itself_is_told_so(send_many: SendMany, step: str) -> None:
    """Where the deadline is far away still, what is said to be over is the time for the reply."""
    with ScriptedSMTPServer([Rule(step).hang()]) as server:
        (receipt,) = send_many(server.url(timeout=0.2, final_timeout=0.2, deadline=30), [a_message()])
    assert "no reply within 0.2 s" in str(receipt.recipients["you@example.com"].reason)


@faces
def test_what_the_mail_before_takes_is_not_counted(send_many: SendMany) -> None:
    """The group of a mail is written with the content before it; its own time begins when that one has its reply."""
    with ScriptedSMTPServer([Rule("BODY").sleep(0.8).proceed()]) as server:
        url = server.url(timeout=30, final_timeout=30, deadline=1.5, pool=1)
        receipts = send_many(url, [a_message(f"r{number}@example.com") for number in range(2)])
    assert [receipt.is_complete for receipt in receipts] == [True, True]


@faces
def test_one_that_is_late_does_not_take_the_next_along(send_many: SendMany) -> None:
    """The first mail's reply does not come in time: it is unknown, the second goes through on a new connection."""
    with ScriptedSMTPServer([Rule("BODY", session=1).hang()]) as server:
        url = server.url(timeout=30, final_timeout=30, deadline=0.8, pool=1)
        first, second = send_many(url, [a_message("a@example.com"), a_message("b@example.com")])
    assert first.recipients["a@example.com"].status == "unknown"
    assert second.is_complete


@faces
def test_a_batch_of_bdat_has_one_for_each_mail(send_many: SendMany) -> None:
    """Of four mails in one write the second gets no reply: it is unknown, those after it as well, the first accepted."""
    with ScriptedSMTPServer([Rule("BODY", nth=2).hang()], capabilities=BOTH) as server:
        options = {"deadline": 0.8, "pool": 1, "chunking": "on", "window": 4}
        url = server.url(timeout=30, final_timeout=30, **options)
        receipts = send_many(url, [a_message(f"r{number}@example.com") for number in range(4)])
    assert [next(iter(receipt.recipients.values())).status for receipt in receipts] == [
        "accepted",
        "unknown",
        "unknown",
        "unknown",
    ]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL"])
def test_verify_has_one_too(step: str, is_async: bool) -> None:
    """`verify` says what the server offers within it, or why not."""
    with ScriptedSMTPServer([Rule(step).drip("250-" + "x" * 500, 0.05)]) as server:
        mailer = Mailer(server.url(timeout=30, deadline=0.3))
        if step == "MAIL":
            facts = asyncio.run(mailer.averify()) if is_async else mailer.verify()
            assert "PIPELINING" in facts["extensions"]
        else:
            with pytest.raises(DeliveryError, match=r"0\.3 s"):
                asyncio.run(mailer.averify()) if is_async else mailer.verify()


@pytest.mark.parametrize("question", ["getaddrinfo", "getfqdn"])
@pytest.mark.parametrize("is_async", [False, True])
def test_a_resolver_that_does_not_answer(
    question: str, is_async: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the host, and that of this machine, are not waited for longer; the system sets no limit for them."""
    wanted = threading.Event()
    answered: list[str] = []
    known = getattr(socket, question)

    def asked(*arguments: Any, **options: Any) -> Any:
        if arguments[-1:] != (socket.AI_NUMERICHOST,):
            wanted.wait(10)
            answered.append(question)
        return known(*arguments, **options)

    def unanswered() -> None:
        assert not answered
        wanted.set()  # the end of a loop waits for its threads

    async def under_asyncio() -> None:
        with pytest.raises(DeliveryError, match=r"0\.3 s"):
            await mailer.asend(a_message())
        unanswered()

    monkeypatch.setattr(socket, question, asked)
    monkeypatch.setattr("modernmail.smtp.wires.security._names", [])
    with ScriptedSMTPServer() as server:
        mailer = Mailer(server.url(timeout=30, deadline=0.3).replace("127.0.0.1", "localhost"))
        if is_async:
            asyncio.run(under_asyncio())
        else:
            with pytest.raises(DeliveryError, match=r"0\.3 s"):
                mailer.send(a_message())
            unanswered()


@pytest.mark.faults
@faces
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "BODY", "QUIT"])
@pytest.mark.parametrize("how", ["drip", "flood", "hang"])
@pytest.mark.parametrize("capabilities", [["PIPELINING"], [], BOTH], ids=["pipelined", "stepwise", "chunked"])
def test_nothing_outlasts_it_by_more_than_a_tenth(
    send_many: SendMany, step: str, how: str, capabilities: list[str]
) -> None:
    """Two seconds are over after two seconds, whatever the server does, the farewell included."""
    rule = Rule(step)
    rule = rule.drip("250-" + "x" * 2000, 0.02) if how == "drip" else rule.hang()
    if how == "flood":
        rule = Rule(step).raw("250-").flood("x" * 80)
    login = {"username": "me", "password": "secret"}
    with ScriptedSMTPServer([rule], capabilities=capabilities, credentials={"me": "secret"}) as server:
        chunking = "on" if "CHUNKING" in capabilities else "off"
        url = server.url(
            **login, timeout=30, final_timeout=30, deadline=2, tls="off", max_messages=1, chunking=chunking
        )
        began = time.monotonic()
        send_many(url, [a_message()])
        assert time.monotonic() - began < 2.2
