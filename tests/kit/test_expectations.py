"""The test kit: waiting, expectations, servers as fixtures, snapshots, isolation."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import threading
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

from modernmail import Mailer, Message, send_mail
from modernmail.tasks.registry import task_backends
from modernmail.testing import InboxServer, Outbox, PreviewMailer, SMTPServer, normalised

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("unconfigured")


def send(subject: str, to: str = "zoe@example.com", **fields: Any) -> None:
    """Send a mail by the default mailer."""
    Message(subject, fields.pop("text", "Hello"), to=to, **fields).send()


def said(call: Any, *arguments: Any, **fields: Any) -> list[str]:
    """The lines of the AssertionError that a call raises."""
    with pytest.raises(AssertionError) as caught:
        call(*arguments, **fields)
    return str(caught.value).splitlines()


# -- waiting


def test_waiting_for_another_thread(outbox: Outbox) -> None:
    """`wait_for` returns a mail that is there, or as soon as another thread sends it."""
    send("first")
    assert outbox.wait_for(subject="first").subject == "first"
    thread = threading.Timer(0.02, send, ["second", "adam@example.com"])
    thread.start()
    assert outbox.wait_for(to="Adam <adam@EXAMPLE.com>").subject == "second"
    thread.join()


def test_waiting_in_vain(outbox: Outbox) -> None:
    """What did not come is said, with what is there and why each is not it."""
    send("first")
    assert said(outbox.wait_for, to="adam@example.com", subject="x", timeout=0) == [
        "no mail with to='adam@example.com' and subject='x' came within 0 s; the outbox holds 1:",
        "  0. 'first' to zoe@example.com",
        "       to: expected 'adam@example.com', found 'zoe@example.com'",
        "       subject: expected 'x', found 'first'",
    ]


def test_waiting_under_asyncio(outbox: Outbox) -> None:
    """`await_for` waits without blocking the loop whose task sends the mail."""

    async def main() -> str:
        async def soon() -> None:
            await asyncio.sleep(0.01)
            await Message("later", "x", to="zoe@example.com").asend()

        task = asyncio.create_task(soon())
        mail = await outbox.await_for(subject="later")
        await task
        with pytest.raises(AssertionError, match="came within 0 s"):
            await outbox.await_for(subject="never", timeout=0)
        return mail.subject

    assert asyncio.run(main()) == "later"


# -- expectations


def test_what_was_sent(outbox: Outbox) -> None:
    """`assert_sent` gives the mails that fit, and says what differs when the number is another."""
    outbox.assert_nothing_sent()
    assert said(outbox.assert_sent) == ["expected a mail, found none; the outbox is empty"]
    send("Welcome")
    send("Invoice", "adam@example.com", from_email="shop@example.com")
    assert [mail.subject for mail in outbox.assert_sent()] == ["Welcome", "Invoice"]
    assert outbox.assert_sent(1, to="adam@example.com")[0].subject == "Invoice"
    outbox.assert_sent(0, subject="Reminder")
    assert said(outbox.assert_sent, 2, from_email="shop@example.com", subject="Invoice") == [
        "expected 2 mails with subject='Invoice' and from_email='shop@example.com', found 1; the outbox holds 2:",
        "  0. 'Welcome' to zoe@example.com",
        "* 1. 'Invoice' to adam@example.com",
    ]
    assert (
        said(outbox.assert_sent, 1, from_email="other@example.com")[3]
        == ("       from_email: expected 'other@example.com', found 'shop@example.com'")
        or len(said(outbox.assert_sent, 1, from_email="other@example.com")) == 5
    )
    assert said(outbox.assert_nothing_sent)[0] == "expected no mail; the outbox holds 2:"


def test_long_outboxes_are_cut(outbox: Outbox) -> None:
    """A listing shows twenty mails and counts the rest."""
    for number in range(23):
        send(str(number))
    assert said(outbox.one)[-1] == "  and 3 more"


@pytest.fixture
def dummy() -> Iterator[None]:
    """Tasks are kept, not run."""
    with contextlib.ExitStack() as stack:
        task_backends.configure("dummy:")
        stack.callback(task_backends.configure, {})
        yield


def test_what_was_queued(outbox: Outbox, dummy: None) -> None:
    """Queued mails are told apart from sent ones; outgoing is both."""
    outbox.assert_nothing_outgoing()
    assert said(outbox.assert_queued) == ["expected a queued mail, found none; nothing is queued"]
    ticket = Message("later", "x", to="zoe@example.com").enqueue()
    outbox.assert_nothing_sent()
    assert outbox.assert_queued(1, to="zoe@example.com") == [ticket] == outbox.queued
    send("now")
    outbox.assert_outgoing(2)
    lines = said(outbox.assert_queued, 1, to="adam@example.com")
    assert lines[0] == "expected one queued mail with to='adam@example.com', found none; 1 are queued:"
    assert lines[1].endswith(" to zoe@example.com")
    assert (
        said(outbox.assert_nothing_outgoing)[0] == "expected 0 outgoing mails, found 2; the outbox holds 1:"
    )
    outbox.clear()
    outbox.assert_nothing_outgoing()


def test_what_was_queued_and_sent_counts_once(outbox: Outbox) -> None:
    """A mail that its worker has sent is one outgoing mail."""
    task_backends.configure("immediate:")
    try:
        Message("x", "y", to="zoe@example.com").enqueue()
    finally:
        task_backends.configure({})
    outbox.assert_sent(1)
    outbox.assert_queued(1)
    outbox.assert_outgoing(1)


def test_contents_in_order(outbox: Outbox) -> None:
    """Text and HTML are expected to hold words in order; a failure names the word, and shows the body."""
    send("x", text="Dear Zoë,\nyou owe 61.50.\n", html="<p>Dear  Zoë,</p>\n<p>you owe <b>61.50</b></p>")
    mail = outbox.one()
    mail.assert_text("Dear Zoë", "61.50")
    mail.assert_html("<p>Dear Zoë,</p> <p>you", "<b>61.50</b>")
    assert said(mail.assert_text, "61.50", "Dear")[0] == (
        "expected 'Dear' after '61.50' in the text; it stands before that:"
    )
    assert said(mail.assert_html, "Dear", "Sir")[0] == "expected 'Sir' after 'Dear' in the HTML:"
    send("only text", "adam@example.com")
    assert said(outbox[-1].assert_html, "x") == ["expected 'x' in the HTML; the mail has none"]


def test_links_and_codes(outbox: Outbox) -> None:
    """A mail gives its links and its one-time codes."""
    send("x", text="Your code is 493 201, or open https://example.com/c?t=1.")
    assert outbox.one().links() == ["https://example.com/c?t=1"]
    assert outbox.one().codes() == ["493201"]


def test_snapshots(outbox: Outbox) -> None:
    """The same message gives the same snapshot on every run; another text does not."""
    for subject in ("x", "x", "y"):
        send(subject, html="<p>Hello</p>")
    one, two, three = (mail.snapshot() for mail in outbox)
    assert one == two != three
    assert outbox[0].content != outbox[1].content
    assert "Date: DATE\n" in one
    assert "Message-ID: MESSAGE-ID\n" in one
    assert one.endswith("\n--BOUNDARY-1--\n")


def test_snapshots_of_nested_parts() -> None:
    """Boundaries are numbered as they occur, folded unique fields go whole, bodies that look like fields stay."""
    mail = (
        b"Received: from a\r\n\tby b\r\nReceived: from c\r\nSubject: x\r\n"
        b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        b'Content-Type: multipart/related; boundary="bb"\r\n\r\n--bb\r\n\r\nDate: kept\r\n--bb--\r\n--b--\r\n'
    )
    assert normalised(mail).splitlines() == [
        "Received: RECEIVED", "Received: RECEIVED", "Subject: x",
        'Content-Type: multipart/mixed; boundary="BOUNDARY-1"', "",
        "--BOUNDARY-1", 'Content-Type: multipart/related; boundary="BOUNDARY-2"', "", "--BOUNDARY-2", "",
        "Date: kept", "--BOUNDARY-2--", "--BOUNDARY-1--",
    ]  # fmt: skip
    assert normalised(b"Subject: no body") == "Subject: no body"


# -- servers


def test_a_real_server(smtp_server: SMTPServer) -> None:
    """The default mailer sends to it by SMTP; what it caught reads like an outbox, and like the wire."""
    send_mail("Hi", "Hello", None, ["zoe@example.com"])
    with smtplib.SMTP(smtp_server.host, smtp_server.port) as client:
        client.sendmail("a@example.com", ["b@example.com"], "Subject: by hand\r\n\r\nx")
    assert smtp_server.one(to="zoe@example.com").text == "Hello"
    assert smtp_server.wait_for(subject="by hand").receipt is None
    smtp_server.assert_sent(2)
    assert [mail.return_path for mail in smtp_server.captured] == [
        "default-sender@localhost.invalid", "a@example.com",
    ]  # fmt: skip
    smtp_server.clear()
    smtp_server.assert_nothing_outgoing()
    assert smtp_server.captured == []


def test_a_server_with_options() -> None:
    """`running` takes the capture server's options."""
    with SMTPServer.running(refuse={"no@example.com"}) as server:
        mailer = Mailer(server.url, from_email="me@example.com")
        receipt = mailer.send(Message("x", "y", to=["no@example.com", "yes@example.com"]))
        mailer.close()
    assert list(receipt.refused) == ["no@example.com"]
    assert server.one().recipients == ("yes@example.com",)


def test_a_whole_inbox(inbox: InboxServer) -> None:
    """The fixture has the page and the API as well, for tests in a browser."""
    send("Seen")
    assert inbox.wait_for(subject="Seen").to[0].addr_spec == "zoe@example.com"
    with urlopen(f"{inbox.page_url}/api/mails") as answer:
        assert b'"subject":"Seen"' in answer.read()
    assert inbox.url == inbox.smtp_url


def test_the_kit_offers_previews() -> None:
    """PreviewMailer is part of the test kit."""
    assert PreviewMailer.__module__ == "modernmail.inbox.previews"


# -- isolation


def test_tests_do_not_see_each_other(pytester: pytest.Pytester) -> None:
    """Each test has its own outbox, server and inbox, one after the other and in several workers at once."""
    pytester.makepyfile(
        """
        import threading, asyncio
        import pytest
        from modernmail import Message, asend_mail

        @pytest.mark.parametrize("number", range(2))
        @pytest.mark.parametrize("name", ["outbox", "smtp_server", "inbox"])
        def test_alone(request, name, number):
            box = request.getfixturevalue(name)
            box.assert_nothing_outgoing()
            def send(n):
                Message(f"{name} {number} {n}", "x", to="zoe@example.com").send()
            threads = [threading.Thread(target=send, args=(n,)) for n in range(4)]
            for thread in threads: thread.start()
            for thread in threads: thread.join()
            async def main():
                await asyncio.gather(*(asend_mail(f"{name} {number} {n}", "x", None, ["zoe@example.com"])
                                       for n in range(4, 8)))
            asyncio.run(main())
            assert {mail.subject for mail in box} == {f"{name} {number} {n}" for n in range(8)}
        """
    )
    pytest.importorskip("xdist", reason="pip install pytest-xdist")
    result = pytester.runpytest_subprocess("-n", "2", "-q")
    result.assert_outcomes(passed=6)
