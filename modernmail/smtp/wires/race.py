"""Connecting to a host of several addresses: the first one that answers has it (RFC 8305), for programs that block.

The next address is tried when one fails, or has not answered for a quarter of a second: one that swallows packets, as IPv6
does where it is half set up, costs that and not the whole timeout.

Rules of the file: however a race ends, the winner's socket alone is left open.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
from itertools import chain, zip_longest
from time import monotonic
from typing import Any

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

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


def connect(found: Sequence[Address], until: float) -> socket.socket:
    """Return a socket, non-blocking, that is connected to the first address which answers before the moment `until`.

    Raises the `OSError` of the last one that failed, `TimeoutError` when there was no time for all.
    """
    waiting = in_turns(found)
    trying: list[socket.socket] = []
    failure = OSError("the host has no address")
    following = 0.0
    try:
        while waiting or trying:
            now = monotonic()
            if now >= until:
                raise TimeoutError("timed out")
            if waiting and now >= following:
                following = now + _DELAY
                try:
                    trying.append(_begun(waiting.pop(0)))
                except OSError as error:
                    failure, following = error, 0.0
                    continue
            for sock in _answered(trying, min(until, following if waiting else until) - now):
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                trying.remove(sock)
                if not code:
                    return sock
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


def _answered(trying: Sequence[socket.socket], seconds: float) -> list[socket.socket]:
    with selectors.DefaultSelector() as selector:
        for sock in trying:
            selector.register(sock, selectors.EVENT_WRITE, sock)
        return [key.data for key, _ in selector.select(seconds)]
