"""`console:` writes each mail to standard output, envelope first: for looking at mail without any server."""

from __future__ import annotations

import sys

from ..grammar.characters import printable
from .backend import Backend, accepted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO


class ConsoleBackend(Backend):
    """Writes to `stream`, standard output as it is at the time of sending by default; to a terminal as text that is safe to
    show."""

    is_store = True

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Write the parcel in one piece, so that threads do not mix their mails."""
        stream = self._stream or sys.stdout
        envelope = parcel.envelope
        text = bytes(parcel.content).decode("utf-8", "replace").replace("\r\n", "\n")
        if stream.isatty():
            # Mail of others is carried as it came: what is in it does not steer the terminal.
            text = "\n".join([line if line.isprintable() else printable(line) for line in text.split("\n")])
        rule = "-" * 78
        head = f"{rule}\nReturn-Path: <{envelope.return_path}>\nRecipients: {', '.join(envelope.recipients)}\n{rule}\n"
        if io.commit_point is not None:
            await io.commit_point(parcel)
        stream.write(f"{head}{text}{rule}\n")
        stream.flush()
        return accepted(parcel, "written to the console")
