"""An SMTP server inside the test's event loop: each reply names what it answers, and all that it took is on record.

So a reply that was paired with the wrong command shows in the receipt, and the record is the judge of every "sent".
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter

from serving import ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from random import Random

_WHOSE = re.compile(rb"(?i)^(?:MAIL FROM|RCPT TO):<([^>]*)>")
_TOKEN = re.compile(rb"(?im)^Message-ID: *<([^>]*)>")


class Notary:
    """The server and its record: `taken` counts (Message-ID, recipient), `open` is how many connections there are."""

    def __init__(
        self, random: Random, *, chunking: bool = False, context: ssl.SSLContext | None = None
    ) -> None:
        self.random = random
        self.context = context
        self.chunking = chunking
        self.taken: Counter[tuple[str, str]] = Counter()
        self.open = 0
        self.most = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Notary:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self), "127.0.0.1", 0, ssl=self.context)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        async with ending(self._server):
            pass

    @property
    def port(self) -> int:
        """The port of 127.0.0.1 where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port


class _Session(asyncio.Protocol):
    def __init__(self, notary: Notary) -> None:
        self.notary = notary
        self.rest = b""
        self.sender = ""
        self.recipients: list[str] | None = None
        self.content: bytes | None = None  # while it comes over DATA
        self.awaited = 0  # octets of a BDAT still to come
        self.out = b""
        self.is_leaving = False  # when all is said
        self.is_mute = False
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.notary.open += 1
        self.notary.most = max(self.notary.most, self.notary.open)
        self.say(b"220 notary")

    def connection_lost(self, error: Exception | None) -> None:
        self.notary.open -= 1
        self.is_mute = True

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while self.step():
            pass

    def step(self) -> bool:
        """Take what comes next; False when it has not come yet."""
        if self.content is not None:
            content, mark, rest = self.rest.partition(b"\r\n.\r\n")
            if not mark:
                return False
            self.rest, self.content = rest, None
            self.ended(content + b"\r\n")
            return True
        if self.awaited:
            if len(self.rest) < self.awaited:
                return False
            content, self.rest, self.awaited = self.rest[: self.awaited], self.rest[self.awaited :], 0
            self.ended(content)
            return True
        line, mark, rest = self.rest.partition(b"\r\n")
        if not mark:
            return False
        self.rest = rest
        self.command(line)
        return True

    def command(self, line: bytes) -> None:
        verb = line[:4].upper()
        whose = _WHOSE.match(line)
        name = "" if whose is None else whose[1].decode()
        if verb == b"EHLO":
            extensions = b"250-CHUNKING\r\n" if self.notary.chunking else b""
            self.say(b"250-notary\r\n" + extensions + b"250 PIPELINING")
        elif verb == b"MAIL":
            self.sender, self.recipients = name, []
            self.say(b"250 2.1.0 mail " + name.encode())
        elif verb == b"RCPT":
            if self.recipients is None or name.startswith("nobody"):
                self.say(b"550 5.1.1 rcpt " + name.encode())
            else:
                self.recipients.append(name)
                self.say(b"250 2.1.5 rcpt " + name.encode())
        elif verb == b"DATA":
            if not self.recipients:
                self.say(b"554 5.5.1 data " + self.sender.encode())
                return
            self.content = b""
            self.say(b"354 data " + self.sender.encode())
        elif verb == b"BDAT":
            self.awaited = int(line.split()[1])
        elif verb == b"RSET":
            self.recipients = None
            self.say(b"250 2.0.0 forgotten")
        elif verb == b"QUIT":
            self.is_leaving = True
            self.say(b"221 2.0.0 bye")
        else:
            self.say(b"500 5.5.1 " + line[:20])

    def ended(self, content: bytes) -> None:
        found = _TOKEN.search(content)
        token = "" if found is None else found[1].decode()
        recipients, self.recipients = self.recipients, None
        if not recipients:
            self.say(b"554 5.5.1 content " + token.encode())
            return
        if self.notary.random.random() < 0.05:
            self.say(b"451 4.3.0 content " + token.encode())
            return
        self.notary.taken.update((token, recipient) for recipient in recipients)
        self.say(b"250 2.0.0 content " + token.encode())

    def say(self, reply: bytes) -> None:
        """Reply in a while: soon, later, in pieces, or never; once in a while with a code that fits nothing."""
        if self.notary.random.random() < 0.002:
            reply = b"354" + reply[3:]
        self.out += reply + b"\r\n"
        if not self.is_busy:
            self.is_busy = True
            self.later()

    def later(self) -> None:
        random, loop = self.notary.random, asyncio.get_running_loop()
        luck = random.random()
        if luck < 0.002:
            self.is_mute = True
        elif luck < 0.004:
            self.transport.close()
        elif luck < 0.10:
            loop.call_later(random.random() * 0.002, self.speak)
        else:
            loop.call_soon(self.speak)

    def speak(self) -> None:
        if self.is_mute:
            return
        random = self.notary.random
        size = random.randint(1, len(self.out)) if random.random() < 0.3 else len(self.out)
        octets, self.out = self.out[:size], self.out[size:]
        self.transport.write(octets)
        if self.out:
            self.later()
            return
        self.is_busy = False
        if self.is_leaving:
            self.transport.close()
