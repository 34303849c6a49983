"""What the wire form is like: its lines, its MIME structure, its size."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from modernmail.grammar.wireform import LONGEST_LINE

from .finding import Finding
from .subject import LONGEST_CHECKED, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .subject import Subject

GMAIL_CLIPS_AT = 102 * 1024  # octets of HTML; Gmail shows "[Message clipped]" after that
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def lines(subject: Subject) -> Iterator[Finding]:
    """Find lines that are too long, bare line ends, NUL."""
    content = subject.mail.content
    if found := _long_line(content):
        start, length = found
        number = content.count(b"\n", 0, start) + 1
        text = f"Line {number} has {length:,} octets; more than {LONGEST_LINE} break in transit."
        yield Finding("long-line", "error", text)
    ends = content.count(b"\r\n")
    if content.count(b"\n") > ends or content.count(b"\r") > ends:
        position = next(match.start() for match in _BARE.finditer(content))
        number = content.count(b"\n", 0, position) + 1
        text = f"Line {number} ends in a bare CR or LF: servers refuse such mail, or change it."
        yield Finding("bare-line-end", "error", text)
    if (position := content.find(b"\0")) >= 0:
        yield Finding("nul", "error", f"There is a NUL octet at position {position}.")


def _long_line(content: bytes) -> tuple[int, int] | None:
    """Return start and length of the first line that is too long, looking once at every thousand octets."""
    start = 0
    while start + LONGEST_LINE < len(content):
        end = content.rfind(b"\n", start, start + LONGEST_LINE + 2)
        if end < 0:
            newline = content.find(b"\n", start)
            line = content[start : len(content) if newline < 0 else newline].removesuffix(b"\r")
            return start, len(line)
        start = end + 1
    return None


def structure(subject: Subject) -> Iterator[Finding]:
    """Find broken MIME, and HTML without a text beside it."""
    mail = subject.mail
    for part in mail.leaves:
        if part.media_type.startswith("text/"):
            _ = part.text  # problems are found by decoding
        elif part.field("Content-Transfer-Encoding"):
            _ = part.content
    if mail.problems:
        text = "The MIME structure is broken; readers differ in what they show."
        yield Finding("broken-mime", "error", text, listed(mail.problems))
    if mail.html is not None and not (mail.text or "").strip():
        text = "There is HTML and no text part: filters count it, and text readers see nothing good."
        yield Finding("no-text", "warning", text)


def size(subject: Subject) -> Iterator[Finding]:
    """Find HTML that Gmail cuts off, or that is too long to be looked at."""
    octets = len(subject.mail.html_part.content) if subject.mail.html_part else 0
    if octets > GMAIL_CLIPS_AT:
        text = f"The HTML has {octets / 1024:,.0f} kB; Gmail cuts it off at 102 kB."
        yield Finding("html-size", "warning", text)
    elif octets > 0.8 * GMAIL_CLIPS_AT:
        yield Finding(
            "html-size", "info", f"The HTML has {octets / 1024:.0f} of the 102 kB that Gmail shows."
        )
    if subject.is_cut:
        text = f"Only the first {LONGEST_CHECKED:,} characters of the HTML were checked."
        yield Finding("html-not-checked", "info", text)
