"""What a server answered: `Reply`, a code and lines of text.

The protocol makes replies, outcomes and errors carry them, callers read them.

Rules of the file: a reply is frozen, and its text is decoded when somebody looks, because most replies are never read.
"""

from __future__ import annotations

from .frozen import Frozen
from .grammar.characters import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Reply(Frozen):
    """A server's reply: its `code`, its `enhanced` status code (RFC 3463) or None, and its `text`.

    `lines` are the text lines as received, without code and line end; `text` joins them with spaces.

    >>> reply = Reply(550, (b"5.1.1 no such user",))
    >>> reply.code, reply.enhanced, reply.text
    (550, '5.1.1', '5.1.1 no such user')
    """

    __slots__ = ("code", "lines")
    code: int
    lines: tuple[bytes, ...]

    def __init__(self, code: int, lines: Iterable[bytes | str] = ()) -> None:
        put = object.__setattr__
        put(self, "code", code)
        put(self, "lines", tuple(x if isinstance(x, bytes) else x.encode("utf-8", "replace") for x in lines))

    @property
    def text(self) -> str:
        """The text of all lines, joined with spaces; what is not UTF-8, or no terminal should obey, is shown as `\\xNN`."""
        text = b" ".join(self.lines).decode("utf-8", "backslashreplace")
        return text if text.isprintable() else printable(text)

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code that begins the last line (RFC 2034), such as `"5.1.1"`, or None.

        Some servers write it elsewhere: on the first line alone, with a colon behind it, in brackets at the end.

        >>> Reply(550, ["5.7.1 Blocked. Please look at", "https://example.com/why"]).enhanced
        '5.7.1'
        """
        lines = self.lines
        if not lines:
            return None
        word = lines[-1].partition(b" ")[0]
        parts = word.split(b".")
        # RFC 2034 4: the class must agree with the first digit of the reply code
        if len(parts) == 3:
            first, second, third = parts  # a generator would take longer than all of it
            is_of_class = first.isdigit() and len(first) == 1 and int(first) == self.code // 100
            if is_of_class and second.isdigit() and len(second) <= 3 and third.isdigit() and len(third) <= 3:
                return word.decode("ascii")
        from .enhanced import found_in

        return found_in((*lines[-1:], *lines[:-1]), self.code // 100)

    @property
    def is_positive(self) -> bool:
        """True for 2xx."""
        return 200 <= self.code < 300

    @property
    def is_transient(self) -> bool:
        """True for 4xx: the same command may succeed later."""
        return 400 <= self.code < 500

    def to_dict(self) -> dict[str, Any]:
        """Return `code`, `enhanced` and `text` as plain values."""
        return {"code": self.code, "enhanced": self.enhanced, "text": self.text}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Reply:
        """Return the reply that `to_dict` described."""
        return cls(int(data["code"]), (str(data["text"]),))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reply):
            return NotImplemented
        return self.code == other.code and self.text == other.text

    def __hash__(self) -> int:
        return hash((self.code, self.text))

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()

    def __repr__(self) -> str:
        return f"<Reply {self}>"

    def __reduce__(self) -> tuple[type[Reply], tuple[int, tuple[bytes, ...]]]:
        return type(self), (self.code, self.lines)
