"""TLS for a wire of sync programs: a socket beneath, and its octets handed to OpenSSL one block at a time.

The standard library's `SSLSocket` lets OpenSSL read on its own for as long as anything comes, so a peer that sends records
without meaning faster than they are read holds the caller for ever. Here each step works on what one reading brought, and
the time is looked at in between. `blocking_opening.py` makes it, `blocking.py` reads and writes.

Rules of the file: no step handles more than one block; what breaks behind good octets is told after them; what is owed to a
peer that asks and does not read is bounded.
"""

from __future__ import annotations

import ssl
from contextlib import suppress
from functools import partial
from socket import SHUT_RD
from time import monotonic

from .readiness import READ, WRITE, readiness

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import TypeVar

    Result = TypeVar("Result")

_BLOCK = 16384  # octets of plain text: those of the largest record
_MOST = 32768  # octets encrypted at once (twice as many cost more: the memory is had anew each time); octets owed in answers


class TLSSocket:
    """A connected socket under TLS, with the methods of one that the wire and smtplib call; a timeout bounds a whole call.

    When `recv` returns, nothing is kept back: `poll` tells of all that follows. A `send` that raised `SSLWantReadError` or
    `SSLWantWriteError` is called again with the same octets.
    """

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str, timeout: float) -> None:
        """Shake hands within `timeout` seconds; `host` is whom the certificate has to name. Closes the socket if it fails."""
        self._sock = sock
        self._in = ssl.MemoryBIO()
        self._out = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self.fileno = sock.fileno
        self.getsockname = sock.getsockname
        self.close = sock.close
        self._timeout = timeout
        self._encrypted = 0  # octets of the data of `send`, encrypted and not all gone
        self._rest = b""  # what the socket would not take yet
        self._failure: OSError | None = None  # told when what came before it has been
        sock.setblocking(False)
        try:
            self._patiently(self._shake_hands)
        except BaseException:
            sock.close()
            raise

    def settimeout(self, seconds: float) -> None:
        """Set how long a call may take altogether; with 0 none waits."""
        self._timeout = seconds

    def send(self, data: bytes | memoryview) -> int:
        """Write without waiting, and return how many octets went."""
        if not self._encrypted:
            try:
                self._encrypted = self.tls.write(data if len(data) <= _MOST else data[:_MOST])
            except ssl.SSLWantReadError:
                self._flush()  # our word in a renegotiation
                raise
        self._flush()
        sent, self._encrypted = self._encrypted, 0
        return sent

    def sendall(self, data: bytes) -> None:
        """Write all of it."""
        view = memoryview(data)
        while view:
            view = view[self._patiently(partial(self.send, view)) :]

    def recv(self, size: int) -> bytes:
        """Return all that came with one reading of at most `size` octets, b"" at the end."""
        if self._timeout:
            return self._patiently(self._decrypted)
        if not self._in.pending:
            self._feed(size)
        return self._decrypted()

    def _patiently(self, step: Callable[[], Result]) -> Result:
        """Return what a step gives, which is taken again with every block that comes, until the time is up."""
        until = monotonic() + self._timeout
        while True:
            try:
                return step()
            except ssl.SSLWantReadError:
                if self._is_ready(READ, until):
                    self._feed(_BLOCK)
            except ssl.SSLWantWriteError:
                self._is_ready(WRITE, until)

    def _is_ready(self, event: int, until: float) -> bool:
        left = until - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return bool(readiness(self._sock.fileno(), event)(left * 1000 + 1))

    def _shake_hands(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            raise
        except ssl.SSLError:
            with suppress(OSError):
                self._flush()  # the alert: why it ends
            raise
        self._flush()

    def _feed(self, size: int) -> None:
        """Read once."""
        data = self._sock.recv(size)
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def _decrypted(self) -> bytes:
        """Return what there is in the block that was read; raise `SSLWantReadError` when TLS had it for itself."""
        if self._failure is not None:
            raise self._failure
        parts: list[bytes] = []
        try:
            while part := self.tls.read(_BLOCK):
                parts.append(part)
                if not self._in.pending:
                    break
            else:
                self._end_reading()
        except ssl.SSLWantReadError:
            if not parts:
                self._answer()
                raise
        except ssl.SSLEOFError:
            pass  # no farewell of TLS's: most servers say none
        except ssl.SSLError as error:
            with suppress(OSError):
                self._flush()
            if not parts:
                raise
            self._fail_later(error)
        try:
            self._answer()
        except OSError as error:
            if not parts:
                raise
            self._fail_later(error)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _fail_later(self, error: OSError) -> None:
        self._failure = self._failure or error
        self._end_reading()

    def _end_reading(self) -> None:
        """Let `poll` tell that there is something to hear, though nothing more may come."""
        with suppress(OSError):
            self._sock.shutdown(SHUT_RD)

    def _answer(self) -> None:
        """Send what TLS has to say to what was read."""
        if not self._out.pending and not self._rest:
            return
        try:
            self._flush()
        except ssl.SSLWantWriteError:
            if self._out.pending + len(self._rest) > _MOST:
                raise ConnectionAbortedError("the server asks for answers of TLS and takes none") from None

    def _flush(self) -> None:
        """Write what is encrypted; raise `SSLWantWriteError` when the socket does not take all of it."""
        while rest := self._rest or self._out.read():
            self._rest = rest
            try:
                self._rest = rest[self._sock.send(rest) :]
            except BlockingIOError:
                raise ssl.SSLWantWriteError from None
