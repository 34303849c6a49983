"""Redis, in memory only."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from .process import LOOPBACK, Log, Process, free_port, listens, service_folder
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

INSTALL = "apt-get install redis-server"


class Redis:
    """A Redis below `folder`; a context manager: running inside, ended outside."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = Log(folder / "log")
        self._folder = folder

    def __enter__(self) -> Self:
        program = require("redis-server", install=INSTALL)
        options: list[str | Path] = ["--port", str(self.port), "--bind", LOOPBACK, "--dir", self._folder]
        nothing_on_disk = ["--save", "", "--appendonly", "no"]
        self._process = Process("Redis", [program, *options, *nothing_on_disk], self.log)
        self._process.wait_until(lambda: listens(self.port), f"Redis listens on port {self.port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()

    def command(self, *words: str) -> bytes:
        """Send one command and return the first line of the reply, as the protocol writes it."""
        with socket.create_connection((LOOPBACK, self.port), timeout=10) as connection:
            encoded = [word.encode() for word in words]
            request = b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in encoded)
            connection.sendall(request)
            return connection.makefile("rb").readline().rstrip()

    @property
    def url(self) -> str:
        """Its address: redis://127.0.0.1:port/0."""
        return f"redis://{LOOPBACK}:{self.port}/0"


@pytest.fixture(scope="session")
def running_redis() -> Iterator[Redis]:
    """The session's Redis, with whatever earlier tests left in it: tests take `redis`."""
    with service_folder("redis") as folder, Redis(folder) as server:
        yield server


@pytest.fixture
def redis(running_redis: Redis) -> Redis:
    """A Redis without any keys."""
    assert running_redis.command("FLUSHALL") == b"+OK"
    running_redis.log.mark()
    return running_redis
