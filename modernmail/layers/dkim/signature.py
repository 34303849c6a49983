"""The field `DKIM-Signature`: its tags in their order, folded, and what of it is signed itself (RFC 6376 3.5 and 3.7)."""

from __future__ import annotations

from .canonical import relaxed_field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH = 76


class SignatureField:
    """The field before it is signed: `unsigned` is what a key signs of it, behind the other fields.

    >>> field = SignatureField([("v", "1"), ("d", "example.com")], ["from", "to"], "hash=")
    >>> field.unsigned
    b'dkim-signature:v=1; d=example.com; h=from:to; bh=hash=; b='
    >>> field.signed("abc=")
    b'DKIM-Signature: v=1; d=example.com; h=from:to; bh=hash=;\\r\\n b=abc=\\r\\n'
    """

    __slots__ = ("_text", "unsigned")

    def __init__(self, tags: Sequence[tuple[str, str]], names: Sequence[str], body_hash: str) -> None:
        words = [f" {name}={value};" for name, value in tags]
        words.append(f" h={names[0]}{':' if names[1:] else ';'}")
        words += [f"{name}:" for name in names[1:-1]]
        words += [f"{name};" for name in names[1:][-1:]]
        words.append(f" bh={body_hash};")
        lines, line = [], "DKIM-Signature:"
        for word in words:
            if len(line) + len(word) > _WIDTH:
                lines.append(line)
                line = word if word.startswith(" ") else f" {word}"
            else:
                line += word
        lines.append(line)
        self._text = "\r\n".join(lines) + "\r\n b="
        self.unsigned = relaxed_field(self._text.encode("ascii"))

    def signed(self, signature: str) -> bytes:
        """Return the whole field with its signature, in base64."""
        room = _WIDTH - 3
        lines = [signature[:room]]
        lines += [signature[at : at + _WIDTH - 1] for at in range(room, len(signature), _WIDTH - 1)]
        joined = "\r\n ".join(lines)
        return f"{self._text}{joined}\r\n".encode("ascii")
