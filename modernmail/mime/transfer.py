"""Bodies as they stand on the wire: 7bit, quoted-printable, base64 or, when asked for, 8bit (RFC 2045 6).

The renderer calls `text_body` and `base64_body`; both give a `Body`.

Rules of the file: line ends are CRLF when a body leaves here, no line is longer than 998 octets, blanks at the end of a
line never stand bare, and NUL and lone surrogates are refused. The choice of encoding follows from the content alone,
never from a server. Text that is used again is encoded once: the last few bodies are kept, found by identity.
"""

from __future__ import annotations

from binascii import b2a_base64, b2a_qp
from struct import Struct

from ..content import Octets
from ..errors import InvalidMessage
from ..grammar.wireform import has_long_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from ..source import FileSource, Spool

    BodyEncoding = Literal["auto", "base64", "quoted-printable", "8bit"]

ENCODINGS = ("auto", "base64", "quoted-printable", "8bit")
_ASCII = bytes(range(128))
_LINE = 57  # octets that make a base64 line of 76 characters
_LINES = 1024  # that are cut at a time
_BLOCK = _LINE * _LINES  # a block of what is streamed, too
_KEPT_WHOLE = 1 << 22  # octets; in one piece, a body costs a mail nothing more to carry
_CUT = Struct("76s" * _LINES + "0s").unpack  # the empty last one ends the last line
_FEW = 16  # lines of what is no whole block: to cut so many at a time takes two thirds of what slices take
_CUT_FEW = Struct("76s" * _FEW).iter_unpack
_FEW_SIZE = 76 * _FEW


class Body(Octets):
    """Encoded content of a part: its Content-Transfer-Encoding and its octets, which begin at a line's start."""

    __slots__ = ("encoding",)

    def __init__(self, encoding: str, data: bytes, *, is_dotless: bool = False) -> None:
        self.encoding = encoding
        self.data = data
        self._stuffed = data if is_dotless else None


class Blocks:
    """Encoded content in blocks of lines, since to join a large one takes as long as to encode it."""

    __slots__ = ("pieces",)
    encoding = "base64"

    def __init__(self, blocks: list[bytes]) -> None:
        self.pieces = tuple([Octets(block, is_dotless=True) for block in blocks])

    def blocks(self) -> Iterator[bytes]:
        """Yield the encoded content; blocks end with a line end, the last one aside."""
        for piece in self.pieces:
            yield piece.data


class StreamedBody:
    """Content too large to keep, encoded as base64 while it is read."""

    __slots__ = ("size", "source")
    encoding = "base64"

    def __init__(self, source: FileSource | Spool) -> None:
        self.source = source
        self.size = base64_size(source.size)

    def blocks(self) -> Iterator[bytes]:
        """Yield the encoded content; blocks end with a line end, the last one aside."""
        _keep_room()
        left = self.source.size
        for block in self.source.blocks(_BLOCK):
            left -= len(block)
            yield _whole_lines(block) if left else base64_lines(block)


_has_room = False
_ROOM = 1 << 18  # octets: twice as much is kept then, more than a pass over a file holds at a time


def _keep_room() -> None:
    """Let the C library keep the memory of one block for the next.

    glibc gives the top of its heap back as soon as 128 KiB of it are free, and to have the pages made anew for each block
    costs up to a third more; it raises that limit once a larger piece was freed (mallopt(3), `M_MMAP_THRESHOLD`).
    """
    global _has_room  # once a process is enough
    if not _has_room:
        _has_room = True
        bytes(_ROOM)


_kept: dict[tuple[int, str], tuple[str, Body]] = {}
_KEPT_MOST = 16
_KEPT_FROM, _KEPT_TO = 2048, 1 << 18  # characters: smaller is quick anyway, larger would hold memory


def text_body(text: str, encoding: BodyEncoding = "auto", argument: str = "text") -> Body:
    """Return a text encoded as UTF-8, in the cheapest safe way unless told otherwise.

    Raises `InvalidMessage` for NUL and lone surrogates, with their position.
    """
    if not _KEPT_FROM <= len(text) <= _KEPT_TO:
        return _text_body(text, encoding, argument)
    # The key holds while the text is referred to from the value, so an id cannot be used again.
    key = (id(text), encoding)
    found = _kept.get(key)
    if found is not None:
        return found[1]
    body = _text_body(text, encoding, argument)
    if len(_kept) >= _KEPT_MOST:
        _kept.clear()
    _kept[key] = (text, body)
    return body


def _text_body(text: str, encoding: BodyEncoding, argument: str) -> Body:
    if "\0" in text:
        raise InvalidMessage(argument, text, f"holds a NUL at position {text.index(chr(0))}")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    is_ascii = text.isascii()
    if encoding in ("auto", "8bit") and (is_ascii or encoding == "8bit") and not _has_bare_blanks(text):
        data = _utf8(text, argument) if not is_ascii else text.encode("ascii")
        if not has_long_line(data):
            return Body("7bit" if is_ascii else "8bit", data.replace(b"\n", b"\r\n"))
    data = _utf8(text, argument).replace(b"\n", b"\r\n")
    if encoding == "base64" or (
        encoding != "quoted-printable" and _base64_is_shorter(data, is_ascii=is_ascii)
    ):
        return Body("base64", base64_lines(data), is_dotless=True)
    return Body("quoted-printable", quoted_printable(data))


def _utf8(text: str, argument: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        reason = f"holds a lone surrogate U+{code:04X} at position {error.start}"
        raise InvalidMessage(argument, text, reason) from error


def _has_bare_blanks(text: str) -> bool:
    """Return whether a line ends with a blank, which a transport may strip (RFC 2045 6.7 (3))."""
    # Searched from the end, which takes a third of the time of `in`: a line end is rarer than a blank.
    return text.rfind(" \n") >= 0 or ("\t" in text and text.rfind("\t\n") >= 0) or text[-1:] in (" ", "\t")


def _base64_is_shorter(data: bytes, *, is_ascii: bool) -> bool:
    escaped = 0 if is_ascii else len(data.translate(None, _ASCII))
    return (len(data) + 2) // 3 * 4 < len(data) + 2 * escaped


def quoted_printable(data: bytes) -> bytes:
    """Return quoted-printable lines of at most 76 characters for content whose line ends are CRLF."""
    coded = b2a_qp(data, istext=True)
    # b2a_qp leaves soft breaks as bare LF when the content has no line end of its own to copy from.
    if b"\n" not in data:
        coded = coded.replace(b"=\n", b"=\r\n")
    # It also counts an encoded blank at the end of a line as one octet: 77 are possible, RFC 2045 6.7 (5) allows 76.
    # (To search from the end takes a third of the time of `in`, and what is plain has no tab.)
    if coded.rfind(b"=20\r\n") >= 0 or (b"\t" in data and coded.rfind(b"=09\r\n") >= 0):
        lines = coded.split(b"\r\n")
        coded = b"\r\n".join(
            [line if len(line) <= 76 else line[:-3] + b"=\r\n" + line[-3:] for line in lines]
        )
    return coded


def base64_size(size: int) -> int:
    """Return the size of base64 lines for content of `size` octets."""
    coded = (size + 2) // 3 * 4
    return coded + max(0, (coded - 1) // 76) * 2


def base64_lines(data: bytes) -> bytes:
    """Return base64 in lines of 76 characters, joined by CRLF, none at the end."""
    return b2a_base64(data, newline=False) if len(data) <= _LINE else b"".join(_base64_blocks(data))


def _base64_blocks(data: bytes) -> list[bytes]:
    """Return base64 in blocks of whole lines, each ended by CRLF but the last."""
    # The last line is no part of a whole block, so that it has no line end.
    whole = (len(data) - 1) // _BLOCK * _BLOCK
    view = memoryview(data)
    # A block that stays in the processor's cache: a third of the time of larger steps.
    blocks = [_whole_lines(view[at : at + _BLOCK]) for at in range(0, whole, _BLOCK)]
    blocks.append(_last_lines(view[whole:]))
    return blocks


def _whole_lines(block: bytes | memoryview) -> bytes:
    """Return the base64 lines of a whole block, each ended by CRLF: cut by one unpack."""
    return b"\r\n".join(_CUT(b2a_base64(block, newline=False)))


def _last_lines(data: memoryview) -> bytes:
    """Return the base64 lines of what is left, the last one without a line end."""
    coded = b2a_base64(data, newline=False)
    size = len(coded)
    if size <= _FEW_SIZE:
        return b"\r\n".join([coded[at : at + 76] for at in range(0, size, 76)])
    whole = (size - 1) // _FEW_SIZE * _FEW_SIZE
    lines: list[bytes] = []
    for few in _CUT_FEW(memoryview(coded)[:whole]):
        lines.extend(few)
    lines.extend([coded[at : at + 76] for at in range(whole, size, 76)])
    return b"\r\n".join(lines)


def base64_body(data: bytes) -> Body | Blocks:
    """Return content as base64 lines."""
    if len(data) > _KEPT_WHOLE:
        return Blocks(_base64_blocks(data))
    return Body("base64", base64_lines(data), is_dotless=True)
