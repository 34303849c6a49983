"""OpenSSL's `s_server`: the other side of TLS that can be told to send what no program sends of itself.

It has one connection at a time. What is written to it goes to the client; a line that is a single letter is an order:
`K` and `k` update the keys of TLS 1.3, asking for the client's update or not; `r` asks for a renegotiation in TLS 1.2.
"""

from __future__ import annotations

import subprocess
import threading
from typing import TYPE_CHECKING

from .process import LOOPBACK, ServiceFailed
from .programs import require

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .certificates import Certificate

_ANSWERS = {
    b"EHLO": b"250 openssl",
    b"MAIL": b"250 2.1.0 ok",
    b"RCPT": b"250 2.1.5 ok",
    b"DATA": b"354 go on",
    b".": b"250 2.0.0 taken",
    b"QUIT": b"221 2.0.0 bye",
}
_GREETED_AFTER = b"CIPHER is"  # once the hands are shaken
_OBEYED = (b", KeyUpdate", b", HelloRequest")  # the ends of lines that tell of what it sends


class OpenSSLServer:
    """A server of SMTP over TLS, one command at a time; `commands` is what it was told. `version` is tls1_2 or tls1_3."""

    def __init__(self, certificate: Certificate, version: str) -> None:
        self._command = ["s_server", "-accept", f"{LOOPBACK}:0", f"-{version}", "-msg"]
        self._command += ["-cert", str(certificate.chain_file), "-key", str(certificate.key_file)]
        self.commands: list[bytes] = []
        self.port = 0
        self._obeyed = threading.Semaphore(0)

    def __enter__(self) -> Self:
        program = require("openssl", install="apt-get install openssl")
        self._process = subprocess.Popen(
            [program, *self._command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        assert self._process.stdout is not None
        told = b""
        for line in self._process.stdout:
            told += line
            if line.startswith(b"ACCEPT"):
                self.port = int(line.rpartition(b":")[2])
                break
        else:
            raise ServiceFailed(f"openssl s_server does not listen:\n{told.decode()}")
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def obey(self, order: str) -> None:
        """Give an order; return when what it sends is on its way."""
        self._write(order.encode() + b"\n")
        if not self._obeyed.acquire(timeout=10):
            raise ServiceFailed(f"openssl s_server has not obeyed {order!r}")

    def _serve(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            verb = line[:4].strip().upper()  # smtplib says ehlo
            if line.startswith(_GREETED_AFTER):
                self._write(b"220 openssl\r\n")
            elif line.startswith(b">>>") and line.rstrip().endswith(_OBEYED):
                self._obeyed.release()
            elif verb in _ANSWERS:
                self.commands.append(verb)
                self._write(_ANSWERS[verb] + b"\r\n")

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(data)
