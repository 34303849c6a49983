"""Waiting until the kernel holds something for us, so that a test need not wait for some time."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from pathlib import Path


def wait_for_news(port: int) -> None:
    """Wait until something has come over this process's connection to a port, or its end."""
    _wait_for(port, is_server=False)


def wait_for_request(port: int) -> None:
    """Wait until something has come to the server of this process on a port over a connection, or its end."""
    _wait_for(port, is_server=True)


def _wait_for(port: int, *, is_server: bool) -> None:
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # a folder that is read no more; what listens has no peer
            if str(path.readlink()).startswith("socket:"):
                with socket.socket(fileno=os.dup(int(path.name))) as connection:
                    ours, peers = connection.getsockname(), connection.getpeername()
                    if (ours if is_server else peers)[1:2] == (port,):
                        assert select.select([connection], [], [], 10)[0]
                        return
    raise AssertionError("there is no connection")
