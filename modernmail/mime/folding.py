"""Header fields as they stand on the wire: folded (RFC 5322 2.2.3), encoded where they must be (RFC 2047).

The renderer calls one function per kind of field; each returns the whole field, its line end included.

Rules of the file: values are checked already (`Headers`, `Address`): here they are only laid out. A line has at most 78
characters where a legal fold exists and never more than 998. Text is encoded as a whole or not at all: what looks like
an encoded-word is encoded again, so that it arrives literally. Structured values are never encoded-words.
"""

from __future__ import annotations

from .. import fields
from ..address import Address, set_cache
from ..errors import InvalidHeader
from ..mailbox import split_list
from .words import encoded_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_WIDTH = 78  # RFC 5322 2.1.1, without the line end
_HARD = 998
_LONG_WORD = 900  # a word beyond this could not stand behind every field name within 998
_LONG_NAME_WORD = 300  # a word of a name beyond this is better encoded than left on a line of its own
_MIN_WORD = 24  # less room than this on a line is not worth beginning an encoded-word in


def unstructured(name: str, value: str) -> str:
    """Return an unstructured field (RFC 5322 2.2.1): `Subject`, `Comments`, `X-…`.

    >>> unstructured("Subject", "Grüße")
    'Subject: =?utf-8?b?R3LDvMOfZQ==?=\\r\\n'
    """
    value = value.strip(" \t")
    column = len(name) + 2
    if value.isascii() and "=?" not in value:
        if column + len(value) <= _WIDTH:
            return f"{name}: {value}\r\n"
        # Some readers make one space of a fold and all blanks behind it: a run of blanks is better encoded.
        if "  " not in value and "\t" not in value and not _has_long_run(value):
            return f"{name}: {_folded(value, column)}\r\n"
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


def _folded(text: str, column: int) -> str:
    """Return ASCII text folded before white space, beginning at `column`; a word longer than a line keeps its own."""
    lines = []
    at, end = 0, len(text)
    while column + end - at > _WIDTH:
        cut = _last_blank(text, at, at + _WIDTH - column)
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
    before, after = " ".join(words[:first]), " ".join(words[last + 1 :])
    if _has_long_run(before) or _has_long_run(after):
        before, after, first, last = "", "", 0, len(words) - 1
    out = f"{name}: "
    column = len(out)
    if before:
        out += _folded(before, column) + " "
        column = len(out) - out.rfind("\n") - 1
    if column > _WIDTH - _MIN_WORD:
        out = out.rstrip(" ") + "\r\n "
        column = 1
    coded = encoded_words(" ".join(words[first : last + 1]), _WIDTH - column)
    out += "\r\n ".join(coded)
    if after:
        column = len(out) - out.rfind("\n") - 1
        tail = _folded(f" {after}", column)
        out += tail
    return out + "\r\n"


def _is_plain(word: str) -> bool:
    return word.isascii() and 0 < len(word) <= _LONG_WORD and "=?" not in word and "\t" not in word


def mailboxes(name: str, addresses: Sequence[Address], *, utf8: bool = False) -> str:
    """Return an address-list field; `utf8` writes addr-specs as RFC 6532 allows, otherwise domains are A-labels.

    >>> from modernmail.address import Address
    >>> mailboxes("To", [Address("Zoë <zoe@example.com>"), Address("bob@example.com")])
    'To: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>, bob@example.com\\r\\n'
    """
    if len(addresses) == 1:
        text = mailbox(addresses[0], utf8=utf8)
        if len(name) + 2 + len(text) <= _WIDTH:
            return f"{name}: {text}\r\n"
    return listed(name, [mailbox(address, utf8=utf8) for address in addresses])


def listed(name: str, items: list[str]) -> str:
    """Return a field of items joined by commas, folded between items, and at the blanks of an item too long for a line."""
    out = [name, ":"]
    column = len(name) + 1
    last = len(items) - 1
    for at, item in enumerate(items):
        text = item if at == last else item + ","
        size = len(text) + 1
        if column + size <= _WIDTH:
            out.append(" ")
            out.append(text)
            column += size
            continue
        if at:
            out.append("\r\n ")
            column = 1
        else:
            out.append(" ")
            column += 1
        if column + size - 1 > _WIDTH:
            folded = _folded_item(text, column)
            if not at and column + len(folded.partition("\r")[0]) > _WIDTH:
                # Legal, and the last resort: some readers take a field for empty whose first line is.
                out[-1], column = "\r\n ", 1
                folded = _folded_item(text, column)
            text = folded
        out.append(text)
        column = len(text) - text.rfind("\n") - 1 + (column if "\n" not in text else 0)
    out.append("\r\n")
    return "".join(out)


def _folded_item(text: str, column: int) -> str:
    """Return a mailbox folded at blanks: between words, in quotes or encoded, and before the addr-spec."""
    if column + len(text) <= _WIDTH:
        return text
    if text.startswith('"'):
        close = text.rfind('" <') + 1
        if close <= 0:  # a quoted local part, no name: there is nowhere to fold
            return text
        words = text[:close]
        return f"{words if '  ' in words else _folded(words, column)}\r\n{text[close:]}"
    if " " not in text or "@" in text.partition(" ")[0]:
        return text
    phrase, blank, spec = text.partition(" <")
    return _folded(phrase, column) + f"\r\n{blank}{spec}"


_PHRASE_SAFE = str.maketrans(
    "", "", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~ "
)


def mailbox(address: Address, *, utf8: bool = False) -> str:
    """Return one mailbox as it stands in a field, unfolded: name plain, quoted or encoded, then the addr-spec."""
    if utf8:
        return f"{phrase(address.name)} <{address.addr_spec}>" if address.name else address.addr_spec
    text = address.cache
    if text is None:
        spec = address.ascii_addr_spec
        text = f"{phrase(address.name)} <{spec}>" if address.name else spec
        set_cache(address, text)
    return text


def phrase(name: str) -> str:
    """Return a display name as a phrase: atoms, one quoted-string, or encoded-words with a blank between each two."""
    if name.isascii() and "=?" not in name and "\t" not in name and (len(name) <= 60 or _is_foldable(name)):
        if not name.translate(_PHRASE_SAFE) and "  " not in name and name[0] != " " and name[-1] != " ":
            return name
        return '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"'))
    return " ".join(encoded_words(name, 66))


def _is_foldable(name: str) -> bool:
    return "  " not in name and max(map(len, name.split(" "))) <= _LONG_NAME_WORD


def items(name: str, values: Iterable[str], separator: str = "") -> str:
    """Return a field of items that are never encoded and never broken: message-ids, or URIs with `separator=","`.

    Raises `InvalidHeader` when an item does not fit a line of 998.
    """
    values = list(values)
    for value in values:
        if not value.isascii():
            raise InvalidHeader(name, value, "must be ASCII: this field is structured")
        if len(value) > _HARD - len(name) - 3:
            raise InvalidHeader(
                name, value, f"has {len(value)} characters; a line cannot hold more than {_HARD}"
            )
    return _items(name, values, separator)


def _items(name: str, values: list[str], separator: str) -> str:
    out = [f"{name}:"]
    column = len(out[0])
    last = len(values) - 1
    for at, value in enumerate(values):
        text = value if at == last else value + separator
        if at and column + 1 + len(text) > _WIDTH:  # not right behind the colon: many readers keep that blank
            out.append("\r\n")
            column = 0
        out.append(" ")
        out.append(text)
        column += 1 + len(text)
    out.append("\r\n")
    return "".join(out)


def with_parameters(name: str, value: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return a MIME field with parameters, in RFC 2231 form where a quoted-string will not do.

    >>> with_parameters("Content-Disposition", "attachment", [("filename", "a b.txt")])
    'Content-Disposition: attachment; filename="a b.txt"\\r\\n'
    >>> with_parameters("Content-Disposition", "attachment", [("filename", "Zoë.txt")])
    "Content-Disposition: attachment; filename*=utf-8''Zo%C3%AB.txt\\r\\n"
    """
    out = [f"{name}: {value}"]
    column = len(out[0])
    for key, text in parameters:
        for piece in _parameter(key, text):
            if column + 2 + len(piece) > _WIDTH:
                out.append(";\r\n ")
                column = 1
            else:
                out.append("; ")
                column += 2
            out.append(piece)
            column += len(piece)
    out.append("\r\n")
    return "".join(out)


# RFC 2231 7 attribute-char
_ATTRIBUTE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~")
_PERCENT = [chr(octet) if octet in _ATTRIBUTE else f"%{octet:02X}" for octet in range(256)]
_NOT_TOKEN = str.maketrans(
    "", "", "!#$%&'*+-.^_`{|}~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)
_PIECE = 60  # characters of one RFC 2231 section, so that a line holds it with its name


def _parameter(name: str, value: str) -> list[str]:
    """Return `name=value`, or its RFC 2231 sections; no section splits a character."""
    if value.isascii() and "=?" not in value and len(name) + len(value) < _PIECE:
        if value and not value.translate(_NOT_TOKEN) and name != "filename":
            return [f"{name}={value}"]
        # A quote or backslash, escaped, a semicolon or outer blanks, quoted, are read wrongly by many: RFC 2231 is safe.
        if (
            value.strip(" ") == value != ""
            and value.isprintable()
            and not any(char in value for char in '"\\;')
        ):
            return [f'{name}="{value}"']
    pieces = ["".join([_PERCENT[octet] for octet in char.encode("utf-8")]) for char in value]
    whole = "".join(pieces)
    if len(whole) <= _PIECE:
        return [f"{name}*=utf-8''{whole}"]
    sections: list[str] = []
    line: list[str] = []
    left = _PIECE - 8
    for piece in pieces:
        if len(piece) > left:
            sections.append("".join(line))
            line, left = [], _PIECE
        line.append(piece)
        left -= len(piece)
    sections.append("".join(line))
    return [f"{name}*{at}*={'' if at else _CHARSET}{section}" for at, section in enumerate(sections)]


_CHARSET = "utf-8''"


def field(name: str, value: str) -> str:
    """Return an extra field, laid out as its kind asks: message-ids, URIs, mailboxes, or text."""
    kind = fields.kind_of(name)
    if kind == fields.TEXT:
        return unstructured(name, value)
    if kind in (fields.MESSAGE_ID, fields.MESSAGE_IDS):
        return items(name, value.split())
    if kind == fields.URIS:
        return items(name, _uris(value), ",")
    if kind == fields.ADDRESSES:
        return mailboxes(name, [Address.of(one, name) for one in split_list(value)])
    if kind == fields.LIST_ID:
        return _list_id(name, value)
    return f"{name}: {value}\r\n"


def _uris(value: str) -> list[str]:
    """Return the items of a URI list (RFC 2369 2); a comma inside angle brackets belongs to its URI."""
    found: list[str] = []
    for piece in value.split(","):
        if found and found[-1].count("<") > found[-1].count(">"):
            found[-1] += "," + piece
        else:
            found.append(piece)
    return [item for item in map(str.strip, found) if item]


def _list_id(name: str, value: str) -> str:
    """Return a List-Id field (RFC 2919): words and the identifier, folded between them, never encoded."""
    return f"{name}: {_folded(value, len(name) + 2)}\r\n"
