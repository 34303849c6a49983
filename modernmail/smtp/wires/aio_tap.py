"""Listening to what comes in while aiosmtplib opens a connection: `Tap`, and the client that is listened to.

`aio_opening.py` uses both.

Rules of the file: nothing that comes in is missed, from the first octet; what is no reply ends the connection.
"""

from __future__ import annotations

import asyncio
import socket

import aiosmtplib

from ..replies import ReplyReader, WireFault
from .race import aconnect, is_raced

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ...reply import Reply
    from .others import Others


class Tap(asyncio.Protocol):
    """Listens to what comes in, from the first octet, and passes it on: more than one reply to a command is an attack.

    What is no reply, or too long for one, ends the connection: aiosmtplib would go on keeping it, or pass over it.
    """

    def __init__(self, inner: asyncio.Protocol) -> None:
        self.transport: asyncio.Transport | None = None
        self.inner = inner
        self.reader = ReplyReader(may_end_in_refusal=True)
        self.replies: list[Reply] = []
        self.fault: WireFault | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self.transport = transport  # type: ignore[assignment]
        self.inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Read replies, and let the library read them."""
        if self.fault is not None:
            return
        try:
            self.reader.feed(data, self.replies)
        except WireFault as fault:
            self.fault = fault
            if self.transport is not None:
                self.transport.abort()
        else:
            self.inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The server closed its side."""
        return self.inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.inner.connection_lost(error)

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        """The transport has room."""
        self.inner.resume_writing()

    def is_at(self, count: int) -> bool:
        """Return whether exactly this many replies came, and nothing besides."""
        return self.fault is None and len(self.replies) == count and self.reader.is_empty


class _TappingLoop:
    """The loop as aiosmtplib sees it: to the protocol of a connection a tap is added before anything comes in."""

    def __init__(self, loop: asyncio.AbstractEventLoop, others: Others) -> None:
        self._loop = loop
        self._others = others
        self.tap: Tap | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    async def create_connection(
        self, made: Callable[[], asyncio.Protocol], *, host: str, port: int, **options: Any
    ) -> Any:
        loop = self._loop
        if not is_raced(host, loop):
            return await loop.create_connection(lambda: self._tapped(made()), host, port, **options)
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        sock, address = await aconnect(self._others.left(found), loop)
        self._others.connects(address)
        # A loop makes the transport, which owns the socket from there on, before it suspends: no cancellation comes between.
        if options.get("ssl") is not None:
            options["server_hostname"] = host
        try:
            return await loop.create_connection(lambda: self._tapped(made()), sock=sock, **options)
        except BaseException:
            if self.tap is None:
                sock.close()
            raise

    def create_unix_connection(self, made: Callable[[], asyncio.Protocol], **where: Any) -> Awaitable[Any]:
        return self._loop.create_unix_connection(lambda: self._tapped(made()), **where)

    def _tapped(self, protocol: asyncio.Protocol) -> Tap:
        self.tap = Tap(protocol)
        return self.tap


class TappedClient(aiosmtplib.SMTP):
    """aiosmtplib, which is listened to, and drops the connection at once: a farewell under TLS may outlive the loop."""

    _tapping: _TappingLoop | None = None
    others: Others

    @property
    def loop(self) -> Any:
        """The loop; it makes connections that are listened to."""
        return self._tapping

    @loop.setter
    def loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._tapping = None if loop is None else _TappingLoop(loop, self.others)

    @property
    def tap(self) -> Tap | None:
        """What listens to the connection."""
        return None if self._tapping is None else self._tapping.tap

    def close(self) -> None:
        """Drop the connection, also one that a cancellation kept from us just when its TLS was there."""
        transport: Any = self.transport or (None if self.tap is None else self.tap.transport)
        if transport is not None:
            transport.abort()
        super().close()
