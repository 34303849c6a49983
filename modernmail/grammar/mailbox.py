"""The grammar of one mailbox: `addr-spec` or `Name <addr-spec>` (RFC 5322 3.4, no comments, no old forms).

`Address` is built from what these functions return. Rules of the file: pure functions over text; each reads
its input once from left to right; what does not fit is an `InvalidAddress` that says why, never a guess.
"""

from __future__ import annotations

from ..errors import InvalidAddress
from .characters import BLANKS, describe, read_quoted, refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_ATEXT: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~"
_DOT_ATEXT: Final = _ATEXT + b"."
_DOT_ATEXT_UTF8: Final = _DOT_ATEXT + bytes(range(0x80, 0x100))  # RFC 6532 3.2
_SPECIALS: Final = b'()<>[]:;@\\,"'  # RFC 5322 3.2.3, but for the dot: people are called J. R. Hartley
_NEED_QUOTES: Final = _SPECIALS + b"."  # RFC 5322 4.1: a bare dot in a phrase is obsolete, though all read it
_SPECIAL_CHARS: Final = frozenset(_SPECIALS.decode("ascii"))
_LONGEST_LOCAL: Final = 255  # RFC 5321 4.5.3.1.1 says 64; the reply addresses of large services are longer
_JOINERS: Final = "\u200c\u200d"  # Persian and the Indic scripts are written with them

_WHY: Final = {
    ",": "a comma: pass several addresses as a list, or put a name that holds a comma in quotes",
    ";": "a semicolon: pass several addresses as a list, or put a name that holds a semicolon in quotes",
    "(": "parentheses: comments are refused; put a name that holds parentheses in quotes",
    ")": "parentheses: comments are refused; put a name that holds parentheses in quotes",
    ":": "a colon: groups and routes are refused; put a name that holds a colon in quotes",
    "@": "an '@' too many: one mailbox has one; put a name that holds an '@' in quotes",
    "<": "'<' in the wrong place: one mailbox is written addr-spec or Name <addr-spec>",
    ">": "'>' in the wrong place: one mailbox is written addr-spec or Name <addr-spec>",
    '"': "a quote in the wrong place: quotes enclose words of the name, or the whole local part",
    "\\": "a backslash outside quotes",
    "[": "a bracket: brackets enclose an IP address after the '@'; put a name that holds brackets in quotes",
    "]": "a bracket: brackets enclose an IP address after the '@'; put a name that holds brackets in quotes",
    " ": "white space in the addr-spec; a mailbox with a name is written Name <addr-spec>",
    "\t": "white space in the addr-spec; a mailbox with a name is written Name <addr-spec>",
}


def split_name(text: str) -> tuple[str, str]:
    """Return the display name, unquoted, and the addr-spec of a mailbox; the addr-spec is not checked yet.

    `text` has no blanks at its ends. A name is words: runs without specials, kept as they are, or quoted
    strings.

    >>> split_name('"Doe, Jane" Q. <jane@example.com>')
    ('Doe, Jane Q.', 'jane@example.com')
    """
    if text[-1:] != ">":
        return "", text
    phrase, opening, addr_spec = text.partition("<")
    octets = _octets(phrase)
    if len(octets.translate(None, _SPECIALS)) == len(octets) and opening:
        name = phrase.rstrip(BLANKS)
    else:
        name, addr_spec = _scan_phrase(text)
    if not name.isprintable():
        reason = refusal(name)
        if reason:
            raise _error(reason)
    return name, addr_spec[:-1]


def split_addr_spec(addr_spec: str) -> tuple[str, str | None]:
    """Return the local part, checked, and the domain, unchecked; None for the domain of a bare local name.

    The local part is a dot-atom or one quoted string, up to 255 octets of UTF-8, and keeps its quotes.

    >>> split_addr_spec("jane@example.com"), split_addr_spec('"j d"@example.com'), split_addr_spec("root")
    (('jane', 'example.com'), ('"j d"', 'example.com'), ('root', None))
    """
    if addr_spec[:1] == '"':
        return _split_quoted_local(addr_spec)
    local, at, domain = addr_spec.partition("@")
    octets = local.encode("ascii") if local.isascii() else _octets(local)
    if octets.translate(None, _DOT_ATEXT if len(octets) == len(local) else _DOT_ATEXT_UTF8):
        raise _error(_why_no_atom(local))
    if ".." in f".{local}.":  # RFC 5322 3.2.3: a dot stands between two atoms
        if not local:
            raise _error("the local part is missing" if at else "there is no address")
        raise _error("a dot at the start, at the end or doubled in the local part needs quotes around it")
    _check_local(local, octets)
    if at:
        return local, domain
    if len(octets) != len(local):
        raise _error("the '@' and the domain are missing")
    return local, None


def split_list(text: str) -> list[str]:
    """Return the pieces of `text` between the commas that stand outside quotes.

    For the values of headers that hold several mailboxes; the pieces are not checked.

    >>> split_list('"Doe, Jane" <jane@example.com>, b@example.com')
    ['"Doe, Jane" <jane@example.com>', ' b@example.com']
    """
    pieces = []
    start = position = 0
    while position < len(text):
        if text[position] == '"':
            _, position = _read_quoted(text, position)
            continue
        if text[position] == ",":
            pieces.append(text[start:position])
            start = position + 1
        position += 1
    return [*pieces, text[start:]]


def needs_quotes(name: str) -> bool:
    """Whether a display name must stand in quotes, so that every reader takes it for what it is.

    >>> needs_quotes("Zoë Doe"), needs_quotes("Zoë Q. Doe"), needs_quotes(" padded")
    (False, True, True)
    """
    octets = name.encode("utf-8")
    if len(octets.translate(None, _NEED_QUOTES)) != len(octets):
        return True
    return not name or name[0] in BLANKS or name[-1] in BLANKS or "\t" in name or "  " in name


def _split_quoted_local(addr_spec: str) -> tuple[str, str]:
    _, end = _read_quoted(addr_spec, 0)
    local, at, domain = addr_spec[:end], addr_spec[end : end + 1], addr_spec[end + 1 :]
    if not at:
        raise _error("the '@' and the domain are missing")
    if at != "@":
        raise _error("a quoted string must be the whole local part")
    octets = _octets(local)
    for char in local if not local.isprintable() else "":
        if char < " " or char == "\x7f":
            raise _error(f"{describe(char)} cannot stand in a local part")
    _check_local(local, octets)
    return local, domain


def _check_local(local: str, octets: bytes) -> None:
    if len(octets) > _LONGEST_LOCAL:
        raise _error(f"the local part is over {_LONGEST_LOCAL} octets")
    # RFC 2047 5: readers decode it nevertheless, and see another address.
    if "?=" in local.partition("=?")[2]:
        raise _error("an encoded-word cannot stand in a local part")
    if local.isprintable():
        return
    # RFC 6531 3.3 admits every non-ASCII character; those that cannot be seen would only deceive.
    import unicodedata

    for char in local:
        if char.isprintable() or char in _JOINERS:
            continue
        is_noncharacter = ord(char) & 0xFFFE == 0xFFFE or "\ufdd0" <= char <= "\ufdef"
        if is_noncharacter or unicodedata.category(char) not in ("Cn", "Co"):
            raise _error(f"{describe(char)} cannot stand in a local part")


def _scan_phrase(text: str) -> tuple[str, str]:
    pieces: list[str] = []
    start = position = 0
    while position < len(text):
        char = text[position]
        if char not in _SPECIAL_CHARS:
            position += 1
            continue
        pieces.append(text[start:position])
        if char == "<":
            if pieces[-1].strip(BLANKS) or len(pieces) == 1:
                pieces[-1] = pieces[-1].rstrip(BLANKS)
            else:  # only blanks between the last quoted word and the bracket
                pieces.pop()
            return "".join(pieces), text[position + 1 :]
        if char != '"' or (position and text[position - 1] not in BLANKS):
            raise _error(_WHY[char])
        word, start = _read_quoted(text, position)
        if text[start : start + 1] not in (" ", "\t", "<"):
            raise _error(_WHY['"'])
        pieces.append(word)
        position = start
    raise _error(_WHY[">"])


def _read_quoted(text: str, start: int) -> tuple[str, int]:
    """Return what the quoted string at `start` says, and the index after its closing quote."""
    said, end = read_quoted(text, start)
    if end < 0:
        raise _error("a quoted string is not closed")
    return said, end


def _why_no_atom(local: str) -> str:
    for char in local:
        if char.isascii() and char.encode("ascii").translate(None, _DOT_ATEXT):
            return _WHY.get(char) or f"{describe(char)} cannot stand in a local part"
    return "not an addr-spec"


def _octets(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise _error(f"a lone surrogate (U+{ord(text[error.start]):04X})") from None


def _error(reason: str) -> InvalidAddress:
    return InvalidAddress("address", "", reason)
