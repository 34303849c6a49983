"""Reading a mail back: the checks every wire form must pass, and two parsers that share no code."""

from __future__ import annotations

import email
import email.header
import email.policy
import email.utils
import inspect
import re
from typing import TYPE_CHECKING

import fast_mail_parser

if TYPE_CHECKING:
    from email.message import EmailMessage

    from fast_mail_parser import PyMail

    from modernmail.message import Message

_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")
_WORD = re.compile(rb"=\?[!-~]*?\?[!-~]\?[!->@-~]*\?=")
# Where there is a strict mode, it is the default and knows no literals.
_NOT_STRICT = {"strict": False} if "strict" in inspect.signature(email.utils.getaddresses).parameters else {}
_EMPTY_WORD = re.compile(rb"=\?[!->@-~]+\?[bBqQ]\?\?=")
_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
WRITTEN = (
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
)


def assert_safe(octets: bytes) -> None:
    """Raise unless these octets are safe, whoever wrote the mail."""
    assert _BARE.search(octets) is None, "a bare CR or LF"
    assert b"\0" not in octets, "a NUL"
    assert max(map(len, octets.split(b"\r\n"))) <= 998, "a line over 998 octets"
    head = octets.partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    assert not {b"bcc", b"resent-bcc"} & set(names)
    assert all(re.fullmatch(rb"[!-9;-~]+", name) for name in names)
    assert all(line.strip() for line in head.split(b"\r\n")), "a line of blanks in the header"


def wire(message: Message, *extra: str) -> bytes:
    """Return the wire form of a message, after the checks that hold for every mail.

    No bare CR or LF, no NUL, no line over 998 octets, no encoded-word over 75, and no header field but those
    that were meant: the ones every mail has, and `extra`.
    """
    octets = message.as_bytes()
    assert_safe(octets)
    head, blank, _ = octets.partition(b"\r\n\r\n")
    assert blank, "no blank line behind the header"
    fields = [line for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    names = [line.partition(b":")[0].decode("ascii").lower() for line in fields]
    meant = [name.lower() for name in (*WRITTEN, *extra)]
    assert all(name in meant for name in names), f"fields that nobody meant: {set(names) - set(meant)}"
    assert len(names) == len(set(names)) or sorted(names) == sorted(meant), "a field stands twice"
    for line in head.split(b"\r\n"):
        assert all(len(word) <= 75 for word in _WORD.findall(line)), "an encoded-word over 75"
        assert not _EMPTY_WORD.search(line), "an empty encoded-word"
    for field in head.replace(b"\r\n ", b" ").split(b"\r\n"):
        if field.startswith((b"From:", b"To:", b"Cc:", b"Reply-To:", b"Content-")):
            assert not any(map(_WORD.search, _QUOTED.findall(field))), "an encoded-word in quotes"
    return octets


def standard(octets: bytes) -> EmailMessage:
    """Return the mail as the standard library reads it."""
    # From text, not octets: the octets of a header in UTF-8 would come out as surrogates.
    return email.message_from_string(octets.decode("utf-8"), policy=email.policy.default)  # type: ignore[return-value]


def standard_mailboxes(octets: bytes, field: str) -> list[tuple[str, str]]:
    """Return the mailboxes of a field as the standard library reads them, by its older way and its newer one.

    The newer way keeps the blank between two encoded-words (bpo-35547), and makes one space of several
    blanks; it is asked about everything else.
    """
    written = email.message_from_string(octets.decode("utf-8"))[field]
    unfolded = written.replace("\r\n", "")
    found: list[tuple[str, str]] = []
    newer = True
    for name, addr_spec in email.utils.getaddresses([unfolded], **_NOT_STRICT):
        decoded = str(email.header.make_header(email.header.decode_header(name))) if "=?" in name else name
        found.append((decoded, addr_spec))
        newer = newer and name.count("=?") <= 1 and ("=?" not in name or " ".join(decoded.split()) == decoded)
    if newer:
        addresses = standard(octets)[field].addresses
        assert [(one.display_name, one.domain) for one in addresses] == [
            (name, addr_spec.rpartition("@")[2] if "@" in addr_spec else "") for name, addr_spec in found
        ]
        assert [one.username for one in addresses] == [
            _said(addr_spec.rpartition("@")[0] or addr_spec) for _, addr_spec in found
        ]
    return found


def _said(local: str) -> str:
    """Return what a local part says without its quotes."""
    return re.sub(r"\\(.)", r"\1", local[1:-1]) if local.startswith('"') else local


def second(octets: bytes) -> PyMail:
    """Return the mail as a parser in another language, of other authors, reads it."""
    return fast_mail_parser.parse_email(octets)


def body(octets: bytes) -> bytes:
    """Return what stands behind the header."""
    return octets.partition(b"\r\n\r\n")[2]


def alike(text: str) -> str:
    """Return a text with its newlines made alike and one final newline taken off."""
    return text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
