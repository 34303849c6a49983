"""RabbitMQ with a node, an Erlang port mapper and a cookie of its own; it takes a dozen seconds to start."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .process import LOOPBACK, Log, Process, ServiceFailed, free_port, listens, service_folder
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

INSTALL = "apt-get install rabbitmq-server"
USER = "rabbitmq"
PROGRAMS = Path("/usr/lib/rabbitmq/bin")  # those in PATH use the system's own node

# rabbitmqctl takes a second or more for each command: several are made at a time, by one.
_VHOSTS = 8
_MAKE_VHOSTS = """
[begin
   rabbit_vhost:add(Name, <<"tests">>),
   rabbit_auth_backend_internal:set_permissions(<<"guest">>, Name, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)
 end || Name <- [%s]].
"""


class RabbitMQ:
    """A RabbitMQ below `folder`; a context manager: running inside, ended outside."""

    def __init__(self, folder: Path) -> None:
        require("rabbitmq-server", install=INSTALL, root=True)
        self._epmd = require("epmd", install=INSTALL)
        self.port = free_port()
        self.log = Log(folder / "log")
        self._numbers = itertools.count(1)
        self._spare: list[str] = []  # virtual hosts that nobody has used
        self._epmd_port = free_port()
        self._folder = folder
        shutil.chown(folder, USER, USER)
        self._environment = {
            "HOME": str(folder),  # of the Erlang cookie
            "RABBITMQ_NODENAME": f"modernmail{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": LOOPBACK,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(self._epmd_port),
        }

    def __enter__(self) -> Self:
        # Erlang would start a port mapper that outlives it; ours is ended with the node.
        epmd: list[str | Path] = [self._epmd, "-port", str(self._epmd_port), "-address", LOOPBACK]
        self._mapper = Process("epmd", epmd, Log(self._folder / "epmd.log"))
        try:
            self._mapper.wait_until(lambda: listens(self._epmd_port), "the Erlang port mapper listens")
            server = PROGRAMS / "rabbitmq-server"
            self._process = Process("RabbitMQ", [server], self.log, env=self._environment, user=USER)
            self._process.wait_until(
                lambda: "Server startup complete" in self.log.text(), "RabbitMQ has started", timeout=120
            )
        except BaseException:
            self._mapper.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop(timeout=30)
        self._mapper.stop()

    def control(self, *words: str) -> str:
        """Run rabbitmqctl for this node and return what it prints."""
        run = subprocess.run(
            [PROGRAMS / "rabbitmqctl", "--quiet", *words],
            env={**os.environ, **self._environment},
            user=USER,
            group=USER,
            extra_groups=[],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise ServiceFailed(f"rabbitmqctl {' '.join(words)}: {run.stdout}{run.stderr}")
        return run.stdout

    def new_vhost(self) -> str:
        """Return the address of an empty virtual host."""
        if not self._spare:
            self._spare = [f"test{next(self._numbers)}" for _ in range(_VHOSTS)]
            names = ", ".join(f'<<"{name}">>' for name in self._spare)
            self.control("eval", _MAKE_VHOSTS % names)
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/{self._spare.pop(0)}"

    @property
    def url(self) -> str:
        """The address of the virtual host that everyone shares."""
        return f"amqp://guest:guest@{LOOPBACK}:{self.port}/%2F"


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    """The session's RabbitMQ; most tests take `rabbitmq_url`."""
    with service_folder("rabbitmq") as folder, RabbitMQ(folder) as server:
        yield server


@pytest.fixture
def rabbitmq_url(rabbitmq: RabbitMQ) -> str:
    """The address of an empty virtual host."""
    rabbitmq.log.mark()
    return rabbitmq.new_vhost()
