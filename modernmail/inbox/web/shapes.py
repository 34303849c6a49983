"""Mails as JSON, in our own shape; `openapi.py` describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail.reading import Mailbox, read
from modernmail.reading.references import find_codes, find_links

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail.inbox.mail import CapturedMail
    from modernmail.inbox.summary import Summary


def mailbox_json(mailbox: Mailbox | None) -> dict[str, str] | None:
    """Return a mailbox as JSON."""
    return None if mailbox is None else {"name": mailbox.name, "address": mailbox.address}


def _mailboxes(mailboxes: Iterable[Mailbox]) -> list[dict[str, str] | None]:
    return [mailbox_json(mailbox) for mailbox in mailboxes]


def summary_json(summary: Summary) -> dict[str, Any]:
    """Return a line of the list as JSON."""
    return {
        "id": summary.id,
        "seq": summary.seq,
        "received_at": summary.received_at.isoformat(),
        "size": summary.size,
        "subject": summary.subject,
        "from": mailbox_json(summary.sender),
        "to": _mailboxes(summary.to),
        "cc": _mailboxes(summary.cc),
        "reply_to": _mailboxes(summary.reply_to),
        "bcc": list(summary.bcc),
        "return_path": summary.return_path,
        "recipients": list(summary.recipients),
        "message_id": summary.message_id,
        "snippet": summary.snippet,
        "tags": list(summary.tags),
        "attachments": summary.attachments,
        "unread": summary.unseen,
    }


def mail_json(summary: Summary, mail: CapturedMail) -> dict[str, Any]:
    """Return a whole mail as JSON; the bytes of its parts have addresses of their own."""
    found = read(mail.content)
    return {
        **summary_json(summary),
        "date": found.date.isoformat() if found.date else None,
        "headers": [{"name": field.name, "value": field.value} for field in found.fields],
        "text": found.text,
        "html": found.html,
        "links": find_links(found),
        "codes": find_codes(found),
        "files": [
            {
                "path": part.path or "0",
                "filename": part.filename,
                "media_type": part.media_type,
                "size": len(part.content),
                "content_id": part.content_id,
                "disposition": part.disposition,
            }
            for part in found.files
        ],
        "session": {
            "peer": mail.peer,
            "helo": mail.helo,
            "tls": mail.tls,
            "user": mail.user,
            "options": list(mail.options),
            "recipient_options": [list(options) for options in mail.recipient_options],
        },
        "problems": list(found.problems),
    }
