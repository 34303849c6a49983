"""Which characters a header can carry as text, what counts as text, and how text stands in quotes.

For display names, header values, subjects, file names: all that a person wrote and a header will hold.
Rules of the file: it imports nothing of ours, and reads each text a fixed number of times.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

BLANKS: Final = " \t"

_CONTROLS: Final = bytes(code for code in range(0x20) if code != 0x09) + b"\x7f"
_LINE_BREAKS: Final = ("\x85", "\u2028", "\u2029")  # a line ends here for every reader that knows Unicode

_SPOKEN: Final = {
    "\0": "NUL",
    "\t": "a tab",
    "\n": "a line feed",
    "\r": "a carriage return",
    " ": "a space",
    "\x7f": "DEL",
    "\x85": "a next-line control",
    "\u2028": "a line separator",
    "\u2029": "a paragraph separator",
}


def text_of(value: object) -> str | None:
    """Return what `value` says as an exact `str`, or None when it is no text.

    A subclass of `str` gives the characters it holds, whatever its methods say. A stand-in for a string (a
    lazy translation, a `collections.UserString`) is asked once. Numbers, None and bytes are no text.

    >>> from collections import UserString
    >>> text_of("plain"), text_of(UserString("kept elsewhere")), text_of(b"octets")
    ('plain', 'kept elsewhere', None)
    """
    if type(value) is str:
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, type) or not hasattr(value, "casefold"):
        return None
    text = str(value)
    return text if type(text) is str else str.__str__(text)


def printable(text: str) -> str:
    r"""Return text with everything that a terminal would obey, or not show, written as an escape.

    >>> printable("Zoë\x1b[2J")
    'Zoë\\x1b[2J'
    """
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def describe(char: str) -> str:
    """Return how an error names a character.

    >>> describe("\\n"), describe("("), describe("é"), describe("\\u200b")
    ('a line feed (U+000A)', "'('", "'é'", 'U+200B')
    """
    if char in _SPOKEN:
        return f"{_SPOKEN[char]} (U+{ord(char):04X})"
    return repr(char) if char.isprintable() else f"U+{ord(char):04X}"


def refusal(text: str) -> str:
    """Return why a header cannot carry `text`, with the position of the first bad character; "" when it can.

    Refused are C0 controls other than the tab, DEL, the line breaks U+0085, U+2028 and U+2029, and lone
    surrogates, which no encoding can write.

    >>> refusal("Grüße\\tund 日本語")
    ''
    >>> refusal("a\\r\\nBcc: b")
    'a carriage return (U+000D) at position 1 is not allowed'
    """
    if text.isascii():
        if text.isprintable():
            return ""
        raw = text.encode("ascii")
    else:
        try:
            raw = text.encode("utf-8")
        except UnicodeEncodeError as error:
            code, position = ord(text[error.start]), error.start
            return f"a lone surrogate (U+{code:04X}) at position {position} is not allowed"
        if any(char in text for char in _LINE_BREAKS):
            return _first(text)
    return "" if len(raw.translate(None, _CONTROLS)) == len(raw) else _first(text)


def _first(text: str) -> str:
    for position, char in enumerate(text):
        if char in _LINE_BREAKS or (char != "\t" and (char < " " or char == "\x7f")):
            return f"{describe(char)} at position {position} is not allowed"
    return ""


def read_quoted(text: str, start: int) -> tuple[str, int]:
    """Return what the quoted string at `start` says (RFC 5322 3.2.4), and the place behind it; -1 for one without an end.

    >>> read_quoted('"Doe, Jane" <jane@example.com>', 0), read_quoted('"Doe', 0)
    (('Doe, Jane', 11), ('Doe', -1))
    """
    said: list[str] = []
    at = start + 1
    while at < len(text):
        char = text[at]
        if char == '"':
            return "".join(said), at + 1
        if char == "\\":
            at += 1
            char = text[at : at + 1]
        said.append(char)
        at += 1
    return "".join(said), -1


def quoted(text: str) -> str:
    """Return `text` as a quoted string (RFC 5322 3.2.4).

    >>> print(quoted('say "hi"'))
    "say \\"hi\\""
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
