"""Postfix's smtp-sink: takes every mail as fast as C can, and forgets it (or dumps it, when asked to).

It offers PIPELINING and 8BITMIME; no STARTTLS, CHUNKING, SIZE or SMTPUTF8.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .process import LOOPBACK, Log, Process, free_port, listens, service_folder
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

INSTALL = "apt-get install postfix"


class Sink:
    """An smtp-sink below `folder`; a context manager: running inside, ended outside.

    `options` are its own (`-p` hides PIPELINING, `-r RCPT` refuses every recipient, `-q DATA` hangs up: see
    smtp-sink(1)); with `dump`, each mail is a file in `dumped()`, below lines that tell the envelope.
    """

    def __init__(self, folder: Path, *, options: Sequence[str] = (), dump: bool = False) -> None:
        self.port = free_port()
        self.log = Log(folder / "log")
        self._dumps = folder / "dumps"
        self._dumps.mkdir()
        self._dumps.chmod(0o777)  # it runs as nobody
        dumping = ["-d", f"{self._dumps}/%s."] if dump else []
        self._command = ["-u", "nobody", *dumping, *options, f"{LOOPBACK}:{self.port}", "1000"]

    def __enter__(self) -> Self:
        program = require("smtp-sink", install=INSTALL, root=True)
        self._process = Process("smtp-sink", [program, *self._command], self.log)
        self._process.wait_until(lambda: listens(self.port), f"smtp-sink listens on port {self.port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()

    def dumped(self) -> list[bytes]:
        """Return the dumped mails; the order says nothing."""
        return [path.read_bytes() for path in self._dumps.iterdir()]

    @property
    def url(self) -> str:
        """Its address, as a mailer takes it."""
        return f"smtp://{LOOPBACK}:{self.port}"


@pytest.fixture(scope="session")
def smtp_sink() -> Iterator[Sink]:
    """An smtp-sink that forgets what it takes."""
    with service_folder("sink") as folder, Sink(folder) as server:
        yield server
