"""The whole message as pieces: header block, then the tree of parts with its boundaries.

`Message` calls `body_pieces` for the tree (again only when a part changed) and `document` for each mail.

Rules of the file: small pieces are joined once, large ones are shared as they are; no boundary needs a search for
itself, since `=_` can stand neither in base64 nor in quoted-printable and its 128 random bits in nothing else.
"""

from __future__ import annotations

from itertools import repeat
from os import urandom

from ..content import Content, Octets, content_of_one
from ..errors import InvalidHeader
from ..grammar.wireform import LONGEST_LINE
from .structure import Leaf, Multipart
from .transfer import Blocks, Body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..content import Piece, StreamedPiece

_SHARED = 16384  # octets: a body of at least this size stays a piece of its own, which costs a mail nothing to carry


class Entity:
    """A rendered tree: the MIME fields that belong to the message's header, and the pieces of its body."""

    __slots__ = ("fields", "is_8bit", "is_pinned", "pieces")

    def __init__(
        self, fields: str, pieces: tuple[Piece | StreamedPiece, ...], *, is_8bit: bool, is_pinned: bool
    ) -> None:
        self.fields = fields
        self.pieces = pieces
        self.is_8bit = is_8bit
        self.is_pinned = is_pinned  # a file was looked at: the next mail must look again


VERSION = "MIME-Version: 1.0\r\n"


def entity(root: Leaf | Multipart | None, *, is_pinned: bool = False, version: str = VERSION) -> Entity:
    """Return the rendered tree; without any part, an empty text. `version` is its MIME-Version field."""
    if root is None:
        return _NOTHING
    if isinstance(root, Leaf):
        body = root.body
        fields = f"{version}{root.head}"
        if isinstance(body, Body) and len(body.data) < _SHARED:
            piece = body if body.data.endswith(b"\r\n") else Octets(body.data + b"\r\n")
            return Entity(fields, (piece,), is_8bit=body.encoding == "8bit", is_pinned=is_pinned)
        out = _Pieces()
        out.body(root)
        if not isinstance(body, Body) or not body.data.endswith(b"\r\n"):
            out.glue(b"\r\n")
    else:
        out = _Pieces()
        random = urandom(15).hex()
        fields = f"{version}{multipart_field(root, boundary(random, 0))}"
        _walk(root, random, 0, out)
    return Entity(fields, out.finished(), is_8bit=out.is_8bit, is_pinned=is_pinned)


def boundary(random: str, depth: int) -> str:
    """Return the boundary at this depth of a tree: none begins another, since readers may compare beginnings alone."""
    return f"=_{depth}_{random}"  # RFC 2046 5.1.1: the rest of the line need not match


def multipart_field(part: Multipart, boundary: str) -> str:
    """Return the Content-Type field of a multipart."""
    parameters = "".join([f'; {name}="{value}"' for name, value in part.parameters])
    return f'Content-Type: multipart/{part.subtype}{parameters};\r\n boundary="{boundary}"\r\n'


def _walk(part: Multipart, random: str, depth: int, out: _Pieces) -> None:
    mark = boundary(random, depth)
    delimiter = f"--{mark}\r\n"
    for child in part.parts:
        if isinstance(child, Leaf):
            out.glue(f"{delimiter}{child.head}\r\n".encode())
            out.body(child)
        else:
            out.glue(f"{delimiter}{multipart_field(child, boundary(random, depth + 1))}\r\n".encode())
            _walk(child, random, depth + 1, out)
        # The line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1).
        delimiter = f"\r\n--{mark}\r\n"
    out.glue(f"\r\n--{mark}--\r\n".encode())


class _Pieces:
    """Pieces as they come, the small ones joined."""

    __slots__ = ("_small", "is_8bit", "pieces")

    def __init__(self) -> None:
        self.pieces: list[Piece | StreamedPiece] = []
        self._small: list[bytes] = []
        self.is_8bit = False

    def glue(self, data: bytes) -> None:
        self._small.append(data)

    def body(self, leaf: Leaf) -> None:
        body = leaf.body
        if isinstance(body, Body) and len(body.data) < _SHARED:
            self._small.append(body.data)
        else:
            self._flush()
            if isinstance(body, Blocks):
                self.pieces.extend(body.pieces)
            else:
                self.pieces.append(body)
        self.is_8bit = self.is_8bit or body.encoding == "8bit"

    def _flush(self) -> None:
        if self._small:
            self.pieces.append(Octets(b"".join(self._small)))
            self._small = []

    def finished(self) -> tuple[Piece | StreamedPiece, ...]:
        self._flush()
        return tuple(self.pieces)


def document(fields: list[str], starts: list[str], body: Entity, *, is_utf8: bool = False) -> Content:
    """Return the content: these header fields, then the tree; `starts` are their names, each with its colon.

    The last step before octets leave: what begins lines of the header block must be exactly `starts`, each line must end
    with CRLF, and none may be longer than 998.
    """
    block = "".join(fields)
    # Without folds: each field begins with its name and ends with its line end, and there is no other CR or LF.
    count = len(starts)
    if (
        is_utf8  # characters are not octets then
        or block.count("\n") != count
        or block.count("\r") != count
        or len(block) > LONGEST_LINE
        or len(fields) != count
        or not all(map(_begins, fields, starts))
        or not all(map(_ends, fields, _LINE_ENDS))
    ):
        _check_folded(block, starts)
    head = f"{block}{body.fields}\r\n".encode()
    pieces = body.pieces
    if len(pieces) == 1:
        only: Any = pieces[0]
        if hasattr(only, "data") and len(only.data) < _SHARED:
            return content_of_one(head + only.data, is_8bit=body.is_8bit, is_utf8=is_utf8)
    return Content((Octets(head), *pieces), is_8bit=body.is_8bit, is_utf8=is_utf8)


_begins, _ends = str.startswith, str.endswith
_LINE_ENDS = repeat("\r\n")
_NO_NAME = ("", " ", "\t")


def _check_folded(fields: str, starts: list[str]) -> None:
    """Raise `InvalidHeader` when what begins lines, folded ones aside, is something else than these."""
    lines = fields.split("\r\n")
    ends = len(lines) - 1
    names = [start[:-1] for start in starts]
    found = [line.partition(":")[0] for line in lines if line[:1] not in _NO_NAME]
    if found != names or lines[-1] or fields.count("\n") != ends or fields.count("\r") != ends:
        raise InvalidHeader("headers", found, f"would not be the fields that were meant: {', '.join(names)}")
    if max(map(len, lines if fields.isascii() else [line.encode() for line in lines])) > LONGEST_LINE:
        raise InvalidHeader("headers", fields, f"hold a line of more than {LONGEST_LINE} octets")


_NOTHING = Entity(
    f"{VERSION}Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n",
    (Octets(b"\r\n"),),
    is_8bit=False,
    is_pinned=False,
)
