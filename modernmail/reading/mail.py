"""ReadMail: a mail as a person sees it."""

from __future__ import annotations

from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from .date import read_date
from .flowed import unflowed
from .mailboxes import MOST_MAILBOXES, Mailbox, read_mailboxes
from .part import identifier
from .tree import read_tree
from .words import decode_words

if TYPE_CHECKING:
    from datetime import datetime

    from .fields import Field
    from .part import Part
MOST_PROBLEMS = 100


def read(content: bytes) -> ReadMail:
    """Return what a person sees of the mail in `content`; whatever it is, this does not raise."""
    return ReadMail(content)


class ReadMail:
    """A mail taken apart: who, what, when, its text and html, its attachments, and what is wrong with it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.root, self._problems = read_tree(content)

    # -- header

    @property
    def fields(self) -> list[Field]:
        """The header fields, in order."""
        return self.root.fields

    def value(self, name: str) -> str:
        """Return the first value of a field as a person reads it, `""` without it."""
        return decode_words(self.root.field(name))

    def values(self, name: str) -> list[str]:
        """Return every value of a field as a person reads it."""
        return [field.value for field in self.fields if field.name.lower() == name.lower()]

    def mailboxes(self, name: str) -> tuple[Mailbox, ...]:
        """Return the mailboxes of an address field, of all its occurrences; `MOST_MAILBOXES` of them, and no more."""
        wanted = name.lower()
        values = (field.unfolded for field in self.fields if field.name.lower() == wanted)
        found = (mailbox for value in values for mailbox in read_mailboxes(value))
        return tuple(islice(found, MOST_MAILBOXES))

    @property
    def subject(self) -> str:
        """The subject."""
        return self.value("Subject")

    @property
    def sender(self) -> Mailbox | None:
        """The first author in From."""
        return next(iter(self.mailboxes("From")), None)

    @property
    def date(self) -> datetime | None:
        """The Date field, or None when there is none that can be read."""
        return read_date(self.root.field("Date"))

    @property
    def message_id(self) -> str:
        """The Message-ID without its brackets."""
        return identifier(self.root.field("Message-ID"))

    # -- bodies and files

    @cached_property
    def leaves(self) -> list[Part]:
        """The parts that are no multipart, in order."""
        return [part for part in self.root.walk() if not part.children]

    @cached_property
    def text_part(self) -> Part | None:
        """The part that text readers show."""
        return self._body("text/plain")

    @cached_property
    def html_part(self) -> Part | None:
        """The part that HTML readers show."""
        return self._body("text/html")

    def _body(self, media_type: str) -> Part | None:
        for part in self.leaves:
            # A leaf that says it is a multipart is a broken one.
            kind = "text/plain" if part.media_type.startswith("multipart/") else part.media_type
            if kind == media_type and part.disposition != "attachment" and not part.filename:
                return part
        return None

    def _together(self, first: Part | None) -> list[Part]:
        """Return a body and the parts that go on with it: of its kind, beside it in a multipart/mixed, and said to be no file.

        A phone cuts a text in two where a picture stands.
        """
        if first is None:
            return []
        above = first.path.rpartition(".")[0]
        found = [
            part
            for part in self.leaves[self.leaves.index(first) + 1 :]
            if part.media_type == first.media_type
            and part.path.rpartition(".")[0] == above
            and _is_shown(part)
        ]
        parent = self.part(above) if found else None
        return [first, *found] if parent is not None and parent.media_type == "multipart/mixed" else [first]

    @cached_property
    def _texts(self) -> list[Part]:
        return self._together(self.text_part)

    @cached_property
    def _htmls(self) -> list[Part]:
        return self._together(self.html_part)

    @property
    def text(self) -> str | None:
        """The text body, or None; one that was cut into parts is whole, paragraphs cut into lines (RFC 3676) too."""
        return None if self.text_part is None else "\n".join([_flowing(part) for part in self._texts])

    @property
    def html(self) -> str | None:
        """The HTML body, or None; one that was cut into parts is whole."""
        return None if self.html_part is None else "\n".join([part.text for part in self._htmls])

    @cached_property
    def files(self) -> list[Part]:
        """Every part that is neither of the bodies: attachments, inline images, calendars …"""
        bodies = {*self._texts, *self._htmls}
        return [
            part
            for part in self.leaves
            if part not in bodies and (part is not self.root or part.encoded_size)
        ]

    @property
    def attachments(self) -> list[Part]:
        """The files that a mail reader lists."""
        return [part for part in self.files if not _is_inline(part)]

    @property
    def inline(self) -> list[Part]:
        """The files that the HTML body shows."""
        return [part for part in self.files if _is_inline(part)]

    def part(self, path: str) -> Part | None:
        """Return the part at `path`, or None."""
        return next((part for part in self.root.walk() if part.path == path), None)

    @property
    def problems(self) -> tuple[str, ...]:
        """What is wrong with the structure and with the parts that were decoded so far."""
        found = [problem for part in self.root.walk() for problem in part.problems]
        return (*self._problems, *found)[:MOST_PROBLEMS]


def _is_shown(part: Part) -> bool:
    return not (part.disposition or part.filename or part.content_id)


def _flowing(part: Part) -> str:
    if part.parameters.get("format", "").lower() != "flowed":
        return part.text
    return unflowed(part.text, delsp=part.parameters.get("delsp", "").lower() == "yes")


def _is_inline(part: Part) -> bool:
    return part.disposition != "attachment" and bool(part.content_id)
