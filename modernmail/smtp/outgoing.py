"""A content on its way out: `Outgoing`, the blocks that a wire writes, without a copy of the whole mail.

The pipeline makes one for what is too large for a single write; the wires take its blocks as fast as the peer does.

Rules of the file: small pieces are gathered, a large one is cut into views of itself; the end of the content is in the last
block, and taking that block is the moment from which the outcome may be unknown.
"""

from __future__ import annotations

from ..errors import InvalidAttachment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from .transaction import Transaction

WHOLE = 65_536  # octets: what goes out in one write
_BLOCK = 262_144  # octets of a large piece that are written at a time


class Unreadable(Exception):
    """The source of the content failed: told apart from what the wire itself may raise."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


def _readable(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the chunks of a content; a source that fails raises `Unreadable`."""
    try:
        yield from chunks
    except (InvalidAttachment, OSError) as error:
        raise Unreadable(error) from error


class Outgoing:
    """The blocks of what is written for a transaction: `first`, its content, and `last`, which ends it.

    Without `last` the content is not ended: that is another write's matter. `is_ended` says that the last block was taken;
    `early` is how many replies may come before that: those to `first`.
    """

    __slots__ = ("_chunks", "_first", "_last", "_transaction", "early", "is_ended")

    def __init__(
        self,
        transaction: Transaction,
        chunks: Iterator[bytes],
        *,
        first: bytes = b"",
        last: bytes | None,
        early: int = 0,
    ) -> None:
        self._transaction = transaction
        self._chunks = chunks
        self._first = first
        self._last = last
        self.early = early
        self.is_ended = False

    def __iter__(self) -> Generator[bytes | memoryview, None, None]:
        held: bytes | memoryview = b""
        for block in self._blocks():
            if held:
                yield held
            held = block
        last = self._last
        if last is not None:
            if len(held) + len(last) > WHOLE and last:
                yield held
                held = b""
            self.is_ended = self._transaction.is_sent = True
            held = b"".join((held, last)) if last else held
        yield held

    def _blocks(self) -> Iterator[bytes | memoryview]:
        """Yield what comes before `last`: small pieces joined, large ones in slices."""
        held = [self._first]
        size = len(self._first)
        for chunk in _readable(self._chunks):
            is_large = len(chunk) > WHOLE
            if not is_large:
                held.append(chunk)
                size += len(chunk)
            if size >= WHOLE or (is_large and size):
                yield b"".join(held)
                held, size = [], 0
            if is_large:
                view = memoryview(chunk)
                for at in range(0, len(view), _BLOCK):
                    yield view[at : at + _BLOCK]
        if size:
            yield b"".join(held)
