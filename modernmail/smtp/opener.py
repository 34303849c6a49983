"""What a library must do while a session is opened: `Opener`; and `heard`, which keeps what was said.

The wires implement it with smtplib and aiosmtplib, which keep TCP, TLS and the reading of replies.

Rules of the file: what is kept holds no secret, so each caller says how a line that has one is shown.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Protocol

    from ..receipt import Reply

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


async def heard(opener: Opener, shown: str | None, answer: Awaitable[Reply]) -> Reply:
    """Return the answer; keep what was said, which is shown as `shown`, and what came back."""
    if shown is not None:
        opener.said.append(f"> {shown}")
    reply = await answer
    text = str(reply)
    opener.said.append(f"< {text if len(text) <= _SHOWN else text[:_SHOWN] + ' …'}")
    return reply
