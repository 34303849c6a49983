"""Header fields that somebody else wrote, as they may stand on our wire: untouched when that is safe, else laid out anew.

The reader of foreign mail and the policy of `EmailMessage` call it.

Rules of the file: it takes whatever there is and never fails for a value; what leaves is ASCII, lines end with CRLF and
have at most 998 characters, a continued line begins with a blank and holds more than blanks. Blind copies leave nothing.
"""

from __future__ import annotations

from ..grammar import fields
from ..grammar.wireform import LONGEST_LINE
from ..media_type import LONGEST_NAME, OCTETS, is_token
from ..reading.parameters import parse_parameters
from ..reading.words import decode_words
from .folding import unstructured
from .mailboxes import listed, mailbox, phrase
from .mailboxlist import MailboxList
from .parameters import with_parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..address import Address

_LONGEST_NAME = 900
_LONGEST_TO_FOLD = 76
BLIND = ("bcc", "resent-bcc")
_CONTROLS = {
    code: " " for code in (*range(0x20), 0x7F, 0x85, 0x2028, 0x2029, *range(0xD800, 0xE000)) if code != 9
}


def carried_field(name: str, raw: bytes, *, utf8: bool = False) -> str:
    """Return a field whose value was written as `raw`, folds included; "" for a blind copy.

    ASCII, but for a local part that is not, with `utf8` (RFC 6532). "" also for a name that no field can have, or that
    leaves no room for a value that must be folded.

    >>> carried_field("To", b" Friends:\\r\\n zoe@example.com;\\r\\n")
    'To: Friends:\\r\\n zoe@example.com;\\r\\n'
    >>> carried_field("X-Note", b" one\\rBcc: two")
    'X-Note: one Bcc: two\\r\\n'
    """
    if name.lower() in BLIND or not is_field_name(name):
        return ""
    field = as_it_stood(name, raw)
    if field is not None:
        return field
    if len(name) > _LONGEST_TO_FOLD:
        return ""
    return laid_out(name, unfolded(raw), utf8=utf8, is_guessed=not is_utf8(raw))


def as_it_stood(name: str, raw: bytes) -> str | None:
    """Return the field as it was written, every blank of it, None when it must be laid out anew."""
    if not raw.isascii():
        return None
    value = raw.decode("ascii").rstrip("\r\n")
    if value.isprintable() and len(name) + len(value) < LONGEST_LINE:
        return f"{name}:{value}\r\n"
    return _with_its_folds(name, value) or _with_its_folds(name, " " + value.strip(" \t\r\n"))


def is_utf8(raw: bytes) -> bool:
    """Return whether octets are UTF-8."""
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _with_its_folds(name: str, value: str) -> str | None:
    """Return the field with its own folds, None when these are not as they must be."""
    lines = value.replace("\r\n", "\n").split("\n")
    for at, line in enumerate(lines):
        longest = LONGEST_LINE if at else LONGEST_LINE - len(name) - 1
        if len(line) > longest or (at and (line[:1] not in (" ", "\t") or not line.strip(" \t"))):
            return None
        if not line.isprintable() and not line.replace("\t", " ").isprintable():
            return None
    return f"{name}:" + "\r\n".join(lines) + "\r\n"


def unfolded(raw: bytes) -> str:
    """Return what a field says on one line: UTF-8 or Windows-1252, controls as blanks, encoded-words as they are."""
    raw = raw.replace(b"\r\n", b"").replace(b"\n", b"")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    return without_controls(text).strip(" \t")


def laid_out(
    name: str, text: str, *, is_decoded: bool = False, utf8: bool = False, is_guessed: bool = False
) -> str:
    """Return a field that says `text`, laid out by us; `is_decoded` when what looks like an encoded-word in it is text.

    ASCII, but for a local part that is not, with `utf8` (RFC 6532). `is_guessed` when the charset of the text is a guess:
    then a name may be in any script, an addr-spec may not.

    >>> laid_out("To", "Zoë <zoe@example.com>, Friends: a@example.com;")
    'To: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>, Friends: a@example.com;\\r\\n'
    """
    kind = fields.kind_of(name)
    text = without_controls(text)
    if kind == fields.TEXT:
        if name.lower() in ("content-type", "content-disposition"):
            return mime_field(name, *parse_parameters(text))
        return unstructured(name, text if is_decoded else decode_words(text))
    # Blanks mean nothing in a structured field.
    text = " ".join(text.split())
    if kind == fields.ADDRESSES:
        found = MailboxList(text)
        needs_utf8 = any(address.needs_smtputf8 for address in found.addresses)
        is_sure = not is_guessed or all(address.addr_spec.isascii() for address in found.addresses)
        if not found.fault and is_sure and (utf8 or not needs_utf8):
            return address_field(name, found.items, utf8=needs_utf8)
    return unstructured(name, text)


def address_field(
    name: str, items: Sequence[Address | tuple[str, Sequence[Address]]], *, utf8: bool = False
) -> str:
    """Return a field of mailboxes and groups."""
    laid: list[str] = []
    for item in items:
        if not isinstance(item, tuple):
            laid.append(mailbox(item, utf8=utf8))
            continue
        # RFC 5322 3.4: the name and colon before the first mailbox, the semicolon behind the last
        inside = [mailbox(address, utf8=utf8) for address in item[1]] or [""]
        words = phrase(item[0]) if item[0] else '""'
        inside[0] = f"{words}: {inside[0]}".rstrip(" ")
        inside[-1] += ";"
        laid.extend(inside)
    return listed(name, laid)


def mime_field(name: str, word: str, parameters: Mapping[str, str]) -> str:
    """Return a field of a word and parameters; a word or a name that is no token is left out."""
    if name.lower() == "content-type":
        main, slash, sub = word.partition("/")
        is_right = slash and is_token(main) and is_token(sub) and max(len(main), len(sub)) <= LONGEST_NAME
        word = word if is_right else OCTETS
    elif not is_token(word) or len(word) > LONGEST_NAME:
        word = "attachment"
    kept = [
        (key, without_controls(text)) for key, text in parameters.items() if is_token(key) and len(key) < 40
    ]
    return with_parameters(name, word, kept)


def without_controls(text: str) -> str:
    """Return text with a blank for each character that no header can carry."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def is_field_name(name: str) -> bool:
    """Return whether a field can have this name (RFC 5322 3.6.8)."""
    return len(name) <= _LONGEST_NAME and fields.is_name(name)
