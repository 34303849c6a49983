"""What a library must do while a session is opened: `Opener`; and `heard`, which keeps what was said.

The wires implement it with smtplib and aiosmtplib, which keep TCP, TLS and the reading of replies.

Rules of the file: what is kept holds no secret, so each caller says how a line that has one is shown, and what it holds: some
servers repeat a command that they refuse.
"""

from __future__ import annotations

import re
from binascii import a2b_base64

from ..reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Protocol

    class Opener(Protocol):
        """The few things a library must do while a session is opened."""

        is_tls: bool
        said: list[str]  # the conversation, without secrets

        async def connect(self) -> Reply:
            """Connect; return the greeting."""
            ...

        async def ehlo(self) -> Reply:
            """Say EHLO."""
            ...

        async def helo(self) -> Reply:
            """Say HELO."""
            ...

        async def start_tls(self) -> None:
            """Say STARTTLS and begin TLS."""
            ...

        async def command(self, line: str) -> Reply:
            """Say one line of AUTH."""
            ...

        async def token(self) -> str:
            """Ask the provider for an access token."""
            ...


HIDDEN = "…"
_SHOWN = 500  # characters of a reply that are kept


_WORD = re.compile(rb"[A-Za-z0-9+/=]{8,}")  # what may be part of a secret, in base64
_PARTS = re.compile(rb"[\0\1]")  # between the fields of one (RFC 4616 2, RFC 7628 3.1)
_SHORTEST = 4  # octets of a field that are looked for: fewer may stand in any words


async def heard(
    opener: Opener,
    shown: str | None,
    answer: Awaitable[Reply],
    secret: str = "",
    *,
    is_read: bool = False,
) -> Reply:
    """Return the answer; keep what was said, which is shown as `shown`, and what came back, without parts of the secret.

    A challenge comes back as it is when somebody is going to read it (`is_read`), and then has to leave the secret out.
    """
    if shown is not None:
        opener.said.append(f"> {shown}")
    reply = came = await answer
    if secret:
        reply = _without(secret.encode("ascii"), reply)
    text = str(reply)
    opener.said.append(f"< {text if len(text) <= _SHOWN else text[:_SHOWN] + ' …'}")
    return came if is_read and came.code == 334 else reply


def _without(secret: bytes, reply: Reply) -> Reply:
    """Return the reply with what it repeats of a secret in base64 hidden, be it a part of it, as a server repeats it that
    cuts a long line off, or what it decodes to."""
    hidden = HIDDEN.encode()
    # The last field is the password, and what stands before it the user, which is no secret; a token has a word before it.
    fields = _PARTS.split(a2b_base64(secret).rstrip(b"\1"))
    said = fields[-1].removeprefix(b"auth=Bearer ")

    def shown(word: re.Match[bytes]) -> bytes:
        return hidden if word[0] in secret or _says(word[0], said) else word[0]

    lines = [line.replace(said, hidden) if len(said) >= _SHORTEST else line for line in reply.lines]
    return Reply(reply.code, [_WORD.sub(shown, line) for line in lines])


def _says(word: bytes, said: bytes) -> bool:
    """Return whether a word in base64, as a challenge is, holds a secret."""
    try:
        return len(said) >= _SHORTEST and said in a2b_base64(word)
    except ValueError:
        return False
