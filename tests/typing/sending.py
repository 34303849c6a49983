"""What a type checker knows of sending: nothing here runs."""

from __future__ import annotations

from email.message import EmailMessage
from typing import assert_type

import modernmail
from modernmail import (
    AsyncSending,
    Envelope,
    Mailer,
    Message,
    Outcome,
    Receipt,
    Reply,
    Sending,
    Tally,
    asend_mail,
    asend_mass_mail,
    send_mail,
    send_mass_mail,
)


def one_liners(emails: list[str]) -> None:
    """The one-liners return receipts."""
    assert_type(send_mail("Subject", "Hello", None, emails), Receipt)
    assert_type(
        send_mail("Subject", "Hello", "me@example.com", ("a@example.com",), html_message="<p>"), Receipt
    )
    assert_type(send_mass_mail([("Subject", "Hello", None, emails)]), list[Receipt])


async def async_one_liners(emails: list[str]) -> None:
    """So do their async forms."""
    assert_type(await asend_mail("Subject", "Hello", None, emails, using="marketing"), Receipt)
    assert_type(await asend_mass_mail([("Subject", "Hello", None, emails)]), list[Receipt])


def mailers(message: Message, standard: EmailMessage) -> None:
    """A mailer takes our messages and the standard library's."""
    with Mailer("smtp://localhost", from_email="me@example.com") as mailer:
        assert_type(mailer, Mailer)
        assert_type(mailer.send(message), Receipt)
        assert_type(mailer.send(standard, envelope=Envelope("", ["you@example.com"])), Receipt)
        with mailer.send_many(message for _ in range(3)) as sending:
            assert_type(sending, Sending)
            for receipt in sending:
                assert_type(receipt, Receipt)
            assert_type(sending.finish(), Tally)
    assert_type(modernmail.mailers["default"], Mailer)
    modernmail.configure({"default": "memory:", "other": {"url": "memory:", "from_email": "me@example.com"}})


async def async_mailers(message: Message) -> None:
    """The async face has the same shape."""
    async with Mailer("smtp://localhost") as mailer:
        assert_type(mailer, Mailer)
        assert_type(await mailer.asend(message), Receipt)
        async with mailer.asend_many([message]) as sending:
            assert_type(sending, AsyncSending)
            async for receipt in sending:
                assert_type(receipt, Receipt)
            assert_type(await sending.finish(), Tally)


def receipts(receipt: Receipt) -> None:
    """A receipt is read recipient by recipient."""
    assert_type(receipt.accepted, tuple[str, ...])
    assert_type(receipt.refused["a@example.com"], Outcome)
    assert_type(receipt.recipients["a@example.com"].reply, Reply | None)
    assert_type(receipt.message_id, str | None)
    assert_type(receipt.envelope, Envelope | None)
    if receipt.recipients["a@example.com"].status == "deferred":
        assert_type(receipt.retry_recipients(), tuple[str, ...])


def mistakes(mailer: Mailer, message: Message) -> None:
    """What is wrong is an error to the type checker too: an ignore that is not needed would be one."""
    mailer.send("text")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    send_mail("Subject", "Hello", None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    message.send(to="a@example.com")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    modernmail.configure({"default": 25})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
