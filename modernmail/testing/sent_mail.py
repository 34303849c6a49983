"""SentMail: one mail in the outbox of a test, with the words that `Message` has for its parts."""

from __future__ import annotations

from functools import cached_property

from modernmail.address import Address
from modernmail.attachment import Attachment
from modernmail.reading import ReadMail, read
from modernmail.reading.references import find_codes, find_links

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail.envelope import Envelope
    from modernmail.receipt import Receipt


class SentMail:
    """A mail as it left: what its recipients would read, its `envelope`, and the `receipt` that the sender got
    (None when a server caught it).

    `content` is the wire form. All else is read from it, as a mail program would: what it shows is what was
    sent.
    """

    def __init__(self, content: bytes, envelope: Envelope, receipt: Receipt | None) -> None:
        self.content = content
        self.envelope = envelope
        self.receipt = receipt

    @cached_property
    def _mail(self) -> ReadMail:
        return read(self.content)

    @property
    def subject(self) -> str:
        """The subject, `""` without one."""
        return self._mail.subject

    @property
    def text(self) -> str | None:
        """The plain text, lines ended by a line feed; None without one.

        The wire ends a mail's last line in any case: that line end is left out, as text may have been given
        without.
        """
        text = self._mail.text
        if text is not None and self._mail.text_part is self._mail.root:
            return text.removesuffix("\n")
        return text

    @property
    def html(self) -> str | None:
        """The HTML, lines ended by a line feed; None without one."""
        html = self._mail.html
        if html is not None and self._mail.html_part is self._mail.root:
            return html.removesuffix("\n")
        return html

    @property
    def from_email(self) -> Address | None:
        """The first author."""
        return next(iter(self._addresses("From")), None)

    @property
    def to(self) -> tuple[Address, ...]:
        """The recipients named in To."""
        return self._addresses("To")

    @property
    def cc(self) -> tuple[Address, ...]:
        """The recipients named in Cc."""
        return self._addresses("Cc")

    @property
    def bcc(self) -> tuple[Address, ...]:
        """The recipients of the envelope that no header names."""
        named = {address.key for address in (*self.to, *self.cc)}
        return tuple(address for address in self.envelope.addresses if address.key not in named)

    @property
    def reply_to(self) -> tuple[Address, ...]:
        """Where answers go."""
        return self._addresses("Reply-To")

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody in the envelope, as addr-specs."""
        return self.envelope.recipients

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The attached and embedded parts, in the order of the mail."""
        return tuple(
            Attachment(
                part.filename or None,
                part.content,
                part.field("Content-Type") or part.media_type,
                disposition="attachment" if part in self._mail.attachments else "inline",
                content_id=part.content_id or None,
            )
            for part in self._mail.files
            if part.filename or part.content_id or part.disposition == "attachment"
        )

    def header(self, name: str) -> str | None:
        """Return the first value of a header field as a person reads it, None without it."""
        return next(iter(self._mail.values(name)), None)

    def links(self) -> list[str]:
        """Return the addresses to click, each once: those of the HTML in order, then those only in the text."""
        return find_links(self._mail)

    def codes(self) -> list[str]:
        """Return the one-time codes, the likeliest first."""
        return find_codes(self._mail)

    def snapshot(self) -> str:
        """Return the wire form with what differs from run to run (date, ids, boundaries) replaced."""
        from .snapshots import normalised

        return normalised(self.content)

    def assert_text(self, *words: str) -> None:
        """Raise `AssertionError` unless the text holds each of `words`, in this order."""
        __tracebackhide__ = True
        _assert_in_order("text", self.text, words)

    def assert_html(self, *words: str) -> None:
        """Raise `AssertionError` unless the HTML holds each of `words`, in this order; white space is one blank."""
        __tracebackhide__ = True
        html = None if self.html is None else " ".join(self.html.split())
        _assert_in_order("HTML", html, [" ".join(each.split()) for each in words])

    def _addresses(self, field: str) -> tuple[Address, ...]:
        return tuple(
            Address(name=mailbox.name, addr_spec=mailbox.address) for mailbox in self._mail.mailboxes(field)
        )

    def __repr__(self) -> str:
        return f"<SentMail {self.subject!r} to {', '.join(self.recipients)}>"


def _assert_in_order(what: str, body: str | None, words: Iterable[str]) -> None:
    __tracebackhide__ = True
    if body is None:
        raise AssertionError(f"expected {', '.join(map(repr, words))} in the {what}; the mail has none")
    position, before = 0, ""
    for each in words:
        found = body.find(each, position)
        if found < 0:
            where = f"after {before!r} " if before else ""
            earlier = "; it stands before that" if each in body else ""
            raise AssertionError(f"expected {each!r} {where}in the {what}{earlier}:\n{body}")
        position, before = found + len(each), each
