"""A running program: its folder, its log, and its end.

Folders lie straight under the system's temporary folder and may be entered by anyone: servers drop root.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .keeper import folder_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LOOPBACK = "127.0.0.1"
_TICK = 0.01  # seconds between two looks at something that sends no event


class ServiceFailed(RuntimeError):
    """A server did not start or did not end; the message holds the end of its log."""


@contextmanager
def service_folder(name: str) -> Iterator[Path]:
    """Give a fresh folder that every user may enter, and remove it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix=folder_prefix(name)))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


# Below those that the system gives to connections, and to servers on port 0: one of them could have it before its server does.
_PORTS = range(20_000, 32_768)


_given: set[int] = set()


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on just now, and that nobody here was given before.

    Of twenty ports that a server is told before it listens on any, two would be the same once in seventy times.
    """
    while True:
        port = secrets.choice(_PORTS)
        if port in _given:
            continue
        with suppress(OSError), socket.create_server((LOOPBACK, port)):
            _given.add(port)
            return port


def wait_until(condition: Callable[[], object], what: str, *, timeout: float = 20.0) -> None:
    """Return once `condition()` is true; fail, naming `what`, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise ServiceFailed(f"not within {timeout:g} s: {what}")
        time.sleep(_TICK)


def listens(port: int) -> bool:
    """Whether something accepts TCP connections on the loopback port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


def alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def end(pid: int, name: str, *, timeout: float = 15.0) -> None:
    """End the process by TERM, and by KILL when it does not listen."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, signal_number)
            wait_until(lambda: not alive(pid), f"{name} (process {pid}) ended", timeout=timeout)
        except ProcessLookupError:
            return
        except ServiceFailed:
            continue
        return
    raise ServiceFailed(f"{name} (process {pid}) survived SIGKILL")


class Log:
    """A server's log file: `since_mark()` is what was written after the last `mark()`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark = 0

    def mark(self) -> None:
        """Remember the end of the log."""
        self._mark = self.path.stat().st_size if self.path.exists() else 0

    def text(self) -> str:
        """Return the whole log."""
        return self.path.read_text(errors="replace") if self.path.exists() else ""

    def since_mark(self) -> str:
        """Return what was logged since the mark (since the start, without one)."""
        if not self.path.exists():
            return ""
        with self.path.open("rb") as file:
            file.seek(self._mark)
            return file.read().decode(errors="replace")


class Process:
    """A program in the foreground of its own process group, with stdout and stderr in a log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Log,
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> None:
        self.name = name
        self.log = log
        with log.path.open("ab") as output:
            self._popen = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=log.path.parent,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )
        self.pid = self._popen.pid

    def wait_until(self, condition: Callable[[], object], what: str, *, timeout: float = 20.0) -> None:
        """Return once `condition()` is true; fail with the log when the process ends or takes too long."""

        def ready() -> bool:
            if self._popen.poll() is not None:
                raise ServiceFailed(f"{self.name} ended with {self._popen.returncode}:\n{self.log.text()}")
            return bool(condition())

        try:
            wait_until(ready, what, timeout=timeout)
        except ServiceFailed as failure:
            self.stop()
            raise ServiceFailed(f"{failure}\n{self.log.text()}") from None

    def stop(self, *, by: signal.Signals = signal.SIGTERM, timeout: float = 15.0) -> None:
        """End the program by the signal; KILL for the whole group when that is not heard."""
        self._popen.send_signal(by)
        try:
            self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait(timeout)
