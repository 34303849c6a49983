"""Header fields of text and of message-ids as they stand on the wire: folded (RFC 5322 2.2.3), encoded where they must be
(RFC 2047).

The renderer calls one function per kind of field; each returns the whole field, its line end included. Those for mailboxes, for
parameters and for fields that the author added are in `mailboxes`, `parameters` and `field`.

Rules of the file: values are checked already (`Headers`, `Address`): here they are only laid out. A line has at most 78
characters where a legal fold exists, 76 with an encoded-word in it, and never more than 998. Text is encoded as a whole or not at
all: what looks like an encoded-word is encoded again, so that it arrives literally. Structured values are never encoded-words.
"""

from __future__ import annotations

from ..errors import InvalidHeader
from ..grammar.wireform import LONGEST_LINE
from .words import encoded_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH = 78  # RFC 5322 2.1.1, without the line end
CODED_WIDTH = 76  # RFC 2047 2: of a line that holds an encoded-word
_LONG_WORD = 900  # a word beyond this could not stand behind every field name within 998
_MIN_WORD = 24  # less room than this on a line is not worth beginning an encoded-word in


def unstructured(name: str, value: str) -> str:
    """Return an unstructured field (RFC 5322 2.2.1): `Subject`, `Comments`, `X-…`.

    >>> unstructured("Subject", "Grüße")
    'Subject: =?utf-8?b?R3LDvMOfZQ==?=\\r\\n'
    """
    value = value.strip(" \t")
    column = len(name) + 2
    if value.isascii() and "=?" not in value:
        has_run = "  " in value or "\t" in value
        # Dovecot's ENVELOPE makes one space of a run of blanks in a subject, for all of its clients: it is better encoded.
        if column + len(value) <= WIDTH and not (has_run and name == "Subject"):
            return f"{name}: {value}\r\n"
        # Others do so with a fold and all blanks behind it, in any field.
        if not has_run and not _has_long_run(value):
            return f"{name}: {folded(value, column)}\r\n"
    return _text_field(name, value)


def _has_long_run(value: str) -> bool:
    """Return whether a word, or a run of white space, is too long to stand on one line."""
    run, is_blank = 0, False
    if len(value) <= _LONG_WORD:
        return False
    for word in value.replace("\t", " ").split(" "):
        if len(word) > _LONG_WORD:
            return True
        run = run + 1 if not word else 0
        is_blank = is_blank or run > _LONG_WORD
    return is_blank


def folded(text: str, column: int, width: int = WIDTH) -> str:
    """Return ASCII text folded before white space, beginning at `column`; a word longer than a line keeps its own."""
    lines = []
    at, end = 0, len(text)
    while column + end - at > width:
        cut = _last_blank(text, at, at + width - column)
        if cut <= at:
            # Nothing fits. A fold right behind the colon would be legal, but many readers keep its blank.
            cut = 0 if column and text[0] in " \t" and at == 0 else _next_blank(text, at)
            if cut >= end:
                break
        lines.append(text[at:cut])
        at, column = cut, 0
    lines.append(text[at:])
    return "\r\n".join(lines)


def _last_blank(text: str, start: int, stop: int) -> int:
    """Return where the last run of white space that begins in text[start + 1 : stop + 1] begins, -1 without one."""
    cut = max(text.rfind(" ", start + 1, stop + 1), text.rfind("\t", start + 1, stop + 1))
    while cut > start and text[cut - 1] in " \t":
        cut -= 1
    return cut


def _next_blank(text: str, start: int) -> int:
    """Return where the next run of white space after the word at `start` begins, or the end."""
    at, end = start, len(text)
    while at < end and text[at] in " \t":
        at += 1
    ends = [found for found in (text.find(" ", at), text.find("\t", at)) if found >= 0]
    return min(ends, default=end)


def _text_field(name: str, value: str) -> str:
    """Return a field whose words from the first to the last that needs it are encoded, white space included."""
    words = value.split(" ")
    needy = [at for at, word in enumerate(words) if not _is_plain(word)]
    # A blank word is white space that two neighbours share; it goes inside the encoded-word.
    first, last = (needy[0], needy[-1]) if needy else (0, len(words) - 1)
    while first and not words[first - 1]:
        first -= 1
    while last + 1 < len(words) and not words[last + 1]:
        last += 1
    if not words[last] and first == last:
        last += 1  # two blanks alone would make an empty encoded-word, which is none (RFC 2047 2)
    before, after = " ".join(words[:first]), " ".join(words[last + 1 :])
    if _has_long_run(before) or _has_long_run(after):
        before, after, first, last = "", "", 0, len(words) - 1
    out = f"{name}: "
    column = len(out)
    if before:
        out += folded(before, column) + " "
        column = len(out) - out.rfind("\n") - 1
    if column > CODED_WIDTH - _MIN_WORD:
        out = out.rstrip(" ") + "\r\n "
        column = 1
    coded = encoded_words(" ".join(words[first : last + 1]), CODED_WIDTH - column)
    out += "\r\n ".join(coded)
    if after:
        column = len(out) - out.rfind("\n") - 1
        out += folded(f" {after}", column, CODED_WIDTH)
    return out + "\r\n"


def _is_plain(word: str) -> bool:
    return word.isascii() and 0 < len(word) <= _LONG_WORD and "=?" not in word and "\t" not in word


def items(name: str, values: Iterable[str], separator: str = "") -> str:
    """Return a field of items that are never encoded and never broken: message-ids, or URIs with `separator=","`.

    Raises `InvalidHeader` when an item does not fit a line of 998.
    """
    values = list(values)
    for value in values:
        if not value.isascii():
            raise InvalidHeader(name, value, "must be ASCII: this field is structured")
        if len(value) > LONGEST_LINE - len(name) - 3:
            raise InvalidHeader(
                name, value, f"has {len(value)} characters; a line cannot hold more than {LONGEST_LINE}"
            )
    out = [f"{name}:"]
    column = len(out[0])
    last = len(values) - 1
    for at, value in enumerate(values):
        text = value if at == last else value + separator
        if at and column + 1 + len(text) > WIDTH:  # not right behind the colon: many readers keep that blank
            out.append("\r\n")
            column = 0
        out.append(" ")
        out.append(text)
        column += 1 + len(text)
    out.append("\r\n")
    return "".join(out)
