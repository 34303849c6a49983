"""The form in which a mail travels, as a look at its octets: `fault_of` names the first thing that is wrong.

`Content.of` asks it about octets that something else than the renderer made.

Rules of the file: it reads the octets a fixed number of times, and changes nothing.
"""

from __future__ import annotations

LONGEST_LINE = 998  # octets, without the line end (RFC 5322 2.1.1)
_BLIND = rb"(?i)(?:\A[ \t]*|\r\n)((?:resent-)?bcc)[ \t]*:"


def fault_of(octets: bytes) -> str:
    r"""Return why octets may not leave as a mail; "" for what may.

    A bare CR or LF is a line end for some servers and none for others, so that what follows may be read as commands.

    >>> fault_of(b"Subject: x\r\n\r\ntext\r\n")
    ''
    >>> fault_of(b"Subject: x\r\n\r\ntext\n.\nMAIL FROM:<evil@example.net>\r\n")
    'has a bare CR or LF, which some servers take for a line end'
    """
    ends = octets.count(b"\r\n")
    if octets.count(b"\n") != ends or octets.count(b"\r") != ends:
        return "has a bare CR or LF, which some servers take for a line end"
    if not octets.endswith(b"\r\n"):
        return "does not end with a line end"
    if b"\0" in octets:
        return "holds a NUL"
    if has_long_line(octets, LONGEST_LINE + 1):
        return f"has a line of more than {LONGEST_LINE} octets"
    head, blank, _ = octets.partition(b"\r\n\r\n")
    if not blank:
        return "has no blank line behind its header"
    import re

    if blind := re.search(_BLIND, head):
        return f"has the field {blind[1].decode('ascii')}, which everybody would read"
    return ""


def has_long_line(octets: bytes, longest: int = LONGEST_LINE) -> bool:
    """Return whether more than `longest` octets stand before an LF; looks at one octet in each `longest`, or few more."""
    at, end = 0, len(octets)
    while end - at > longest:
        newline = octets.rfind(b"\n", at, at + longest + 1)
        if newline < 0:
            return True
        at = newline + 1
    return False
