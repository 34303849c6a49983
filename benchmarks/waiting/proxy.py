"""A proxy that delays each direction, and counts turnarounds.

A turnaround is a write of the client that comes after something of the server has reached it: whoever writes then has
waited for the other side, so each costs a round trip. The first write after the greeting is one.

Rules of the file: what one side wrote is passed on in its order, each piece half a round trip after it came; each direction
has two threads, so that a piece that waits does not hold up the next one's arrival.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Self

HOST = "127.0.0.1"
_BLOCK = 262_144


class Proxy:
    """Listens on `port` and passes on to a server's; `round_trip` is in seconds."""

    def __init__(self, server_port: int, round_trip: float = 0.0) -> None:
        self._server_port = server_port
        self._delay = round_trip / 2
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.turnarounds = 0
        self._heard = False  # something of the server has reached the client since the client wrote
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            server = socket.create_connection((HOST, self._server_port))
            for sock in (client, server):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(sock)
            for source, target, is_client in ((client, server, True), (server, client, False)):
                way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
                for step, arguments in (
                    (self._take, (source, way, is_client)),
                    (self._give, (target, way, is_client)),
                ):
                    thread = threading.Thread(target=step, args=arguments)
                    self._threads.append(thread)
                    thread.start()

    def _take(
        self, source: socket.socket, way: queue.SimpleQueue[tuple[float, bytes]], is_client: bool
    ) -> None:
        data = b"?"
        while data:
            try:
                data = source.recv(_BLOCK)
            except OSError:
                data = b""
            if is_client and data and self._heard:
                self._heard = False
                self.turnarounds += 1
            way.put((time.monotonic() + self._delay, data))

    def _give(
        self, target: socket.socket, way: queue.SimpleQueue[tuple[float, bytes]], is_client: bool
    ) -> None:
        while True:
            due, data = way.get()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not data:
                    target.shutdown(socket.SHUT_WR)
                    return
                if not is_client:
                    self._heard = True  # before it is there: the answer may be quick
                target.sendall(data)
            except OSError:
                if not data:
                    return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for sock in self._sockets:
            sock.close()
