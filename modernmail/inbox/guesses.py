"""Guesses: wrong passwords, answered one after the other, so that nobody tries a dictionary in a minute.

The capture server has one, and so have the pages. Who knows the password never waits.
"""

from __future__ import annotations

import asyncio

PAUSE = 0.1  # seconds: ten guesses in one, over all connections together


class Guesses:
    """The wrong passwords that a server was given, on one loop."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def wrong(self) -> None:
        """Return when it is this guess's turn to be answered."""
        async with self._turn:
            await asyncio.sleep(PAUSE)
