"""ISO-2022-JP as Japanese mail programs write it: with the characters that NEC and IBM added, and half-width kana.

`charset` calls `decode_japanese`; Python's codec knows the letters of RFC 1468 alone.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(rb"\x1b(\$[@B]|\([BIJ])")
_PAIRS = (b"$@", b"$B")  # two octets a character (JIS X 0208)


def decode_japanese(data: bytes) -> str:
    r"""Return the text; raise `ValueError` when it is none.

    >>> decode_japanese(b"\x1b$B-!F|K\\\x1b(B 1")
    '①日本 1'
    """
    try:
        return data.decode("iso2022_jp")
    except UnicodeDecodeError:
        if not data.isascii():  # something else, under a wrong name
            raise
        # The same characters stand in Shift_JIS, for which Python has the codec of Windows.
        return _shifted(data).decode("cp932")


def _shifted(data: bytes) -> bytes:
    pieces = []
    at, mode = 0, b"(B"
    for match in (*_ESCAPE.finditer(data), None):
        piece = data[at : match.start() if match else len(data)]
        if mode in _PAIRS:
            pieces.append(_pairs(piece))
        elif mode == b"(I":
            pieces.append(bytes([octet | 0x80 if octet > 0x20 else octet for octet in piece]))
        else:
            pieces.append(piece)
        if match:
            at, mode = match.end(), match[1]
    return b"".join(pieces)


def _pairs(data: bytes) -> bytes:
    """Return pairs of JIS X 0208 as those of Shift_JIS; what is no pair stays, such as a line end."""
    out = bytearray()
    at, last = 0, len(data) - 1
    while at <= last:
        first = data[at]
        if first <= 0x20 or at == last:
            out.append(first)
            at += 1
            continue
        second = data[at + 1]
        row = (first - 0x21) // 2 + 0x81
        out.append(row if row < 0xA0 else row + 0x40)
        out.append(second + 0x7E if first % 2 == 0 else second + (0x1F if second < 0x60 else 0x20))
        at += 2
    return bytes(out)
