"""A relay between client and server that records both and may change what passes: the attacker, and the judge."""

from __future__ import annotations

import re
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

_TLS_RECORDS = range(0x14, 0x18)  # change cipher spec, alert, handshake, application data (RFC 8446 5.1)
_BLOCK = 65536


class Relay:
    """Listens on `host` and passes each connection on to `port` of 127.0.0.1; a context manager.

    `to_client` gets what the server said (in clear, until TLS begins) and returns what the client is to hear.
    `answer` gets what the client said and returns a reply that the client gets in the server's place, or None.
    """

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        to_client: Callable[[bytes], bytes] = lambda data: data,
        answer: Callable[[bytes], bytes | None] = lambda data: None,
    ) -> None:
        self._target = port
        self._host = host
        self._to_client = to_client
        self._answer = answer
        self._said: list[bytearray] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []

    @property
    def said(self) -> list[bytes]:
        """What the client wrote, one entry for each connection."""
        return [bytes(data) for data in self._said]

    def __enter__(self) -> Self:
        self._listener = socket.create_server((self._host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(10)  # who accepts: after it no connection is added
        self._listener.close()
        for sock in self._sockets:
            _shut(sock)
        for thread in self._threads:
            thread.join(10)
        for sock in self._sockets:
            sock.close()

    def _start(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            self._said.append(bytearray())
            self._start(self._from_client, client, server, self._said[-1])
            self._start(self._from_server, client, server, self._said[-1])

    def _from_client(self, client: socket.socket, server: socket.socket, said: bytearray) -> None:
        while data := _read(client):
            said += data
            reply = None if _is_tls(said) else self._answer(data)
            if not _write(server if reply is None else client, data if reply is None else reply):
                break
        _shut(server)

    def _from_server(self, client: socket.socket, server: socket.socket, said: bytearray) -> None:
        while data := _read(server):
            if not _write(client, data if _is_tls(said) else self._to_client(data)):
                break
        _shut(client)


def commands_in_clear(said: bytes) -> list[str]:
    """Return the commands of one connection that were not under TLS, in capitals; fail when what follows is no TLS."""
    lines = re.match(rb"(?:[\x20-\x7e]*\r\n)*", said)
    assert lines is not None
    rest = said[lines.end() :]
    while rest:
        assert rest[0] in _TLS_RECORDS, f"neither a command nor TLS: {rest[:100]!r}"
        rest = rest[5 + int.from_bytes(rest[3:5], "big") :]
    return [line.upper() for line in lines[0].decode("ascii").splitlines()]


def _is_tls(said: bytes | bytearray) -> bool:
    """Whether the client has begun TLS: what it wrote last is no text any more."""
    return any(octet in _TLS_RECORDS for octet in said)


def _read(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_BLOCK)
    except OSError:
        return b""


def _write(sock: socket.socket, data: bytes) -> bool:
    try:
        sock.sendall(data)
    except OSError:
        return False
    return True


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return
