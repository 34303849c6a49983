"""What a server delivered: the files of its maildirs, each with the trace headers told from the content."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from .process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

_TRACE = {b"return-path", b"x-original-to", b"delivered-to", b"received", b"envelope-to", b"delivery-date"}


@dataclass(frozen=True)
class Delivered:
    """One delivered file: `raw` is `trace` (what servers put on top) followed by what the client sent."""

    path: Path
    raw: bytes

    @cached_property
    def _split(self) -> int:
        """Where the trace ends: the first header line that is neither a trace field nor its continuation."""
        position = 0
        while position < len(self.raw):
            line_end = self.raw.find(b"\n", position) + 1 or len(self.raw)
            line = self.raw[position:line_end]
            is_continuation = line[:1] in b" \t" and position > 0
            if not is_continuation and line.partition(b":")[0].lower() not in _TRACE:
                break
            position = line_end
        return position

    @property
    def trace(self) -> bytes:
        """The lines that servers put above the content."""
        return self.raw[: self._split]

    @property
    def content(self) -> bytes:
        """What the client sent, with the CRLF line ends that maildirs store as LF."""
        return self.raw[self._split :].replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")

    def trace_field(self, name: str) -> str | None:
        """Return the value of the first trace field of that name, or None."""
        # From text: octets that are not ASCII, as SMTPUTF8 has them, would come out as replacement characters.
        value = email.message_from_string(self.trace.decode("utf-8", "surrogateescape")).get(name)
        return None if value is None else str(value)

    @property
    def return_path(self) -> str | None:
        """The envelope's reverse-path as the server noted it, without angle brackets; "" is the null path."""
        value = self.trace_field("Return-Path")
        return None if value is None else value.strip().removeprefix("<").removesuffix(">")

    @property
    def recipient(self) -> str | None:
        """The envelope recipient this file was delivered for, without angle brackets."""
        for name in ("X-Original-To", "Envelope-To", "Delivered-To"):
            if (value := self.trace_field(name)) is not None:
                return value.strip().removeprefix("<").removesuffix(">")
        return None

    def message(self) -> EmailMessage:
        """Return the content as the standard library parses it."""
        return email.message_from_bytes(self.content, policy=email.policy.default)


class Maildirs:
    """All maildirs below a folder; a message is there once its file is in some `new/`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __iter__(self) -> Iterator[Delivered]:
        """Give every delivered message, oldest first."""
        paths = [path for path in self.root.rglob("*") if path.parent.name == "new"]
        for path in sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path.name)):
            yield Delivered(path, path.read_bytes())

    def __len__(self) -> int:
        return sum(1 for path in self.root.rglob("*") if path.parent.name == "new")

    def to(self, recipient: str) -> list[Delivered]:
        """Return what was delivered for one envelope recipient."""
        return [delivered for delivered in self if delivered.recipient == recipient]

    def wait(self, count: int, *, timeout: float = 20.0) -> list[Delivered]:
        """Return the messages once there are `count` of them."""
        wait_until(lambda: len(self) >= count, f"{count} messages in {self.root}", timeout=timeout)
        return list(self)

    def clear(self) -> None:
        """Remove every delivered message; the folders stay."""
        for delivered in self:
            delivered.path.unlink()
