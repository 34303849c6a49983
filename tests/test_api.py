"""The one-liners: `send_mail`, `send_mass_mail` and their async forms."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest

import modernmail
from modernmail import (
    Address,
    Attachment,
    Receipt,
    asend_mail,
    asend_mass_mail,
    configure,
    mailers,
    send_mail,
    send_mass_mail,
)
from modernmail.errors import (
    InvalidAddress,
    InvalidAttachment,
    InvalidHeader,
    InvalidMessage,
    RecipientsRefused,
)
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modernmail import Parcel

    Send = Callable[..., Receipt]


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    """The default mailer keeps mail in memory."""
    configure(
        {"default": {"url": "memory:", "from_email": "Default <default@example.com>"}, "other": "memory:"}
    )
    yield
    configure({})


@pytest.fixture(params=["send_mail", "asend_mail"])
def send(request: pytest.FixtureRequest) -> Send:
    """Sync, or async: the same arguments, the same outcome."""
    if request.param == "send_mail":
        return send_mail
    return lambda *args, **kwargs: asyncio.run(asend_mail(*args, **kwargs))


def sent(name: str = "default") -> list[Parcel]:
    """Return what a mailer has sent."""
    found: list[Parcel] = mailers[name].backend.outbox  # type: ignore[attr-defined]
    return found


def test_the_one_liner(send: Send) -> None:
    """Subject, text, sender, recipients: a receipt comes back."""
    receipt = send("Subject", "Hello", "me@example.com", ["you@example.com"])
    assert receipt.accepted == ("you@example.com",)
    (parcel,) = sent()
    content = bytes(parcel.content)
    assert b"From: me@example.com\r\nTo: you@example.com\r\nSubject: Subject\r\n" in content
    assert content.endswith(b"\r\n\r\nHello\r\n")
    assert receipt.message_id == parcel.message_id


def test_the_seed_example(send: Send) -> None:
    """`send_mail(subject, message, None, emails)` inside any function: None is the mailer's default sender."""

    def email_users(emails: list[str], subject: str, message: str) -> Receipt:
        return send(subject, message, None, emails)

    receipt = email_users(emails=["you@example.com"], subject="You have a message", message="Hello there!")
    assert receipt.accepted == ("you@example.com",)
    assert receipt.envelope is not None
    assert receipt.envelope.return_path == "default@example.com"
    assert b"From: Default <default@example.com>\r\n" in bytes(sent()[0].content)


def test_every_argument_arrives(send: Send) -> None:
    """HTML, Cc, Bcc, Reply-To, attachments of each form and headers."""
    receipt = send(
        "Subject", "Hello", Address("Me <me@example.com>"), "you@example.com", html_message="<p>Hello</p>",
        cc=["cc@example.com"], bcc="bcc@example.com", reply_to=["answers@example.com"],
        attachments=[Attachment("a.txt", "a"), ("b.bin", b"b"), ("c.csv", "c", "text/csv")],
        headers={"X-Campaign": "autumn"}, using="other",
    )  # fmt: skip
    assert receipt.accepted == ("you@example.com", "cc@example.com", "bcc@example.com")
    (parcel,) = sent("other")
    content = bytes(parcel.content)
    for part in (b"Cc: cc@example.com", b"Reply-To: answers@example.com", b"X-Campaign: autumn", b"text/html",
                 b"a.txt", b"b.bin", b"c.csv"):  # fmt: skip
        assert part in content
    assert b"bcc@example.com" not in content
    assert sent() == []


def test_sync_and_async_take_the_same_arguments() -> None:
    """The signatures are the same, parameter by parameter."""
    for name in ("send_mail", "send_mass_mail"):
        sync, async_ = getattr(modernmail, name), getattr(modernmail, f"a{name}")
        assert inspect.signature(sync).parameters == inspect.signature(async_).parameters
        assert inspect.iscoroutinefunction(async_)


def test_nobody_accepted_raises(send: Send) -> None:
    """A total refusal is a DeliveryError with the receipt; it knows that trying later would not help."""
    with ScriptedSMTPServer([Rule("RCPT").reply("550 5.1.1 no such user")]) as server:
        configure({"default": server.url()})
        with pytest.raises(RecipientsRefused) as caught:
            send("x", "x", "me@example.com", ["you@example.com"])
    assert caught.value.receipt is not None
    assert caught.value.receipt.recipients["you@example.com"].status == "rejected"
    assert caught.value.is_transient is False


REFUSED = {
    "a list in one address": (
        {"recipient_list": ["a@example.com, b@example.com"]},
        InvalidAddress,
        "to[0]: 'a@example.com, b@",
    ),
    "a list as a str": (
        {"recipient_list": "a@example.com,b@example.com"},
        InvalidAddress,
        "to: 'a@example.com,b@",
    ),
    "an address without local part": (
        {"recipient_list": ["ok@example.com", "@example.com"]},
        InvalidAddress,
        "to[1]: '@example.com'",
    ),
    "no recipient at all": ({"recipient_list": []}, InvalidMessage, "to: []"),
    "recipients that are none": ({"recipient_list": None}, InvalidMessage, "to: []"),
    "a number as recipients": ({"recipient_list": 7}, InvalidAddress, "to: 7"),
    "a line end in an address": (
        {"recipient_list": ["a@example.com\r\nBcc: x@example.com"]},
        InvalidAddress,
        "to[0]: ",
    ),
    "a comment in an address": (
        {"recipient_list": ["a@(Bcc:evil@example.net,yyy)example.com"]},
        InvalidAddress,
        "to[0]: ",
    ),
    "a wrong sender": ({"from_email": "me@"}, InvalidAddress, "from_email: 'me@'"),
    "a wrong cc": ({"cc": ["x"], "bcc": ["y@"]}, InvalidAddress, "bcc[0]: 'y@'"),
    "a wrong reply_to": ({"reply_to": "a@example.com, b@example.com"}, InvalidAddress, "reply_to: "),
    "a line end in the subject": ({"subject": "Hi\r\nBcc: x@example.com"}, InvalidHeader, "subject: 'Hi"),
    "NUL in the subject": ({"subject": "a\0b"}, InvalidHeader, "subject: 'a"),
    "a subject that is no str": ({"subject": 42}, InvalidHeader, "subject: 42"),
    "text that is no str": ({"message": b"bytes"}, InvalidMessage, "text: b'bytes'"),
    "html that is no str": ({"html_message": 1}, InvalidMessage, "html: 1"),
    "Bcc as a header": ({"headers": {"bCC": "x@example.com"}}, InvalidHeader, "bcc"),
    "Subject as a header": ({"headers": {"Subject": "x"}}, InvalidHeader, "subject"),
    "a header name that is none": ({"headers": {"X A": "x"}}, InvalidHeader, "X A"),
    "a line end in a header": ({"headers": {"X-A": "x\nBcc: y@example.com"}}, InvalidHeader, "X-A"),
    "an attachment that is none": (
        {"attachments": ["report.pdf"]},
        InvalidAttachment,
        "attachments[0]: 'report.pdf'",
    ),
    "an attachment of text": ({"attachments": [("a.txt", 7)]}, InvalidAttachment, "content: 7"),
    "a wrong media type": (
        {"attachments": [("a.txt", "x", "text")]},
        InvalidAttachment,
        "media_type: 'text'",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused(why: str, send: Send) -> None:
    """The error names the argument and the value, and nothing was sent."""
    changes, kind, told = REFUSED[why]
    arguments = {
        "subject": "s",
        "message": "m",
        "from_email": "me@example.com",
        "recipient_list": ["you@example.com"],
    }
    with pytest.raises(kind) as caught:
        send(**(arguments | changes))
    assert told.lower() in str(caught.value).lower()
    assert isinstance(caught.value, ValueError)
    assert sent() == []


# -- mass mail


@pytest.fixture(params=["send_mass_mail", "asend_mass_mail"])
def send_mass(request: pytest.FixtureRequest) -> Callable[..., list[Receipt]]:
    """Sync, or async."""
    if request.param == "send_mass_mail":
        return send_mass_mail
    return lambda *args, **kwargs: asyncio.run(asend_mass_mail(*args, **kwargs))


def test_mass_mail_goes_over_one_connection(send_mass: Callable[..., list[Receipt]]) -> None:
    """Each mail has its receipt, in the order given; the server saw one session."""
    with ScriptedSMTPServer() as server:
        configure({"default": {"url": server.url(), "from_email": "me@example.com"}})
        receipts = send_mass((f"{n}", "text", None, [f"r{n}@example.com"]) for n in range(20))
        mailers["default"].close()
        assert len(server.sessions) == 1
    assert [receipt.accepted for receipt in receipts] == [(f"r{n}@example.com",) for n in range(20)]
    assert [receipt.position for receipt in receipts] == list(range(20))
    assert [commit.recipients for commit in server.commits] == [(f"r{n}@example.com",) for n in range(20)]


def test_a_bad_mail_does_not_stop_the_others(send_mass: Callable[..., list[Receipt]]) -> None:
    """An invalid mail among others has a receipt with the error."""
    receipts = send_mass([
        ("1", "text", "me@example.com", ["a@example.com"]),
        ("2", "text", "me@example.com", ["a@"]),
        ("3", "text", "me@example.com", []),
        ("4", "text", "me@example.com", ["b@example.com"]),
    ])  # fmt: skip
    assert [receipt.accepted for receipt in receipts] == [("a@example.com",), (), (), ("b@example.com",)]
    assert str(receipts[1].error).startswith("to[0]: 'a@'")
    assert isinstance(receipts[2].error, InvalidMessage)
    assert receipts[1].message_id is None
    assert len(sent()) == 2


def test_what_is_no_list_of_mails_is_refused(send_mass: Callable[..., list[Receipt]]) -> None:
    """The error names the argument and what it takes."""
    with pytest.raises(InvalidMessage, match=r"^datatuple: 5: must be a list of \(subject, message,"):
        send_mass(5)


@pytest.mark.parametrize("datum", [("1", "text", None), "mail", None, {"subject": "x"}])
def test_what_is_no_mail_tuple_is_refused(datum: object, send_mass: Callable[..., list[Receipt]]) -> None:
    """A row of another shape is a mistake in the program: the error names its place, and nothing was sent."""
    with pytest.raises(
        InvalidMessage, match=r"datatuple\[1\]: .*must be \(subject, message, from_email, recipient_list\)"
    ):
        send_mass([("1", "text", "me@example.com", ["a@example.com"]), datum])
    assert sent() == []


def test_mass_mail_of_nothing(send_mass: Callable[..., list[Receipt]]) -> None:
    """No mail, no receipt."""
    assert send_mass([], using="other") == []
