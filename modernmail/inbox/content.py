"""The content of a mail as it comes after DATA: to the lone dot, whatever the lines are."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


async def read_content(
    reader: asyncio.StreamReader, max_size: int, progressed: Callable[[], None]
) -> bytes | None:
    """Return the content with dot-stuffing undone, or None (all read, none kept) over `max_size` octets.

    Read in pieces that end in `.CRLF`, of any line length: only the sequence CRLF.CRLF ends the content (RFC
    5321 4.1.1.4), so a bare LF.LF cannot smuggle a second mail in. `progressed` is called now and then.
    """
    pieces: list[bytes] = []
    size, tail = 0, b"\r\n"  # the CRLF of the DATA command opens the first line
    while tail != b"\r\n.\r\n":
        try:
            piece = await reader.readuntil(b".\r\n")
        except asyncio.LimitOverrunError as error:
            piece = await reader.readexactly(error.consumed)
            progressed()
        size += len(piece)
        pieces.append(piece)
        tail = (tail + piece[-5:])[-5:]
        if size > max_size + 3:
            pieces.clear()
    if size > max_size + 3:
        return None
    content = b"".join(pieces)[:-3]
    if content.startswith(b"."):
        content = content[1:]
    return content.replace(b"\r\n.", b"\r\n")  # RFC 5321 4.5.2
