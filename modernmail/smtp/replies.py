"""Octets from the server as replies (RFC 5321 4.2): the one reader, for the opening and for every transaction.

Both wires feed it; it does no IO.

Rules of the file: a reply is complete or it is not there; what is no reply is a `WireFault`; what is kept of the replies
of one exchange does not grow past 64 KiB. A bare LF ends a line as well, and so do more CR than one before it, because some
servers write them; what follows a line is never guessed.
"""

from __future__ import annotations

from ..reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Kind = Literal["timeout", "closed", "protocol"]

BLOCK = 16384  # octets that are read at once: those of the largest record of TLS
MOST = 65536  # octets that one reply may have, and that are kept of the replies of one exchange
_SHORT = 128  # octets that are kept of a reply when the others have used that up
_KNOWN_MOST = 256
_known: dict[bytes, Reply] = {}  # the replies a server gives again and again, parsed once


class WireFault(Exception):
    """The connection cannot go on: `kind` says whether time ran out, the peer closed, or what it said was no SMTP."""

    def __init__(self, kind: Kind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason


class ReplyReader:
    """Collects octets and gives complete replies.

    >>> reader, replies = ReplyReader(), []
    >>> reader.feed(b"250-mail.example.com\\r\\n250 SI", replies)
    >>> replies, reader.is_empty
    ([], False)
    >>> reader.feed(b"ZE 1000\\r\\n", replies)
    >>> replies[0].lines
    (b'mail.example.com', b'SIZE 1000')
    """

    __slots__ = ("_code", "_kept", "_lines", "_may_end_in_refusal", "_rest", "_size", "is_closing")

    def __init__(self, *, may_end_in_refusal: bool = False) -> None:
        # RFC 5321 4.2.1: all lines have one code. Postfix's postscreen begins a greeting with 220 before it has made up
        # its mind, and others a list of extensions with 250: no content was sent there, so that the last word can count.
        self._may_end_in_refusal = may_end_in_refusal
        self.is_closing = False  # a 421 has come (RFC 5321 3.8)
        self._rest = b""
        self._lines: list[bytes] = []  # of a reply whose last line has not come yet
        self._code = b""
        self._size = 0  # octets of that reply
        self._kept = 0  # octets that are kept since `begin`

    def begin(self) -> None:
        """Begin an exchange: what was kept of the replies before is somebody else's now."""
        self._kept = 0

    @property
    def is_empty(self) -> bool:
        """True when every octet that came belongs to a reply that was given."""
        return not self._rest and not self._lines

    def feed(self, data: bytes, replies: list[Reply]) -> None:
        """Add octets; append each reply that is complete to `replies`. Raises `WireFault`."""
        if self._rest:
            data = self._rest + data
        lines = data.split(b"\n")
        rest = lines.pop()
        if len(rest) > MOST:
            raise WireFault("protocol", f"a reply line is longer than {MOST} octets")
        self._rest = rest
        known = [*map(_known.get, lines)]
        if not self._lines and all(known):
            replies += known  # type: ignore[arg-type]  # none is None
            return
        for line, reply in zip(lines, known, strict=True):
            if reply is None or self._lines:
                self._line(line, replies)
            else:
                replies.append(reply)

    def _line(self, line: bytes, replies: list[Reply]) -> None:
        text = line.rstrip(b"\r")
        code, mark = text[:3], text[3:4]
        # RFC 5321 4.2: Reply-code = %x32-35 %x30-35 %x30-39; the second digit is not insisted on
        if (
            len(code) != 3
            or not code.isdigit()
            or not b"2" <= code[:1] <= b"5"
            or mark not in (b"", b" ", b"-")
        ):
            raise WireFault("protocol", f"not an SMTP reply: {_shown(text)}")
        if self._lines and code != self._code and not self._says_the_same(code):
            raise WireFault("protocol", f"a reply changes its code from {_shown(self._code)}: {_shown(text)}")
        self._size += len(text)
        if self._size > MOST:
            raise WireFault("protocol", f"a reply is longer than {MOST} octets")
        said = text[4:]
        if self._kept + len(said) > MOST:
            # The code is what counts: a server that talks too much has its words cut, not its mail.
            said = b"" if mark == b"-" else said[:_SHORT]
            if mark == b"-" and self._lines:
                return
        self._kept += len(said)
        if mark == b"-":
            self._code = code
            self._lines.append(said)
            return
        reply = Reply(int(code), (*self._lines, said))
        if code == b"421":
            self.is_closing = True
        elif not self._lines and len(line) < 80 and len(_known) < _KNOWN_MOST:
            _known[line] = reply
        self._lines = []
        self._size = 0
        replies.append(reply)

    def _says_the_same(self, code: bytes) -> bool:
        """Return whether a line with this code may go on with the reply: its last line's is then the reply's."""
        before, now = self._code[:1], code[:1]
        return before == now or (now in b"45" and (before in b"45" or self._may_end_in_refusal))


def closing(replies: list[Reply]) -> WireFault:
    """Return the fault of a session that the server ends by a 421, which becomes the last of these replies."""
    for at, reply in enumerate(replies):
        if reply.code == 421:
            del replies[at + 1 :]
            return WireFault("closed", f"the server closes the session: {reply}")
    raise ValueError("there is no 421 among the replies")


def _shown(data: bytes) -> str:
    return repr(data[:60].decode("utf-8", "backslashreplace"))
