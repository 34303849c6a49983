"""What a test run leaves behind, however it ended, is ended: servers, workers and browsers, and the folders of servers.

A run that is killed ends nothing. So its plugin starts this program, which waits at a pipe from the run: when that closes,
the run is over, and whatever is left of it goes. Everything that a run starts has the run's name about it: in its
environment, which is inherited, or in its folder's name, which is where servers are that clean their environment.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

RUN = "MODERNMAIL_TEST_RUN"
PROC = Path("/proc")
_PATIENCE = 5.0  # seconds from TERM to KILL, and from there to giving up


def pytest_configure() -> None:
    """Name the run, and have it watched; the processes that pytest-xdist starts are of the run that started them."""
    if RUN in os.environ or not (PROC / "self" / "environ").exists():
        return
    run = secrets.token_hex(6)
    ours, theirs = os.pipe()
    command = [sys.executable, "-IS", __file__, run]
    nowhere = subprocess.DEVNULL
    with os.fdopen(ours, "rb") as end:
        subprocess.run(command, stdin=end, stdout=nowhere, stderr=nowhere, start_new_session=True, check=True)
    ends = [theirs]

    def let_go() -> (
        None
    ):  # or a child would keep the pipe open; its own children have another file under that number
        while ends:
            os.close(ends.pop())

    os.register_at_fork(after_in_child=let_go)
    os.environ[RUN] = run


def folder_prefix(name: str) -> str:
    """Return how the name of a server's folder begins."""
    return f"modernmail-{os.environ.get(RUN, 'run')}-{name}-"


def wait_and_sweep(run: str) -> None:
    """Return to who started this; wait, in a process of its own, for the end of the run, and end what is left of it."""
    if os.fork():
        return
    sys.stdin.buffer.read()
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        deadline = time.monotonic() + _PATIENCE
        while (left := of_run(run)) and time.monotonic() < deadline:
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal_number)
            time.sleep(0.2)
    for folder in Path(tempfile.gettempdir()).glob(f"modernmail-{run}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def of_run(run: str) -> list[int]:
    """Return the processes that have the name of the run about them, but for this one."""
    name = run.encode()
    return [
        int(process.name)
        for process in PROC.iterdir()
        if process.name.isdecimal() and int(process.name) != os.getpid() and name in _about(process)
    ]


def _about(process: Path) -> bytes:
    """Return what can be read of a process: its environment, its command, its folders; a zombie has none of these."""
    found = []
    for name in ("environ", "cmdline"):
        with suppress(OSError):
            found.append((process / name).read_bytes())
    for name in ("cwd", "root"):
        with suppress(OSError):
            found.append(os.fsencode((process / name).readlink()))
    return b"\n".join(found)


if __name__ == "__main__":
    wait_and_sweep(sys.argv[1])
