"""Connecting to a host of several addresses: the first one that answers has it (RFC 8305), blocking or under asyncio.

The next address is tried when one fails, or has not answered for a quarter of a second: one that swallows packets, as IPv6
does where it is half set up, costs that and not the whole timeout.

Rules of the file: however a race ends, the winner's socket alone is left open. Under asyncio it is one coroutine without tasks,
and no socket is closed that the loop still watches: the next to get its number would be watched in its place.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from functools import partial
from itertools import chain, zip_longest
from math import inf
from time import monotonic
from typing import Any

from ...runtime import run_blocking

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Sequence

    # Returns which of these sockets are connected, or have failed, none after so many seconds.
    Wait = Callable[[Sequence[socket.socket], float], Awaitable[list[socket.socket]]]

Address = tuple[Any, ...]  # as `getaddrinfo` gives it

_DELAY = 0.25  # seconds: what RFC 8305 5 recommends
_BEGUN = (0, errno.EINPROGRESS, errno.EWOULDBLOCK)


def in_turns(found: Sequence[Address]) -> list[Address]:
    """Return the addresses, IPv6 and IPv4 in turns, beginning as the system would (RFC 8305 4).

    >>> six, four = (10, 1, 6, "", ("::1", 25, 0, 0)), (2, 1, 6, "", ("127.0.0.1", 25))
    >>> in_turns([six, six, six, four, four]) == [six, four, six, four, six]
    True
    """
    families: dict[object, list[Address]] = {}
    for address in found:
        families.setdefault(address[0], []).append(address)
    return [address for address in chain(*zip_longest(*families.values())) if address is not None]


def connect(found: Sequence[Address], until: float) -> tuple[socket.socket, Address]:
    """Return a socket, non-blocking, that is connected to the first address which answers before the moment `until`; and that.

    Raises the `OSError` of the last one that failed, `TimeoutError` when there was no time for all.
    """
    return run_blocking(_race(found, until, _selected))


async def aconnect(
    found: Sequence[Address], loop: asyncio.AbstractEventLoop
) -> tuple[socket.socket, Address]:
    """Return a socket and its address, as `connect` does; how long that may take is the caller's to say, who cancels it."""
    return await _race(found, inf, partial(_awaited, loop))


def is_raced(host: str, loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a host may have several addresses, and the loop watches sockets: that of Windows does not.

    >>> import asyncio
    >>> loop = asyncio.SelectorEventLoop()
    >>> [is_raced(host, loop) for host in ("mx.example.com", "192.0.2.1", "2001:db8::1")]
    [True, False, False]
    >>> loop.close()
    """
    import asyncio

    is_literal = ":" in host or host.replace(".", "").isdigit()
    return not is_literal and type(loop).add_writer is not asyncio.AbstractEventLoop.add_writer


async def _race(found: Sequence[Address], until: float, answered: Wait) -> tuple[socket.socket, Address]:
    waiting = in_turns(found)
    trying: dict[socket.socket, Address] = {}
    failure: OSError = socket.gaierror(socket.EAI_NONAME, "the host has no address")
    following = 0.0
    try:
        while waiting or trying:
            now = monotonic()
            if now >= until:
                raise TimeoutError("timed out")
            if waiting and now >= following:
                following = now + _DELAY
                address = waiting.pop(0)
                try:
                    trying[_begun(address)] = address
                except OSError as error:
                    failure, following = error, 0.0
                    continue
            for sock in await answered(list(trying), min(until, following if waiting else until) - now):
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                address = trying.pop(sock)
                if not code:
                    return sock, address
                sock.close()
                failure, following = OSError(code, os.strerror(code)), 0.0
        raise failure
    finally:
        for sock in trying:
            sock.close()


def _begun(address: Address) -> socket.socket:
    family, kind, protocol, _, where = address
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        code = sock.connect_ex(where)
        if code not in _BEGUN:
            raise OSError(code, os.strerror(code))
    except BaseException:
        sock.close()
        raise
    return sock


async def _selected(trying: Sequence[socket.socket], seconds: float) -> list[socket.socket]:
    with selectors.DefaultSelector() as selector:
        for sock in trying:
            selector.register(sock, selectors.EVENT_WRITE, sock)
        return [key.data for key, _ in selector.select(seconds)]


async def _awaited(
    loop: asyncio.AbstractEventLoop, trying: Sequence[socket.socket], seconds: float
) -> list[socket.socket]:
    answered: set[socket.socket] = set()
    is_over = loop.create_future()

    def go_on(*socks: socket.socket) -> None:
        answered.update(socks)
        if not is_over.done():
            is_over.set_result(None)

    timer = None if seconds == inf else loop.call_later(seconds, go_on)
    try:
        for sock in trying:
            loop.add_writer(sock, go_on, sock)
        await is_over
    finally:
        for sock in trying:
            loop.remove_writer(sock)
        if timer is not None:
            timer.cancel()
    return [sock for sock in trying if sock in answered]
