"""What stands in angle brackets in a header: message-ids, the URIs of mailing lists, the list-id.

Rules of the file: they are ASCII, never encoded and never broken by a fold, so one that is too long for a
line is refused. Each function returns what is wrong with a whole value, "" when nothing is.
"""

from __future__ import annotations

from .characters import BLANKS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_LONGEST: Final = 970  # what fits a line of 998 octets beside the longest name of such a field
ONE_CLICK: Final = "List-Unsubscribe=One-Click"
_SCHEME: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-."  # RFC 3986 3.1


def message_id_fault(text: str) -> str:
    """Return what keeps `text` from being one message-id (RFC 5322 3.6.4).

    >>> message_id_fault("<42@example.com>"), message_id_fault("42@example.com")
    ('', 'a message-id is written <left@right>')
    """
    if len(text.split()) > 1:
        return "a message-id is one <left@right> without white space"
    return message_ids_fault(text) or ("" if "@" in text else "a message-id is written <left@right>")


def message_ids_fault(text: str) -> str:
    """Return what keeps `text` from being message-ids with white space between them.

    What stands inside the brackets is somebody else's to choose: ids without an `@` exist, and are answered.

    >>> message_ids_fault("<1@example.com> <two>")
    ''
    """
    for item in text.split() or [""]:
        inside = item[1:-1]
        if item[:1] != "<" or item[-1:] != ">" or not inside or "<" in inside or ">" in inside:
            return "a message-id is written <left@right>"
        if not inside.isascii():
            return "a message-id is ASCII"
        if len(item) > _LONGEST:
            return f"a message-id over {_LONGEST} characters fits no line"
    return ""


def uris_fault(text: str) -> str:
    """Return what keeps `text` from being URIs in brackets with commas between them (RFC 2369 2).

    Comments in parentheses beside a URI are taken.

    >>> uris_fault("<https://example.com/u?t=1,2>, <mailto:leave@example.com> (by mail)")
    ''
    >>> uris_fault("https://example.com/u")
    'a URI is written in angle brackets: <https://…>, with commas between several'
    """
    if not text.isascii():
        return "a URI is ASCII: percent-encode the other characters"
    if any(len(item) > _LONGEST for item in uri_items(text)):
        return f"a URI, with the comments beside it, over {_LONGEST} characters fits no line"
    if text[:2] == "NO":  # RFC 2369 3.4: a list that takes no mail, with comments that say why
        return "" if _past_comments(text, 2) == len(text) else "NO stands alone, or with a comment behind it"
    position = 0
    while True:
        position = _past_comments(text, position)
        end = text.find(">", position)
        if text[position : position + 1] != "<" or end < 0:
            return "a URI is written in angle brackets: <https://…>, with commas between several"
        fault = _uri_fault(text[position + 1 : end])
        if fault:
            return fault
        position = _past_comments(text, end + 1)
        if position == len(text):
            return ""
        if text[position] != ",":
            return "a comma stands between two URIs"
        position += 1


def uri_items(text: str) -> list[str]:
    """Return the URIs of a list with their brackets and the comments beside them; a comma within either parts nothing.

    >>> uri_items("<https://example.com/u?t=1,2>, <mailto:leave@example.com> (slow, by mail)")
    ['<https://example.com/u?t=1,2>', '<mailto:leave@example.com> (slow, by mail)']
    """
    found: list[str] = []
    start = at = 0
    while at < len(text):
        closing = _CLOSING.get(text[at])
        if closing:
            end = text.find(closing, at)
            at = len(text) if end < 0 else end
        elif text[at] == ",":
            found.append(text[start:at])
            start = at + 1
        at += 1
    found.append(text[start:])
    return [item for item in map(str.strip, found) if item]


_CLOSING: Final = {"<": ">", "(": ")"}


def list_id_fault(text: str) -> str:
    """Return what keeps `text` from being a list-id, with or without words before it (RFC 2919 3).

    >>> list_id_fault("Friends of mail <friends.lists.example.com>")
    ''
    """
    if not text.isascii():
        return "a list-id and the words before it are ASCII"
    words, opening, inside = text.rpartition("<")
    if "=?" in words:  # RFC 2047 5 (3): readers would decode it
        return "what looks like an encoded-word cannot stand before a list-id"
    if not opening or inside[-1:] != ">" or len(inside.split()) != 1 or len(inside) < 2:
        return "a list-id is written <name.example.com>, with or without words before it"
    if _longest_piece(text) > _LONGEST:
        return f"a word, with the white space before it, over {_LONGEST} characters fits no line"
    return ""


def _longest_piece(text: str) -> int:
    """Return the length of the longest word with the white space before it: what no fold can part."""
    longest = size = 0
    for word in text.replace("\t", " ").split(" "):
        size += 1 + len(word)
        if word:
            longest, size = max(longest, size), 0
    return longest


def one_click_fault(text: str) -> str:
    """Return what keeps `text` from being the one value of List-Unsubscribe-Post (RFC 8058 3.1).

    >>> one_click_fault("List-Unsubscribe=One-Click")
    ''
    """
    return "" if text == ONE_CLICK else f"the value is {ONE_CLICK}, nothing else"


def _uri_fault(uri: str) -> str:
    scheme, colon, _ = uri.partition(":")
    if not colon or not scheme[:1].isalpha() or scheme.encode("ascii").translate(None, _SCHEME):
        return "a URI starts with its scheme, as in https: or mailto:"
    if len(uri.split()) > 1 or uri[-1:] in BLANKS:
        return "white space stands in a URI"
    return "'<' stands in a URI" if "<" in uri else ""


def _past_comments(text: str, position: int) -> int:
    while position < len(text):
        if text[position] == "(":
            end = text.find(")", position)
            if end < 0:
                return position
            position = end
        elif text[position] not in BLANKS:
            return position
        position += 1
    return position
