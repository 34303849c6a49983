"""What the message page shows of a mail, worked out for the template."""

from __future__ import annotations

import re
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from modernmail.lint import Finding, html_support, lint
from modernmail.lint.content_rules import GMAIL_CLIPS_AT
from modernmail.lint.subject import LONGEST_CHECKED
from modernmail.reading import read
from modernmail.reading.references import Reference, find_codes, find_links, find_remote

from .preview import LONGEST_HTML

if TYPE_CHECKING:
    from modernmail.inbox.mail import CapturedMail
    from modernmail.inbox.summary import Summary
    from modernmail.lint import Support
    from modernmail.reading import Mailbox, Part

LONGEST_SOURCE = 400_000  # characters of source or raw text in the page; the rest is in the download
MOST_PARTS = 100  # parts in the table of the structure
VIEWS = ("html", "text", "source", "headers", "raw", "links", "checks")

_URL = re.compile(r"(?:https?://|mailto:)[^\s<>\"'\x00-\x1f]+", re.IGNORECASE)


class Recipient(NamedTuple):
    """A recipient of the envelope, or of a header, and where it was found."""

    address: str
    name: str
    field: str  # To, Cc, Bcc, or "" when no header names it
    is_delivered: bool  # whether the envelope holds it


class Row(NamedTuple):
    """A line of the comparison: what envelope and header say, and a remark when they differ."""

    name: str
    envelope: str
    header: str
    remark: str


class ShownMail:
    """One mail, taken apart as far as the page needs it."""

    def __init__(self, summary: Summary, mail: CapturedMail) -> None:
        self.summary = summary
        self.mail = mail
        self.read = read(mail.content)

    @property
    def id(self) -> str:
        """The mail's id."""
        return self.mail.id

    @property
    def subject(self) -> str:
        """The subject."""
        return self.read.subject

    # -- who

    @property
    def sender(self) -> Mailbox | None:
        """The author."""
        return self.read.sender

    @cached_property
    def recipients(self) -> list[Recipient]:
        """Everybody in header or envelope: those of the header first, then the hidden ones."""
        delivered = {address.casefold() for address in self.mail.recipients}
        found: list[Recipient] = []
        named: set[str] = set()
        for field in ("To", "Cc", "Bcc"):
            for mailbox in self.read.mailboxes(field):
                key = mailbox.address.casefold()
                named.add(key)
                found.append(Recipient(mailbox.address, mailbox.name, field, key in delivered))
        hidden = [address for address in self.mail.recipients if address.casefold() not in named]
        return found + [Recipient(address, "", "", is_delivered=True) for address in hidden]

    def recipients_of(self, field: str) -> list[Recipient]:
        """Return those that `field` names; with `""` those that no header names: Bcc."""
        return [recipient for recipient in self.recipients if recipient.field == field]

    @cached_property
    def comparison(self) -> list[Row]:
        """The envelope beside the header."""
        author = self.sender.address if self.sender else ""
        sender = next(iter(self.read.mailboxes("Sender")), None)
        written = sender.address if sender else author
        remark = "" if written.casefold() == self.mail.return_path.casefold() else "bounces go elsewhere"
        rows = [Row("Return path", self.mail.return_path or "<>", written, remark)]
        for recipient in self.recipients:
            remark = "" if recipient.is_delivered else "in the header only: not sent there"
            if not recipient.field:
                remark = "in the envelope only: Bcc"
            elif recipient.field == "Bcc":
                remark = "Bcc is written in the header: everybody can read it"
            envelope = recipient.address if recipient.is_delivered else ""
            rows.append(
                Row(recipient.field or "Bcc", envelope, recipient.address if recipient.field else "", remark)
            )
        return rows

    @property
    def session(self) -> list[tuple[str, str]]:
        """How the mail came: lines of name and value."""
        mail = self.mail
        options = [*mail.options]
        for address, given in zip(mail.recipients, mail.recipient_options, strict=False):
            options += [f"{option} ({address})" for option in given]
        lines = [
            ("Received", mail.received_at.astimezone().isoformat(" ", "seconds")),
            ("From host", " ".join(filter(None, (mail.peer, mail.helo and f"HELO {mail.helo}")))),
            ("TLS", mail.tls or ("none" if mail.peer else "")),
            ("User", mail.user or ""),
            ("Options", ", ".join(options)),
        ]
        return [(name, value) for name, value in lines if value]

    # -- what

    @property
    def views(self) -> list[str]:
        """The tabs that there are, in order; the first is shown when none is asked for."""
        have = {"html": self.read.html is not None, "source": self.read.html is not None}
        have["text"] = self.read.text is not None or not have["html"]
        return [view for view in VIEWS if have.get(view, True)]

    @cached_property
    def text_pieces(self) -> list[tuple[str, str]]:
        """The text in pieces: (words, address to link them to, or "")."""
        text = (self.read.text or "")[:LONGEST_SOURCE]
        pieces, position = [], 0
        for match in _URL.finditer(text):
            url = match[0].rstrip(".,;:!?)]}'\"")
            pieces.append((text[position : match.start()], ""))
            pieces.append((url, url))
            position = match.start() + len(url)
        pieces.append((text[position:], ""))
        return [(words, url) for words, url in pieces if words]

    @property
    def source(self) -> str:
        """The HTML as it is."""
        return (self.read.html or "")[:LONGEST_SOURCE]

    @property
    def raw(self) -> str:
        """The mail as it came; bytes that are no UTF-8 are shown as U+FFFD."""
        return self.mail.content[:LONGEST_SOURCE].decode("utf-8", "replace").replace("\r\n", "\n")

    def cut(self, view: str) -> int:
        """Return how long what `view` shows is as a whole, or 0 when all of it is shown."""
        whole = {"text": self.read.text or "", "source": self.read.html or "", "raw": self.mail.content}.get(
            view, ""
        )
        return len(whole) if len(whole) > LONGEST_SOURCE else 0

    @property
    def files(self) -> list[Part]:
        """The attachments."""
        return self.read.attachments

    @cached_property
    def structure(self) -> list[tuple[Part, int]]:
        """The first parts as they stand in the mail, and how deep each is nested (four at most)."""
        parts = islice(self.read.root.walk(), MOST_PARTS)
        return [(part, min(part.path.count(".") + bool(part.path), 4)) for part in parts]

    @property
    def parts_left_out(self) -> int:
        """The number of parts that `structure` leaves out."""
        return sum(1 for _ in self.read.root.walk()) - len(self.structure)

    @property
    def inline(self) -> list[Part]:
        """The inline images."""
        return self.read.inline

    # -- what to know

    @cached_property
    def links(self) -> list[str]:
        """The links, in order."""
        return find_links(self.read)

    @cached_property
    def codes(self) -> list[str]:
        """The one-time codes."""
        return find_codes(self.read)

    @cached_property
    def remote(self) -> list[Reference]:
        """What the HTML would load from elsewhere, as far as it is shown."""
        return find_remote((self.read.html or "")[:LONGEST_HTML])

    @cached_property
    def findings(self) -> list[Finding]:
        """The findings of the checks, what clients support aside."""
        return lint(
            self.read, clients=False, return_path=self.mail.return_path, recipients=self.mail.recipients
        )

    @cached_property
    def support(self) -> Support:
        """What mail clients make of the HTML."""
        return html_support((self.read.html or "")[:LONGEST_CHECKED])

    @property
    def faults(self) -> int:
        """The number of errors and warnings."""
        return sum(1 for finding in self.findings if finding.severity != "info")

    @property
    def html_size(self) -> int:
        """Octets of HTML."""
        return len(self.read.html_part.content) if self.read.html_part else 0

    @property
    def html_weight(self) -> str:
        """The size of the HTML in the kilobytes of 1,024 octets that Gmail's limit counts."""
        return f"{self.html_size} B" if self.html_size < 1024 else f"{self.html_size / 1024:,.0f} kB"

    @property
    def gmail_limit(self) -> int:
        """Octets of HTML that Gmail shows."""
        return GMAIL_CLIPS_AT

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the structure."""
        return self.read.problems
