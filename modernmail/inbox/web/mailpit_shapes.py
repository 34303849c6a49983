"""Mails as JSON, in the shapes of Mailpit's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail.reading import Mailbox, Part, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail.inbox.mail import CapturedMail
    from modernmail.inbox.summary import Summary


def _address(mailbox: Mailbox | None) -> dict[str, str]:
    return {"Name": mailbox.name, "Address": mailbox.address} if mailbox else {"Name": "", "Address": ""}


def _addresses(mailboxes: Iterable[Mailbox]) -> list[dict[str, str]]:
    return [_address(mailbox) for mailbox in mailboxes]


def summary_shape(summary: Summary) -> dict[str, Any]:
    """Return a line of a list."""
    return {
        "ID": summary.id,
        "MessageID": summary.message_id,
        "Read": not summary.unseen,
        "From": _address(summary.sender),
        "To": _addresses(summary.to),
        "Cc": _addresses(summary.cc),
        "Bcc": _addresses(Mailbox("", address) for address in summary.bcc),
        "ReplyTo": _addresses(summary.reply_to),
        "Subject": summary.subject,
        "Created": summary.received_at.isoformat().replace("+00:00", "Z"),
        "Tags": list(summary.tags),
        "Size": summary.size,
        "Attachments": summary.attachments,
        "Snippet": summary.snippet,
    }


def message_shape(summary: Summary, mail: CapturedMail) -> dict[str, Any]:
    """Return a whole message."""
    found = read(mail.content)
    shared = summary_shape(summary)
    for name in ("Created", "Snippet"):  # clients of older releases look for Read here too
        del shared[name]
    return {
        **shared,
        "Date": (found.date or mail.received_at).isoformat().replace("+00:00", "Z"),
        "ReturnPath": mail.return_path,
        "Text": found.text or "",
        "HTML": found.html or "",
        "Attachments": [_attachment(part) for part in found.attachments],
        "Inline": [_attachment(part) for part in found.inline],
        "ListUnsubscribe": {
            "Header": found.value("List-Unsubscribe"),
            "Links": [],
            "Errors": "",
            "HeaderPost": "",
        },
    }


def _attachment(part: Part) -> dict[str, Any]:
    return {
        "PartID": part.path or "0",
        "FileName": part.filename,
        "ContentType": part.media_type,
        "ContentID": part.content_id,
        "Size": len(part.content),
    }
