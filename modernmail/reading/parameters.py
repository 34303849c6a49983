"""Structured values with parameters (Content-Type, Content-Disposition), by RFC 2231 and its imitations."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from .charset import decode_text
from .comment import without_comment
from .words import decode_words

_CONTINUED = re.compile(r"([^*]+)\*(\d{1,3})(\*?)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)("?)', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_FILE_NAMES = ("filename", "name")


def parse_parameters(value: str) -> tuple[str, dict[str, str]]:
    """Return the word before the first `;`, in lower case, and the parameters, decoded.

    >>> parse_parameters('Attachment; filename*0*=utf-8\\'\\'caf%C3; filename*1*=%A9.txt; size="1\\\\"2"')
    ('attachment', {'size': '1"2', 'filename': 'café.txt'})
    """
    word, _, _ = value.partition(";")
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for segment in _segments(value[len(word) :]):
        name, equals, text = segment.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            continue
        text = _said(text.strip(), is_file_name=name.partition("*")[0] in _FILE_NAMES)
        if continued := _CONTINUED.fullmatch(name):
            pieces.setdefault(continued[1], {}).setdefault(int(continued[2]), (text, bool(continued[3])))
        elif name.endswith("*"):
            pieces.setdefault(name[:-1], {}).setdefault(0, (text, True))
        else:
            plain.setdefault(name, decode_words(text))
    for name, numbered in pieces.items():
        plain[name] = _joined(numbered)  # RFC 6266 4.3: the extended form wins
    return without_comment(word).lower(), plain


def _segments(text: str) -> list[str]:
    """Cut at each `;` that is not in quotes."""
    segments, start, position, quoted = [], 0, 0, False
    while position < len(text):
        character = text[position]
        if character == "\\" and quoted:
            position += 1
        elif character == '"':
            quoted = not quoted
        elif character == ";" and not quoted:
            segments.append(text[start:position])
            start = position + 1
        position += 1
    segments.append(text[start:])
    return segments


def _said(text: str, *, is_file_name: bool) -> str:
    """Return what a value says: a quoted-string without its quotes, a token without a comment; file names may hold brackets."""
    if match := _QUOTED.match(text):
        behind = text[match.end() :].lstrip()
        # A quote that was not escaped: the last one is the end.
        inside = match[1] if not behind or behind.startswith("(") else text[1:].removesuffix('"')
        return _ESCAPED.sub(r"\1", inside) if "\\" in inside else inside
    return text if is_file_name else without_comment(text)


def _joined(numbered: dict[int, tuple[str, bool]]) -> str:
    charset, pieces = "utf-8", []
    for number in range(len(numbered)):
        if number not in numbered:
            break
        text, is_encoded = numbered[number]
        if is_encoded and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        pieces.append(unquote_to_bytes(text) if is_encoded else text.encode("utf-8", "replace"))
    return decode_text(b"".join(pieces), charset or "utf-8")[0]
