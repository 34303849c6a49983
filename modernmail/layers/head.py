"""A header block as its fields: what layers need that sign, add or replace some of them.

Rules of the file: octets in, octets out; a field is carried exactly as it was written, folds and all.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container


def fields_of(head: bytes) -> list[tuple[bytes, bytes]]:
    r"""Return the fields of a header block in order: each name in small letters, and the whole field with its line end.

    >>> fields_of(b"Subject: a\r\n b\r\nTo: c\r\n\r\n")
    [(b'subject', b'Subject: a\r\n b\r\n'), (b'to', b'To: c\r\n')]
    """
    if b"\r\n " in head or b"\r\n\t" in head:
        return _folded(head)
    return [_field([line]) for line in head.split(b"\r\n") if line]


def _folded(head: bytes) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    lines: list[bytes] = []
    for line in head.split(b"\r\n"):
        if line[:1] in (b" ", b"\t"):
            lines.append(line)
            continue
        if lines:
            found.append(_field(lines))
        lines = [line] if line else []
    if lines:
        found.append(_field(lines))
    return found


def _field(lines: list[bytes]) -> tuple[bytes, bytes]:
    name = lines[0].partition(b":")[0]
    return name.rstrip(b" \t").lower(), b"\r\n".join(lines) + b"\r\n"


def without(head: bytes, names: Container[bytes]) -> bytes:
    r"""Return a header block without the fields of these names (small letters), its blank line kept.

    >>> without(b"A: 1\r\nB: 2\r\n\r\n", {b"a"})
    b'B: 2\r\n\r\n'
    """
    return b"".join([field for name, field in fields_of(head) if name not in names]) + b"\r\n"
