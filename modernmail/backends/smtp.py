"""The SMTP backend: what it is set to, its pools, and how a connection is opened.

Rules of the file: the wires are imported when one is opened, so that a program which sends nothing loads no library for it.
"""

from __future__ import annotations

from math import inf

from ..insight.connections import Connections
from .backend import Backend
from .pools import Pools
from .reach import Reach
from .smtp_receipts import SMTPReceipts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO
    from ..smtp.extensions import Extensions
    from ..smtp.settings import Settings
    from ..smtp.wire import Wire
    from .backend import Parcels, Receipts


class SMTPBackend(Backend):
    """Mail over SMTP, sync and async, with the same conversation."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.hosts = () if settings.socket_path is not None else (settings.host,)
        self.pools = Pools(settings, open_blocking=self._open_blocking, open_async=self._open_async)
        self.reach = Reach(settings.where)
        self._context: Any = None

    def deliver(self, parcels: Parcels, io: IO) -> Receipts:
        """Return the receipts of a burst: over one wire, or over `pool` wires under asyncio."""
        if io.is_async and self.settings.pool > 1 and not getattr(parcels, "is_single", False):
            from .fanout import FanOut

            streams = [SMTPReceipts(self, parcels, io) for _ in range(self.settings.pool)]
            return FanOut(streams, patience=self.settings.timeout)
        return SMTPReceipts(self, parcels, io)

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Deliver one parcel."""
        from .single import send_single

        return await send_single(self, parcel, io)

    async def _open_async(self, until: float) -> Wire:
        from ..smtp.wires.aio_opening import open_asyncio

        return await open_asyncio(self.settings, self._tls(), until)

    async def _open_blocking(self, until: float) -> Wire:
        from ..smtp.wires.blocking_opening import open_blocking

        return await open_blocking(self.settings, self._tls(), until)

    def _tls(self) -> Any:
        """Return the context of all connections: reading the certificates takes longer than a handshake."""
        if self._context is None and self.settings.tls != "off":
            from ..smtp.wires.security import tls_context

            self._context = tls_context(self.settings)
        return self._context

    async def verify(self, io: IO) -> dict[str, Any]:
        """Connect, greet, authenticate and quit; return what the server offers."""
        deadline = self.settings.deadline
        open_wire = self._open_async if io.is_async else self._open_blocking
        connections = Connections(self.settings.where)
        wire = await connections.opened(open_wire(inf if deadline is None else io.now() + deadline), io)
        try:
            return {**wire.facts(), "round_trips": self._round_trips(wire.extensions)}
        finally:
            connections.closing(wire)
            await wire.close(polite=True)

    def is_chunked(self, offered: Extensions) -> bool:
        """Return whether mail goes by BDAT on a session that offers these."""
        return self.settings.chunking and offered.chunking and offered.pipelining

    def _round_trips(self, offered: Extensions) -> int:
        """Return how often a mail to one recipient waits for the server, on a connection that is open."""
        if self.is_chunked(offered):
            return 1
        # One for MAIL, RCPT and DATA together, one for the content; without PIPELINING each command is waited for.
        return 2 if offered.pipelining else 4

    async def close(self, io: IO) -> None:
        """Wait for the mails that are on their way, and close the connections."""
        await self.pools.close(io)

    def __repr__(self) -> str:
        return f"<{'LMTP' if self.settings.is_lmtp else 'SMTP'}Backend {self.settings.where}>"
