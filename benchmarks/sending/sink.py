"""Postfix's smtp-sink, which takes every mail and counts them, and smtp-source, which sends as fast as C can."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from report import seconds

from .spent import spent, spent_by, watched

if TYPE_CHECKING:
    from typing import Self

INSTALL = "apt-get install postfix, for smtp-sink and smtp-source, and run as root"
HOST = "127.0.0.1"


def found(program: str) -> str | None:
    """Return the path of one of Postfix's programs."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def is_there() -> bool:
    """Whether both programs are installed and can be started."""
    return bool(found("smtp-sink") and found("smtp-source")) and os.geteuid() == 0


def version() -> str:
    """Return Postfix's version."""
    command = [found("postconf") or "", "-d", "-h", "mail_version"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


class Sink:
    """A running smtp-sink; with `keeps`, it writes each mail into a file, otherwise it only counts them."""

    def __init__(self, *, keeps: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="modernmail-sink-")
        folder = Path(self._folder.name)
        folder.chmod(0o777)  # it runs as nobody
        self._counts = folder / "counts"
        with socket.create_server((HOST, 0)) as free:
            self.port: int = free.getsockname()[1]
        dump = ["-d", f"{folder}/%s."] if keeps else []
        command = [found("smtp-sink") or "", "-c", "-u", "nobody", *dump, f"{HOST}:{self.port}", "1000"]
        with self._counts.open("wb") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
        watched.add(self._process.pid)
        for _ in range(500):
            with suppress(OSError):
                socket.create_connection((HOST, self.port), 1).close()
                break
            time.sleep(0.01)

    @property
    def messages(self) -> int:
        """How many mails it has taken."""
        with self._counts.open("rb") as file:
            file.seek(max(0, self._counts.stat().st_size - 200))
            found = re.findall(rb"mesg=(\d+)", file.read())
        return int(found[-1]) if found else 0

    def processor_time(self) -> float:
        """Return the seconds of processor time that it has spent."""
        return spent_by(self._process.pid)

    def kept(self) -> list[bytes]:
        """Return the mails it wrote, without the lines it puts before them."""
        files = [path for path in Path(self._folder.name).iterdir() if path != self._counts]
        return [_without_trace(path.read_bytes()) for path in files]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        watched.discard(self._process.pid)
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()


def _without_trace(dumped: bytes) -> bytes:
    """Return a dumped mail as it was sent: the sink writes the envelope and a Received field before it."""
    lines = dumped.split(b"\n")
    while lines[0].startswith((b"X-", b"Received:", b"\t", b" ")):
        del lines[0]
    return b"\r\n".join(line.rstrip(b"\r") for line in lines)


class Source:
    """smtp-source, on so many connections that are kept: it makes up its mails, and waits for each reply."""

    def __init__(self, connections: int) -> None:
        self._command = [found("smtp-source") or "", "-d", "-s", str(connections)]

    def seconds(self, port: int, count: int, size: int, recipients: int) -> float:
        """Return what it costs to send so many mails of a body of this size."""
        what = ["-m", str(count), "-l", str(size), "-r", str(recipients)]
        who = ["-f", "shop@example.com", "-t", "you@example.com", f"{HOST}:{port}"]
        return seconds(lambda: subprocess.run([*self._command, *what, *who], check=True), spent)
