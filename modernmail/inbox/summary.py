"""Summary: one line of the list, and what the index keeps of a mail to find it again."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from modernmail.reading import Mailbox, read
from modernmail.reading.references import words_of_html

if TYPE_CHECKING:
    from datetime import datetime

    from .mail import CapturedMail

log = logging.getLogger("modernmail.inbox")

LONGEST_SNIPPET = 250  # characters
LONGEST_TEXT = 64 * 1024  # characters of a body that can be searched
MOST_TAGS = 20


@dataclass(frozen=True, slots=True)
class Summary:
    """A mail in a list: who, what and when, without its content.

    `seq` counts the mails of a store as they came; `unseen` is true until someone opened it; `attachments` is
    their number; `recipients` are those of the envelope.
    """

    seq: int
    id: str
    received_at: datetime
    size: int
    return_path: str
    recipients: tuple[str, ...]
    subject: str
    sender: Mailbox | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    message_id: str
    snippet: str
    attachments: int
    tags: tuple[str, ...]
    unseen: bool

    @property
    def bcc(self) -> tuple[str, ...]:
        """The recipients of the envelope that no header names."""
        named = {mailbox.address.casefold() for mailbox in (*self.to, *self.cc)}
        return tuple(address for address in self.recipients if address.casefold() not in named)


@dataclass(frozen=True, slots=True)
class Words:
    """What the index keeps of a mail besides its summary."""

    summary: Summary
    text: str


def summarise(mail: CapturedMail) -> Words:
    """Return the summary of `mail` (its `seq` is 0: the index counts) and the text to search.

    A fault of our reader does not cost the mail: then the snippet names the fault, and the rest is empty.
    """
    try:
        return _summarise(mail)
    except Exception as error:
        log.exception("the mail %s cannot be read; it is kept as it is", mail.id)
        return _unreadable(mail, error)


def _summarise(mail: CapturedMail) -> Words:
    found = read(mail.content)
    text = found.text
    if text is None:
        text = words_of_html((found.html or "")[: 4 * LONGEST_TEXT])
    text = text[:LONGEST_TEXT]
    summary = replace(
        _unread(mail),
        subject=found.subject[:1000],
        sender=found.sender,
        to=found.mailboxes("To"),
        cc=found.mailboxes("Cc"),
        reply_to=found.mailboxes("Reply-To"),
        message_id=found.message_id[:1000],
        snippet=" ".join(text[: 4 * LONGEST_SNIPPET].split())[:LONGEST_SNIPPET],
        attachments=len(found.attachments),
    )
    return Words(summary, text)


def _unreadable(mail: CapturedMail, error: Exception) -> Words:
    told = f"This mail cannot be read: {type(error).__name__}: {error}"
    return Words(replace(_unread(mail), snippet=told[:LONGEST_SNIPPET]), "")


def _unread(mail: CapturedMail) -> Summary:
    """Return what the envelope alone says."""
    return Summary(
        seq=0,
        id=mail.id,
        received_at=mail.received_at,
        size=mail.size,
        return_path=mail.return_path,
        recipients=mail.recipients,
        subject="",
        sender=None,
        to=(),
        cc=(),
        reply_to=(),
        message_id="",
        snippet="",
        attachments=0,
        tags=tags_of(mail.recipients),
        unseen=True,
    )


def tags_of(recipients: tuple[str, ...]) -> tuple[str, ...]:
    """Return what stands after the plus in each address, once.

    >>> tags_of(("zoe+signup@example.com", "zoe+Signup@example.com", "a@example.com", "b+x+y@example.com"))
    ('signup', 'x+y')
    """
    tags: dict[str, None] = {}
    for recipient in recipients:
        _, plus, tag = recipient.rpartition("@")[0].strip('"').partition("+")
        if plus and tag:
            tags.setdefault(tag.casefold()[:100])
    return tuple(tags)[:MOST_TAGS]
