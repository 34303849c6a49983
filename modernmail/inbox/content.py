"""The content of a mail as it comes after DATA: to the lone dot, whatever the lines are.

Rules of the file: whatever is not kept is read to its end all the same, for the session goes on after it; what all
sessions hold together has a limit.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class ContentNotKept(Exception):
    """The content was read and is not kept; `reply` says why."""

    def __init__(self, reply: str) -> None:
        super().__init__(reply)
        self.reply = reply


class Incoming:
    """Counts the octets of content that are on their way in: all of them together are at most `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.octets = 0

    @contextmanager
    def part(self) -> Iterator[Callable[[int], bool]]:
        """Give a function that asks for room for so many octets more; a no, like the end of the block, frees it all."""
        mine = 0

        def more(octets: int) -> bool:
            nonlocal mine
            is_room = self.octets + octets <= self.limit
            change = octets if is_room else -mine
            mine += change
            self.octets += change
            return is_room

        try:
            yield more
        finally:
            self.octets -= mine


async def read_content(
    reader: asyncio.StreamReader, max_size: int, more: Callable[[int], bool], progressed: Callable[[], None]
) -> bytes:
    """Return the content with dot-stuffing undone. Raises `ContentNotKept` over `max_size`, or without room.

    Read in pieces that end in `.CRLF`, of any line length: only the sequence CRLF.CRLF ends the content (RFC
    5321 4.1.1.4), so a bare LF.LF cannot smuggle a second mail in. `progressed` is called now and then.
    """
    content = bytearray()  # a list of pieces would cost ten times its octets, were each of them a short line
    size, tail, is_room = 0, b"\r\n", True  # the CRLF of the DATA command opens the first line
    while tail != b"\r\n.\r\n":
        try:
            piece = await reader.readuntil(b".\r\n")
        except asyncio.LimitOverrunError as error:
            piece = await reader.readexactly(error.consumed)
            progressed()
        size += len(piece)
        tail = (tail + piece[-5:])[-5:]
        is_room = is_room and size <= max_size + 3 and more(len(piece))
        if is_room:
            content += piece
        else:
            content.clear()
    if size > max_size + 3:
        raise ContentNotKept(f"552 5.3.4 More than the {max_size} octets this server takes")
    if not is_room:
        raise ContentNotKept("452 4.3.1 Too much comes in at once, try again; nothing of it was kept")
    del content[-3:]
    if content.startswith(b"."):
        del content[:1]
    return bytes(content.replace(b"\r\n.", b"\r\n"))  # RFC 5321 4.5.2
