"""Content-Transfer-Encodings undone, with what was wrong about them."""

from __future__ import annotations

import binascii
import re

from .comment import without_comment

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_LINE_ENDS = b"\r\n \t="
_PADDED = re.compile(rb"[^=]*=+")
_MORE_BASE64 = re.compile(rb"[A-Za-z0-9+/=\s]*\Z")


def decode_transfer(data: bytes, encoding: str) -> tuple[bytes, str | None]:
    """Return the decoded bytes and the problem, or None when there is none.

    >>> decode_transfer(b"aGVsbG8", "base64")
    (b'hello', 'the base64 is cut short')
    """
    kind = without_comment(encoding).strip('"').lower()
    if kind == "base64":
        return decode_base64(data)
    if kind == "quoted-printable":
        return binascii.a2b_qp(data), None
    if kind in {"", "7bit", "8bit", "binary"}:
        return data, None
    return data, f"the transfer encoding {encoding.strip()[:40]!r} is unknown; shown as it came"


def decode_base64(data: bytes) -> tuple[bytes, str | None]:
    """Return what the letters of base64 in `data` say, whatever stands between them, and the problem.

    Behind padding there may be more base64, as of pieces encoded one by one; what else stands there is left out.

    >>> decode_base64(b"YWI=\\r\\nYw==\\r\\n"), decode_base64(b"YWI=\\r\\n--\\r\\na list")
    ((b'abc', None), (b'ab', 'letters that are not base64 were left out'))
    """
    padding = data.find(b"=")
    if padding < 0 or not data[padding:].strip(_LINE_ENDS):
        return _decode(data)
    if not _MORE_BASE64.match(data, padding):
        return _decode(data[: padding + 2])[0], "letters that are not base64 were left out"
    pieces = []
    problem = None
    at = 0
    while at < len(data):
        match = _PADDED.match(data, at)
        end = match.end() if match else len(data)
        piece, found = _decode(data[at:end])
        pieces.append(piece)
        problem = problem or found
        at = end
    return b"".join(pieces), problem


def _decode(data: bytes) -> tuple[bytes, str | None]:
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
