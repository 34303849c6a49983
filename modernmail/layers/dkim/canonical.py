"""The relaxed canonical form of header fields and bodies (RFC 6376 3.4.2 and 3.4.4): pure, and linear in what it is given."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Digest(Protocol):
        """A hash that takes octets."""

        def update(self, data: bytes, /) -> None:
            """Take more."""
            ...


_BLANKS = re.compile(rb"[ \t]+")


def relaxed_field(field: bytes) -> bytes:
    r"""Return a header field, given with its folds and line end, as it is signed: without a line end.

    >>> relaxed_field(b"SUBJect : AbC\r\n\t d  \r\n")
    b'subject:AbC d'
    """
    name, _, value = field.partition(b":")
    value = value.replace(b"\r\n", b"")
    if b"\t" in value or b"  " in value:
        value = _BLANKS.sub(b" ", value)
    return name.rstrip(b" \t").lower() + b":" + value.strip(b" \t")


def relaxed_body(body: bytes) -> bytes:
    r"""Return a whole body as it is signed.

    >>> relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n")
    b' C\r\nD E\r\n'
    >>> relaxed_body(b"\r\n\r\n")
    b''
    """
    kept = body.rstrip(b" \t\r\n")
    return _relaxed(kept) + b"\r\n" if kept else b""


def _relaxed(lines: bytes) -> bytes:
    if b"\t" in lines or b"  " in lines:
        lines = _BLANKS.sub(b" ", lines)
    if b" \r\n" in lines:
        lines = lines.replace(b" \r\n", b"\r\n")
    return lines


class RelaxedBody:
    r"""A body that comes in pieces, cut anywhere: what is signed of it goes to `digest` as soon as it is certain.

    >>> class Parts(list):
    ...     update = list.append
    >>> parts = Parts()
    >>> body = RelaxedBody(parts)
    >>> for piece in (b"a \r", b"\n", b" \t", b" b\r\n\r\n"): body.feed(piece)
    >>> body.end()
    >>> b"".join(parts)
    b'a\r\n b\r\n'
    """

    __slots__ = ("_digest", "_is_empty", "_line_ends", "_tail")

    def __init__(self, digest: Digest) -> None:
        self._digest = digest
        self._is_empty = True
        self._line_ends = 0  # of lines that are over, and may be the last ones with anything on them
        self._tail = b""  # blanks, and a carriage return, that may belong to the end of a line

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        data = self._tail + piece if self._tail else piece
        kept = data.rstrip(b" \t\r\n")
        if kept:
            if self._line_ends:
                self._digest.update(b"\r\n" * self._line_ends)
                self._line_ends = 0
            self._digest.update(_relaxed(kept))
            self._is_empty = False
        rest = data[len(kept) :]
        ends = rest.count(b"\r\n")
        if ends:
            self._line_ends += ends
            rest = rest[rest.rindex(b"\r\n") + 2 :]
        if len(rest) > 1:
            rest = _BLANKS.sub(b" ", rest)
        self._tail = rest

    def end(self) -> None:
        """The body is over: trailing empty lines go, and what is left ends with one line end."""
        if not self._is_empty:
            self._digest.update(b"\r\n")
