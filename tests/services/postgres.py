"""PostgreSQL with a cluster of its own; it trusts whoever connects, and gives each test a new database."""

from __future__ import annotations

import itertools
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from .process import LOOPBACK, Log, Process, ServiceFailed, free_port, service_folder
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

INSTALL = "apt-get install postgresql"
USER = "postgres"  # the account that the package made: the server refuses to run as root


class Postgres:
    """A PostgreSQL below `folder`; a context manager: running inside, ended outside."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = Log(folder / "log")
        self._folder = folder / "cluster"
        self._numbers = itertools.count(1)
        self._initdb = require("initdb", install=INSTALL, root=True)
        self._server = require("postgres", install=INSTALL, root=True)
        self._psql = require("psql", install=INSTALL)
        self._folder.mkdir()
        shutil.chown(self._folder, USER, USER)

    def __enter__(self) -> Self:
        authentication = ["--auth", "trust", "--username", USER, "--encoding", "UTF8", "--no-sync"]
        made = subprocess.run(
            [self._initdb, "--pgdata", self._folder, *authentication],
            user=USER,
            group=USER,
            extra_groups=[],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise ServiceFailed(f"initdb: {made.stdout}{made.stderr}")
        settings = {
            "listen_addresses": LOOPBACK,
            "unix_socket_directories": self._folder,
            "fsync": "off",  # the machine is not switched off in mid-test
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._server, "-D", self._folder, "-p", str(self.port), *options]
        self._process = Process("PostgreSQL", command, self.log, user=USER)
        self._process.wait_until(self._answers, f"PostgreSQL answers on port {self.port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop(by=signal.SIGINT)  # a fast shutdown: TERM would wait for every client to leave

    def _answers(self) -> bool:
        return self._query("SELECT 1").returncode == 0

    def _query(self, sql: str) -> subprocess.CompletedProcess[str]:
        command: list[str | Path] = [
            self._psql,
            "--no-psqlrc",
            "--quiet",
            "--command",
            sql,
            self.url_of("postgres"),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def url_of(self, database: str) -> str:
        """Return the address of a database: postgresql://postgres@127.0.0.1:port/name."""
        return f"postgresql://{USER}@{LOOPBACK}:{self.port}/{database}"

    def new_database(self) -> str:
        """Make an empty database and return its address."""
        name = f"test_{next(self._numbers)}"
        made = self._query(f"CREATE DATABASE {name}")
        if made.returncode:
            raise ServiceFailed(made.stderr)
        return self.url_of(name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's PostgreSQL; most tests take `postgres_url`."""
    with service_folder("postgres") as folder, Postgres(folder) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The address of an empty database."""
    postgres.log.mark()
    return postgres.new_database()
