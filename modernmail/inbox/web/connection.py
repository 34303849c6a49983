"""One connection of HTTP, within bounds: uvicorn's, which by itself waits for the end of a header for ever.

`serving.py` has uvicorn make one for each client, before anybody has been asked for a password.

Rules of the file: a request comes whole within `PATIENCE`, and its header has at most 64 KiB (h11's own limit; the parser
httptools, which uvicorn prefers where it is installed, has none); of clients there are at most `MOST` at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

MOST = 200  # connections at once; each is a descriptor that the capture server and the store would lack
PATIENCE = 20.0  # seconds

_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 21\r\n\r\nToo many connections\n"


class Connection(H11Protocol):
    """What uvicorn makes for a client."""

    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request, or refuse the client when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.write(_TOO_MANY)
            transport.close()
        else:
            self._wait()

    def data_received(self, data: bytes) -> None:
        """Take what came; a request that is not whole yet, its body included, has a limited time."""
        super().data_received(data)
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._wait_no_more()
        elif self._waiting is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(PATIENCE, self.transport.abort)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
