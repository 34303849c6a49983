"""The rendered content of a mail: `Content`, the octets below the envelope, in pieces.

The renderer makes it, a parcel carries it, backends write it out.

Rules of the file: a piece begins at the start of a line or with CRLF; a piece shared by many mails is one object; a
streamed piece is read anew on each pass and its size is known beforehand.
"""

from __future__ import annotations

from .errors import InvalidMessage
from .frozen import IS_FREE, Frozen, refrozen, thawed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any, Protocol

    class Piece(Protocol):
        """Octets that are kept, with the form that DATA carries (dots doubled)."""

        @property
        def data(self) -> bytes:
            """The octets as they are."""
            ...

        @property
        def stuffed(self) -> bytes:
            """The octets with dots doubled."""
            ...

    class StreamedPiece(Protocol):
        """Octets that are made while they are read; never with a dot at a line's start."""

        @property
        def size(self) -> int:
            """Their number."""
            ...

        def blocks(self) -> Iterator[bytes]:
            """Yield them."""
            ...


_SMALL = 32768  # octets: copying no more than these costs less than a piece of its own would in every write


class Content(Frozen):
    """The octets of one mail: header block, blank line, body; lines end with CRLF, the last one too.

    `size` is their number, `is_8bit` says that 8BITMIME is needed (RFC 6152), `is_utf8` that the header holds UTF-8
    (RFC 6531), `is_streamed` that a part is read from a file on each pass.

    >>> content = Content.of(b"Subject: x\\r\\n\\r\\nbody\\r\\n")
    >>> content.size, content.head
    (20, b'Subject: x\\r\\n\\r\\n')
    """

    __slots__ = ("is_8bit", "is_streamed", "is_utf8", "pieces", "size")
    pieces: tuple[Piece | StreamedPiece, ...]
    size: int
    is_8bit: bool
    is_utf8: bool
    is_streamed: bool

    def __init__(
        self, pieces: Sequence[Piece | StreamedPiece], *, is_8bit: bool = False, is_utf8: bool = False
    ) -> None:
        put = object.__setattr__
        put(self, "pieces", tuple(pieces))
        put(self, "is_8bit", is_8bit)
        put(self, "is_utf8", is_utf8)
        is_streamed, size = False, 0
        for piece in pieces:
            if hasattr(piece, "data"):
                size += len(piece.data)
            else:
                is_streamed = True
                size += piece.size
        put(self, "is_streamed", is_streamed)
        put(self, "size", size)

    @classmethod
    def of(cls, data: bytes, *, is_8bit: bool = False, is_utf8: bool = False) -> Content:
        r"""Return content that is one piece, of octets in the form in which a mail travels.

        Raises `InvalidMessage` for others: they could end the mail early for some servers, and begin another.

        >>> Content.of(b"Subject: x\r\n\r\ntext\n.\nMAIL FROM:<evil@example.net>\r\n")
        Traceback (most recent call last):
        modernmail.errors.InvalidMessage: content: '…': has a bare CR or LF, which some servers take for a line end
        """
        from .grammar.wireform import fault_of

        if fault := fault_of(data):
            raise InvalidMessage("content", "…", fault)
        return cls((Octets(data),), is_8bit=is_8bit, is_utf8=is_utf8)

    def chunks(self) -> Iterator[bytes]:
        """Yield the octets as they are."""
        for piece in self.pieces:
            if hasattr(piece, "data"):
                yield piece.data
            else:
                yield from piece.blocks()

    def stuffed_chunks(self) -> Iterator[bytes]:
        """Yield the octets as DATA carries them: dots doubled, without the final dot (RFC 5321 4.5.2)."""
        for piece in self.pieces:
            if hasattr(piece, "stuffed"):
                yield piece.stuffed
            else:
                yield from piece.blocks()

    @property
    def head(self) -> bytes:
        """The header block with its blank line."""
        first: bytes = self.pieces[0].data  # type: ignore[union-attr]
        end = first.find(b"\r\n\r\n")
        return first[: end + 4] if end >= 0 else self._cut()[0]

    def _cut(self) -> tuple[bytes, bytes, int]:
        """Return the header block, the octets behind it in the piece where it ends, and that piece's number."""
        read = b""
        for number, piece in enumerate(self.pieces):
            if not hasattr(piece, "data"):
                break
            read += piece.data
            end = read.find(b"\r\n\r\n")
            if end >= 0:
                return read[: end + 4], read[end + 4 :], number
        raise ValueError("the content has no blank line behind its header")

    def with_field(self, field: bytes) -> Content:
        r"""Return this content with a header field (its line end included) in front of all others.

        The pieces are shared, none is copied but a small first one.

        >>> bytes(Content.of(b"Subject: x\r\n\r\n").with_field(b"X-A: 1\r\n"))
        b'X-A: 1\r\nSubject: x\r\n\r\n'
        """
        first: Any = self.pieces[0]
        if hasattr(first, "data") and len(first.data) <= _SMALL:
            data = field + first.data
            kind = Plain if first.data is first.stuffed and dot_stuffed(field) is field else Octets
            return self._changed((kind(data), *self.pieces[1:]))
        return self._changed((Octets(field), *self.pieces))

    def with_head(self, head: bytes) -> Content:
        """Return this content with another header block, which ends with its blank line."""
        _, behind, number = self._cut()
        return self._changed((Octets(head + behind), *self.pieces[number + 1 :]))

    def _changed(self, pieces: tuple[Piece | StreamedPiece, ...]) -> Content:
        return Content(pieces, is_8bit=self.is_8bit, is_utf8=self.is_utf8)

    def __bytes__(self) -> bytes:
        pieces = self.pieces
        if len(pieces) == 1 and type(pieces[0]) is Octets:
            return pieces[0].data
        return b"".join(self.chunks())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Content) and (self is other or bytes(self) == bytes(other))

    def __hash__(self) -> int:
        return hash((self.size, self.head))

    def __repr__(self) -> str:
        return f"<Content of {self.size} octets>"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuilt, (bytes(self), self.is_8bit, self.is_utf8)


_Open = thawed(Content)


def content_of_one(data: bytes, *, is_8bit: bool, is_utf8: bool) -> Content:
    """Return content that is one piece, quickly: what the renderer calls for a small mail."""
    content = _Open()
    content.pieces = (Octets(data),)
    content.size = len(data)
    content.is_8bit = is_8bit
    content.is_utf8 = is_utf8
    content.is_streamed = False
    if IS_FREE:
        return refrozen(content, Content)
    content.__class__ = Content
    frozen: Content = content
    return frozen


def _rebuilt(data: bytes, is_8bit: bool, is_utf8: bool) -> Content:
    return Content.of(data, is_8bit=is_8bit, is_utf8=is_utf8)


class Octets:
    """A piece that is kept: its octets, and the same with dots doubled, made when first asked for.

    `is_dotless` when no line can begin with a dot, as in base64.
    """

    __slots__ = ("_stuffed", "data")

    def __init__(self, data: bytes, *, is_dotless: bool = False) -> None:
        self.data = data
        self._stuffed: bytes | None = data if is_dotless else None

    @property
    def stuffed(self) -> bytes:
        """The octets as DATA carries them."""
        found = self._stuffed
        if found is None:
            found = self._stuffed = dot_stuffed(self.data)
        return found


class Plain:
    """A piece without a dot at a line's start: both forms are the same octets."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data

    @property
    def stuffed(self) -> bytes:
        """The octets as DATA carries them."""
        return self.data


def dot_stuffed(data: bytes) -> bytes:
    """Return octets that begin at a line's start with the dots at line starts doubled; the same object without any.

    >>> dot_stuffed(b".\\r\\n..x\\r\\ny.")
    b'..\\r\\n...x\\r\\ny.'
    """
    if data.rfind(b"\r\n.") >= 0:  # from the end: a third of the time of `in`
        data = data.replace(b"\r\n.", b"\r\n..")
    return b"." + data if data[:1] == b"." else data
