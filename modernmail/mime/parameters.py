"""MIME fields with parameters as they stand on the wire: `Content-Type`, `Content-Disposition` (RFC 2045 5.1, RFC 2231).

Rules of the file: what every reader understands is written as a token or a quoted-string; all else in RFC 2231 form.
"""

from __future__ import annotations

from ..media_type import is_token
from .folding import WIDTH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


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
            if column + 2 + len(piece) > WIDTH:
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
_AROUND = len(' ="";')  # what stands on a line beside a name and its quoted value
_SECTION = len(" *10*=;")  # beside a name and one RFC 2231 section: few are better, some readers missort ten


def _parameter(name: str, value: str) -> list[str]:
    """Return `name=value`, or its RFC 2231 sections; no section splits a character."""
    if value.isascii() and "=?" not in value and len(name) + len(value) <= WIDTH - _AROUND:
        if is_token(value) and name != "filename":
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
    if len(name) + len(whole) <= WIDTH - _AROUND - len(_CHARSET):
        return [f"{name}*={_CHARSET}{whole}"]
    room = max(WIDTH - _SECTION - len(name), 24)
    sections: list[str] = []
    line: list[str] = []
    left = room - len(_CHARSET)
    for piece in pieces:
        if len(piece) > left:
            sections.append("".join(line))
            line, left = [], room
        line.append(piece)
        left -= len(piece)
    sections.append("".join(line))
    return [f"{name}*{at}*={'' if at else _CHARSET}{section}" for at, section in enumerate(sections)]


_CHARSET = "utf-8''"
