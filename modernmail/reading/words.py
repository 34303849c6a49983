"""RFC 2047 encoded-words as they come: cut inside a character, of unknown charsets, unfinished."""

from __future__ import annotations

import binascii
import re

from .charset import decode_text
from .transfer import decode_base64

_WORD = re.compile(r"=\?([^?\s*]{1,60})(?:\*[^?\s]{0,20})?\?([bBqQ])\?([^?]*)\?=")
_CONTROLS = dict.fromkeys([*range(9), *range(10, 32), 127, 0x85, 0x2028, 0x2029], " ")


def decode_words(value: str) -> str:
    """Return `value` with its encoded-words decoded; what is no encoded-word stays.

    Adjacent words are joined (RFC 2047 6.2), even in the middle of a character. Controls, tabs aside, that were hidden in
    them become blanks: a decoded value is still one line.

    >>> decode_words("=?utf-8?b?w4k=?= =?utf-8?q?t=C3=A9?= =?x?y")
    'Été =?x?y'
    """
    if "=?" not in value:
        return value
    pieces: list[str] = []
    pending: list[bytes] = []
    charset = ""
    position = 0

    def flush() -> None:
        if pending:
            pieces.append(decode_text(b"".join(pending), charset)[0])
            pending.clear()

    for match in _WORD.finditer(value):
        between = value[position : match.start()]
        if pending and between.strip():
            flush()
            pieces.append(between)
        elif not pending:
            pieces.append(between)
        if match[1].lower() != charset:
            flush()
            charset = match[1].lower()
        pending.append(_decoded(match[2], match[3]))
        position = match.end()
    flush()
    pieces.append(value[position:])
    return "".join(pieces).translate(_CONTROLS)


def _decoded(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8")
    if encoding in "bB":
        return decode_base64(data)[0]
    return binascii.a2b_qp(data, header=True)
