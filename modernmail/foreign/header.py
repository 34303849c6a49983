"""The header block of a mail that somebody else wrote, field by field."""

from __future__ import annotations

import re

_FIELD_END = re.compile(rb"\r?\n(?![ \t])")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)", re.DOTALL)


def header_fields(block: bytes) -> list[tuple[str, bytes]]:
    """Return name and value of each field, folds included; what is no field, such as an mbox's `From ` line, is left out.

    >>> header_fields(b"From me Mon\\nSubject: one\\r\\n two\\r\\nX: y\\r\\n\\r\\n")
    [('Subject', b' one\\r\\n two'), ('X', b' y')]
    """
    found = []
    for line in _FIELD_END.split(block):
        match = _FIELD.fullmatch(line)
        if match:
            found.append((match[1].decode("ascii"), match[2]))
    return found
