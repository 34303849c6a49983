"""Part: a MIME node, with what its fields say and its content decoded on demand."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from .charset import decode_text, html_charset
from .parameters import parse_parameters
from .transfer import decode_transfer
from .words import decode_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .fields import Field

# What file systems refuse, and what turns a name around, so that `exe.fdp` is read for its ending (Unicode UAX 9).
_TURNING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_UNSAFE = str.maketrans(dict.fromkeys([*map(chr, (*range(32), *_TURNING)), *'\\/:*?"<>|\x7f'], "_"))


def safe_name(name: str) -> str:
    """Return `name` as one to save a file under: no folder, nothing that file systems refuse or that deceives.

    >>> safe_name("Orders 3/4"), safe_name("..")
    ('Orders 3_4', '')
    """
    return name.translate(_UNSAFE).strip(". ")[:200]


class Part:
    """A node of the MIME tree. `path` is its place (`""` the mail itself, `"1.2"` as in IMAP).

    `fields` are its header fields, `children` the parts of a multipart, `problems` what is wrong with it.
    """

    def __init__(self, source: bytes, start: int, end: int, fields: list[Field], path: str) -> None:
        self._source = source
        self.start = start
        self.end = end
        self.fields = fields
        self.path = path
        self.children: list[Part] = []
        self.problems: list[str] = []

    def field(self, name: str) -> str:
        """Return the first value of the field, encoded-words not decoded, `""` without it."""
        wanted = name.lower()
        return next((field.unfolded for field in self.fields if field.name.lower() == wanted), "")

    @cached_property
    def _type(self) -> tuple[str, dict[str, str]]:
        return parse_parameters(self.field("Content-Type"))

    @cached_property
    def _disposition(self) -> tuple[str, dict[str, str]]:
        return parse_parameters(self.field("Content-Disposition"))

    @property
    def media_type(self) -> str:
        """`type/subtype` in lower case; `text/plain` when it is missing or unreadable (RFC 2045 5.2)."""
        word = self._type[0]
        main, slash, sub = word.partition("/")
        return word if slash and main and sub and " " not in word else "text/plain"

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters of Content-Type."""
        return self._type[1]

    @property
    def disposition(self) -> str:
        """`inline`, `attachment` or another word; `""` when nothing is said."""
        return self._disposition[0]

    @property
    def filename(self) -> str:
        """The file name: its last part, made safe to save under; `""` without one."""
        name = self._disposition[1].get("filename") or self.parameters.get("name") or ""
        return safe_name(name.replace("\\", "/").rpartition("/")[2])

    @property
    def content_id(self) -> str:
        """The Content-ID without its brackets, `""` without one."""
        return identifier(self.field("Content-ID"))

    @property
    def encoded_size(self) -> int:
        """Octets of the body as it travels."""
        return self.end - self.start

    @property
    def raw(self) -> bytes:
        """The body as it travels."""
        return self._source[self.start : self.end]

    @cached_property
    def content(self) -> bytes:
        """The body with its transfer encoding undone."""
        content, problem = decode_transfer(self.raw, self.field("Content-Transfer-Encoding"))
        if problem:
            self.problems.append(f"{self}: {problem}")
        return content

    @cached_property
    def text(self) -> str:
        """The content as text, lines ended by a line feed."""
        charset = self.parameters.get("charset", "")
        if not charset and self.media_type == "text/html":
            charset = html_charset(self.content)
        text, problem = decode_text(self.content, charset)
        if problem:
            self.problems.append(f"{self}: {problem}")
        return text.replace("\r\n", "\n")

    def walk(self) -> Iterator[Part]:
        """Give this part and all below it, in the order they stand in the mail."""
        waiting = [self]
        while waiting:
            part = waiting.pop()
            yield part
            waiting.extend(reversed(part.children))

    def __str__(self) -> str:
        return f"part {self.path or '1'} ({self.media_type})"


def identifier(value: str) -> str:
    """Return an identifier without its brackets; Python's email package makes encoded-words of long ones (not RFC 2047 5)."""
    return decode_words(value).strip().removeprefix("<").removesuffix(">")
