"""Real workers of the engines, in process groups of their own, so that a whole one can be killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

TESTS = Path(__file__).parent.parent
COMMANDS = {
    "celery": ["-m", "celery", "-A", "engines.celery_app", "worker", "-c", "1", "-Q", "mail", "-l", "INFO",
               "--without-gossip", "--without-mingle", "-O", "fair", "-n", "w%h%%d"],
    "dramatiq": ["-m", "dramatiq", "engines.dramatiq_app", "-p", "1", "-t", "2", "--queues", "default"],
    "procrastinate": ["-m", "procrastinate", "--app", "engines.procrastinate_app.app", "worker", "-c", "2"],
}  # fmt: skip


class EngineWorker:
    """One worker of an engine; a context manager: running inside, its process group killed outside."""

    def __init__(self, engine: str, environment: Mapping[str, str], folder: Path, name: str = "a") -> None:
        self.log = folder / f"{engine}-{name}.log"
        words = [word.replace("%%d", f"{os.getpid()}{name}") for word in COMMANDS[engine]]
        self._command = [sys.executable, *words]
        self._environment = {**os.environ, **environment, "PYTHONPATH": str(TESTS)}

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=TESTS,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Kill the whole process group, without a word."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def wait_for(condition: Callable[[], Any], what: str, worker: EngineWorker, seconds: float = 30) -> Any:
    """Return what the condition gives once it is true; fail with the worker's log."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}\n{worker.log.read_text()[-6000:]}")
        time.sleep(0.02)
    return found
