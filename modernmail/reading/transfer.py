"""Content-Transfer-Encodings undone, with what was wrong about them."""

from __future__ import annotations

import binascii

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_LINE_ENDS = b"\r\n \t="


def decode_transfer(data: bytes, encoding: str) -> tuple[bytes, str | None]:
    """Return the decoded bytes and the problem, or None when there is none.

    >>> decode_transfer(b"aGVsbG8", "base64")
    (b'hello', 'the base64 is cut short')
    """
    kind = encoding.strip().lower()
    if kind == "base64":
        return decode_base64(data)
    if kind == "quoted-printable":
        return binascii.a2b_qp(data), None
    if kind in {"", "7bit", "8bit", "binary"}:
        return data, None
    return data, f"the transfer encoding {encoding.strip()[:40]!r} is unknown; shown as it came"


def decode_base64(data: bytes) -> tuple[bytes, str | None]:
    """Return what the letters of base64 in `data` say, whatever stands between them, and the problem."""
    letters = data.translate(None, _NOT_BASE64)
    problem = None
    if len(letters) + sum(data.count(mark) for mark in _LINE_ENDS) < len(data):
        problem = "letters that are not base64 were left out"
    if len(letters) % 4 == 1:
        letters, problem = letters[:-1], "the base64 is cut short"
    missing = -len(letters) % 4
    if missing and data.rstrip()[-1:] != b"=":
        problem = "the base64 is cut short"
    return binascii.a2b_base64(letters + b"=" * missing), problem
