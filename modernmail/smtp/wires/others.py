"""The other addresses of a host, when one connects and is no use then: `Others`.

Both openings have one each time; `race.py` picks among those that are left.

Rules of the file: another is asked within one timeout from the beginning, so that a host of many addresses holds nobody up; and
never after a refusal that every one of them would repeat: of a login, of TLS, of us for good.
"""

from __future__ import annotations

from time import monotonic

from ...errors import ConnectFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import TypeVar

    from .race import Address

    Opened = TypeVar("Opened")


class Others:
    """Which addresses of a host have connected in this opening, and whether another is asked after a failure (RFC 5321 5.1).

    `said` is the conversation so far, with each of them.
    """

    def __init__(self, timeout: float) -> None:
        self._until = monotonic() + timeout
        self._connected: list[object] = []
        self._asked = 0
        self._left = 0
        self.said: list[str] = []

    async def opened(self, attempt: Callable[[Others], Awaitable[Opened]]) -> Opened:
        """Return what an attempt opens; it is made again while it fails and another address may be of use."""
        while True:
            try:
                return await attempt(self)
            except ConnectFailed as failure:
                if not failure.is_transient or not self._left or monotonic() >= self._until:
                    raise
                self._left = 0
                self.said = list(failure.conversation)

    def left(self, found: Sequence[Address]) -> list[Address]:
        """Return those of these addresses that may be asked now."""
        left = [address for address in found if address[4] not in self._connected]
        self._asked, self._left = len(left), 0
        return left

    def connects(self, address: Address) -> None:
        """Take it that this one has the connection."""
        self._connected.append(address[4])
        self._left = self._asked - 1
