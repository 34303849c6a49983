"""What a strict server would mind in what a client sends: RFC 5321 line ends and lengths, RFC 2920 groups."""

from __future__ import annotations

import re

# RFC 2920 3.1: these may stand only at the end of a group
_LAST_OF_GROUP = frozenset({"EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "DATA", "NOOP", "VRFY", "QUIT"})
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_EIGHT_BIT = re.compile(rb"[\x80-\xff]")


def command_faults(verb: str, line: bytes, *, followed: bool, pipelining: bool) -> list[str]:
    """Return what is wrong with a command line; `followed`: more bytes had come behind it already."""
    faults = []
    text = line.rstrip(b"\r\n")
    if not line.endswith(b"\r\n") or _BARE.search(line):
        faults.append(f"{verb}: a line end that is not CRLF")
    if any(byte < 0x20 or byte == 0x7F for byte in text):
        faults.append(f"{verb}: a control character")
    if followed and not pipelining:
        faults.append(f"{verb}: a command behind it, and PIPELINING was not offered")
    if followed and verb in _LAST_OF_GROUP:
        faults.append(f"{verb}: not the last of its group")
    return faults


def content_faults(raw: bytes, *, eight_bit: bool, smtputf8: bool) -> list[str]:
    """Return what is wrong with content as it came over DATA."""
    faults = []
    # RFC 6531 3.6: SMTPUTF8 without BODY means a header in UTF-8 above a body in ASCII
    declared_7bit = raw.partition(b"\r\n\r\n")[2] if smtputf8 else raw
    if _BARE.search(raw):
        faults.append("content: a bare CR or LF")
    if b"\0" in raw:
        faults.append("content: NUL")
    if not eight_bit and _EIGHT_BIT.search(declared_7bit):
        faults.append("content: 8-bit, and MAIL did not say so")
    if max(map(len, raw.split(b"\r\n"))) > 998:  # RFC 5321 4.5.3.1.6
        faults.append("content: a line over 998 octets")
    return faults
