"""The one-liners: `send_mail`, `send_mass_mail`, and their async forms."""

from __future__ import annotations

from .errors import InvalidMessage, MailError
from .message import Message
from .registry import mailers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from .message import AttachmentLike, Mailbox, Mailboxes
    from .receipt import Receipt

    Datum: TypeAlias = tuple[str, str, Mailbox | None, Mailboxes]


def _messages(datatuple: Iterable[Datum]) -> list[Message | MailError]:
    """Return a message for each item, or the error that says why it cannot be one: it becomes a receipt."""
    if not hasattr(datatuple, "__iter__"):
        raise InvalidMessage(
            "datatuple", datatuple, "must be a list of (subject, message, from_email, recipient_list)"
        )
    found: list[Message | MailError] = []
    for position, data in enumerate(datatuple):
        if not isinstance(data, (tuple, list)) or len(data) != 4:
            raise InvalidMessage(
                f"datatuple[{position}]", data, "must be (subject, message, from_email, recipient_list)"
            )
        subject, message, from_email, recipient_list = data
        try:
            found.append(Message(subject, message, from_email=from_email, to=recipient_list))
        except MailError as error:
            found.append(error)
    return found


def send_mail(
    subject: str,
    message: str,
    from_email: Mailbox | None,
    recipient_list: Mailboxes,
    *,
    html_message: str | None = None,
    cc: Mailboxes = (),
    bcc: Mailboxes = (),
    reply_to: Mailboxes = (),
    attachments: Iterable[AttachmentLike] = (),
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    using: str | None = None,
) -> Receipt:
    """Send one mail and return its receipt.

    `from_email=None` is the mailer's default sender; `using` names the mailer. Raises a `DeliveryError` when nobody was
    accepted, an `InvalidValue` for an argument that cannot be used, a `ConfigurationError` when there is no mailer.

    >>> import modernmail
    >>> modernmail.configure({"default": "memory:"})
    >>> modernmail.send_mail("Subject", "Hello", "me@example.com", ["you@example.com"]).accepted
    ('you@example.com',)
    """
    mail = Message(
        subject, message, html_message, from_email=from_email, to=recipient_list, cc=cc, bcc=bcc, reply_to=reply_to,
        attachments=attachments, headers=headers,
    )  # fmt: skip
    return mailers[using or "default"].send(mail)


async def asend_mail(
    subject: str,
    message: str,
    from_email: Mailbox | None,
    recipient_list: Mailboxes,
    *,
    html_message: str | None = None,
    cc: Mailboxes = (),
    bcc: Mailboxes = (),
    reply_to: Mailboxes = (),
    attachments: Iterable[AttachmentLike] = (),
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    using: str | None = None,
) -> Receipt:
    """Send one mail under asyncio and return its receipt; the arguments and errors are those of `send_mail`."""
    mail = Message(
        subject, message, html_message, from_email=from_email, to=recipient_list, cc=cc, bcc=bcc, reply_to=reply_to,
        attachments=attachments, headers=headers,
    )  # fmt: skip
    return await mailers[using or "default"].asend(mail)


def send_mass_mail(datatuple: Iterable[Datum], *, using: str | None = None) -> list[Receipt]:
    """Send many mails, each `(subject, message, from_email, recipient_list)`, over one connection; return their receipts.

    A mail that cannot be sent does not stop the others: its receipt has the `error`.
    """
    with mailers[using or "default"].send_many(_messages(datatuple)) as sending:
        return list(sending)


async def asend_mass_mail(datatuple: Iterable[Datum], *, using: str | None = None) -> list[Receipt]:
    """Send many mails under asyncio, each `(subject, message, from_email, recipient_list)`; return their receipts."""
    async with mailers[using or "default"].asend_many(_messages(datatuple)) as sending:
        receipts = [receipt async for receipt in sending]
    return sorted(receipts, key=lambda receipt: receipt.position)
