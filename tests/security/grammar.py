"""RFC 5321's commands, written down a second time: what a recorded line must be, and what address it names.

It shares no code with the library: it is the judge of what the library wrote.
"""

from __future__ import annotations

import re

_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff]+"
_LOCAL = rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*")'
_DOMAIN = r"(?:[A-Za-z0-9_\-.\u0080-\U0010ffff]+|\[[0-9A-Za-z:.]+\])"
_PATH = rf"<({_LOCAL}(?:@{_DOMAIN})?)>"
_XTEXT = r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+"
_UNITEXT = r"(?:[!-*,-<>-\[\]-~\u0080-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})+"  # RFC 6533 3
_MAIL = re.compile(
    rf"MAIL FROM:(?:<>|{_PATH})(?: SIZE=[0-9]+)?(?: BODY=8BITMIME)?(?: SMTPUTF8)?(?: REQUIRETLS)?"
    rf"(?: RET=(?:FULL|HDRS))?(?: ENVID=({_XTEXT}))?"
)
_RCPT = re.compile(rf"RCPT TO:{_PATH}(?: NOTIFY=[A-Z,]+ ORCPT=(?:rfc822;{_XTEXT}|utf-8;{_UNITEXT}))?")
_GREETING = re.compile(rf"(?:EHLO|LHLO|HELO) {_DOMAIN}", re.IGNORECASE)
_AUTH = re.compile(r"AUTH [A-Z0-9\-]+(?: [A-Za-z0-9+/]+={0,2})?")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_WORDS = ("DATA", "RSET", "QUIT", "STARTTLS")


def judged(line: bytes, step: str) -> tuple[str, ...]:
    """Return the verb of a recorded command, and the address and the ENVID it names; fail when it is no command."""
    assert line.endswith(b"\r\n"), f"no line end: {line!r}"
    text = line[:-2].decode("utf-8")
    assert all(char >= " " and char != "\x7f" for char in text), f"a control character: {line!r}"
    if step == "AUTHDATA":
        assert _BASE64.fullmatch(text), f"no base64: {line!r}"
        return ("AUTHDATA",)
    if match := _MAIL.fullmatch(text):
        return "MAIL", match[1] or "", match[2] or ""
    if match := _RCPT.fullmatch(text):
        return "RCPT", match[1]
    assert text in _WORDS or _GREETING.fullmatch(text) or _AUTH.fullmatch(text), f"no command: {line!r}"
    return (text.split(" ")[0].upper(),)
