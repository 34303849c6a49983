"""Bytes to and from one client: buffered in, delivered out as whole replies, line by line or byte by byte.

Blocking for its thread, but every wait ends when the server is stopped or its lifetime is over (`Alarm`).
TLS runs over memory buffers, so that plaintext and TLS can follow each other in any wrong order a script
asks for.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .alarm import Alarm

DELIVERIES = ("whole", "line", "byte")
_LINE_CAP = 1024 * 1024  # a longer command line ends the session
_CONTENT_CAP = 256 * 1024 * 1024  # so does longer content
_BETWEEN_PIECES = 0.0001  # seconds: the client reads one piece before the next, which is the point of pieces


class SessionOver(Exception):
    """The session ends; `end` is how, as `Session.end` says."""

    def __init__(self, end: str) -> None:
        super().__init__(end)
        self.end = end


class Channel:
    """One client's connection, from the server's side."""

    def __init__(self, connection: socket.socket, alarm: Alarm, delivery: str = "whole") -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = connection
        self._alarm = alarm
        self._delivery = delivery
        self._selector = selectors.DefaultSelector()
        self._selector.register(alarm.ear, selectors.EVENT_READ)
        self._selector.register(connection, selectors.EVENT_READ)
        self._out = bytearray()
        self._tls: ssl.SSLObject | None = None
        self._tls_in = ssl.MemoryBIO()
        self._tls_out = ssl.MemoryBIO()
        self.pending = bytearray()
        self.received = 0
        self.sent = 0

    # -- in

    def read_line(self) -> bytes:
        """Return the next command with its line end; LF alone ends one too, for the record to mind."""
        seen = 0
        while (end := self.pending.find(b"\n", seen)) < 0:
            seen = len(self.pending)
            if seen > _LINE_CAP:
                raise SessionOver("closed")
            self._fill()
        return self._take(end + 1)

    def read_content(self) -> bytes:
        """Return the content up to the line that is a lone dot, as it came; only CRLF ends a line."""
        seen = 0
        while True:
            if self.pending.startswith(b".\r\n"):
                end = 0
                break
            if (found := self.pending.find(b"\r\n.\r\n", max(0, seen - 4))) >= 0:
                end = found + 2
                break
            seen = len(self.pending)
            if seen > _CONTENT_CAP:
                raise SessionOver("closed")
            self._fill()
        content = self._take(end)
        self._take(3)
        return content

    def read_exactly(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if count > _CONTENT_CAP:
            raise SessionOver("closed")
        while len(self.pending) < count:
            self._fill()
        return self._take(count)

    def discard(self) -> bytes:
        """Throw away, and return, what has come and was not taken."""
        return self._take(len(self.pending))

    @property
    def taken(self) -> int:
        """How many bytes of the client were taken so far."""
        return self.received - len(self.pending)

    def _take(self, count: int) -> bytes:
        data = bytes(self.pending[:count])
        del self.pending[:count]
        return data

    def _fill(self) -> None:
        self.flush()
        data = self._receive()
        self.received += len(data)
        self.pending += data

    def _receive(self) -> bytes:
        if self._tls is None:
            return self._receive_raw()
        while True:
            try:
                data = self._tls.read(256 * 1024)
            except ssl.SSLWantReadError:
                self._tls_in.write(self._receive_raw())
            except ssl.SSLError as error:  # close_notify, or something that is not TLS
                raise SessionOver("eof") from error
            else:
                if not data:
                    raise SessionOver("eof")
                return data

    def _receive_raw(self) -> bytes:
        self._wait(selectors.EVENT_READ)
        try:
            data = self._socket.recv(256 * 1024)
        except OSError as error:
            raise SessionOver("reset") from error
        if not data:
            raise SessionOver("eof")
        return data

    def _wait(self, event: int) -> None:
        self._selector.modify(self._socket, event)
        while (left := self._alarm.left) > 0:
            ready = {key.fileobj for key, _ in self._selector.select(left)}
            if self._alarm.ear not in ready and self._socket in ready:
                return
        raise SessionOver("stopped")

    # -- out

    def write(self, data: bytes) -> None:
        """Send `data` in the channel's way; whole replies wait for the next read or `flush`: one write."""
        self._out += data
        if self._delivery != "whole":
            self.flush()

    def flush(self) -> None:
        """Send what was written."""
        if not self._out:
            return
        data = bytes(self._out)
        self._out.clear()
        if self._delivery == "whole":
            self.send_now(data)
            return
        pieces = (
            data.splitlines(keepends=True) if self._delivery == "line" else [bytes((byte,)) for byte in data]
        )
        for piece in pieces:
            self.send_now(piece)
            time.sleep(_BETWEEN_PIECES)

    def send_now(self, data: bytes) -> None:
        """Send `data` in as few writes as the kernel takes."""
        if self._tls is None:
            self._send_raw(data)
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise SessionOver("eof") from error
        self._send_raw(self._tls_out.read())

    def _send_raw(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                count = self._socket.send(view)
            except BlockingIOError:
                self._wait(selectors.EVENT_WRITE)
            except OSError as error:
                raise SessionOver("reset") from error
            else:
                self.sent += count
                view = view[count:]

    # -- TLS

    def start_tls(self, context: ssl.SSLContext) -> str:
        """Do the handshake and return the version; `ssl.SSLError` when it fails."""
        self.flush()
        tls = context.wrap_bio(self._tls_in, self._tls_out, server_side=True)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send_raw(self._tls_out.read())
                self._tls_in.write(self._receive_raw())
            except ssl.SSLError:
                with contextlib.suppress(SessionOver):  # the client may be gone before our alert
                    self._send_raw(self._tls_out.read())
                raise
            else:
                break
        self._send_raw(self._tls_out.read())
        self._tls = tls
        return tls.version() or ""

    # -- waits and ends

    @property
    def time_left(self) -> float:
        """Seconds until the server's lifetime is over; 0 when it is being stopped."""
        return self._alarm.left

    def pause(self, seconds: float) -> None:
        """Wait so long, or until the server stops."""
        self.flush()
        if self._alarm.rung.wait(min(seconds, self._alarm.left)) or not self._alarm.left:
            raise SessionOver("stopped")

    def drain(self, cap: int) -> tuple[bytes, str]:
        """Read and forget until the client ends; return the first `cap` bytes, and how it ended."""
        kept = bytearray(self.discard()[:cap])
        while True:
            try:
                data = self._receive()
            except SessionOver as over:
                return bytes(kept), over.end
            self.received += len(data)
            kept += data[: cap - len(kept)]

    def end(self) -> None:
        """Send what is left and say that no more comes."""
        self.flush()
        if self._tls is not None:
            with contextlib.suppress(ssl.SSLError):  # WantRead: the client's close_notify is not awaited
                self._tls.unwrap()
            self._send_raw(self._tls_out.read())
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close so that the client sees a reset."""
        self.flush()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Close, whatever the state."""
        self._selector.close()
        self._socket.close()
