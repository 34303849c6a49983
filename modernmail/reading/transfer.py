"""Content-Transfer-Encodings undone, with what was wrong about them."""

from __future__ import annotations

import binascii
import re

from .comment import without_comment

_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NOT_BASE64 = bytes(set(range(256)) - set(_BASE64))
_LINE_ENDS = b"\r\n \t="
_BLANKS = b"\t\n\v\f\r "
_PADDING = re.compile(rb"=+")
_MISSING = (b"", b"", b"==", b"=")  # by how many letters there are beyond whole fours
_OTHERS = "letters that are not base64 were left out"
_SHORT = "the base64 is cut short"
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
        return _decode(data[: padding + 2])[0], _OTHERS
    first, *padded, last = _PADDING.split(data)
    # There may be a piece in every few octets: what is to be looked at is looked at for all of them at once.
    inner = b"=".join(padded)
    letters = inner.translate(None, _BLANKS).split(b"=") if padded else []
    found = [_decode(first + b"="), (b"".join(map(_decoded_piece, letters)), _problem_of(inner, letters))]
    if last:
        found.append(_decode(last))
    return b"".join([piece for piece, _ in found]), next((why for _, why in found if why), None)


def _decoded_piece(letters: bytes) -> bytes:
    """Return what letters say that padding ended; a last one alone says nothing."""
    return binascii.a2b_base64(
        letters + _MISSING[len(letters) & 3] if len(letters) & 3 != 1 else letters[:-1]
    )


def _problem_of(inner: bytes, letters: list[bytes]) -> str | None:
    if inner.translate(None, _BASE64 + _LINE_ENDS):
        return _OTHERS
    return _SHORT if any(len(piece) & 3 == 1 for piece in letters) else None


def _decode(data: bytes) -> tuple[bytes, str | None]:
    letters = data.translate(None, _NOT_BASE64)
    problem = None
    if len(letters) + sum(data.count(mark) for mark in _LINE_ENDS) < len(data):
        problem = _OTHERS
    if len(letters) % 4 == 1:
        letters, problem = letters[:-1], _SHORT
    missing = -len(letters) % 4
    if missing and data.rstrip()[-1:] != b"=":
        problem = _SHORT
    return binascii.a2b_base64(letters + b"=" * missing), problem
