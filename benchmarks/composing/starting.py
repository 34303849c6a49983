"""What it costs to be imported, and to compose the first mail."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

from report import Figures, in_turns

if TYPE_CHECKING:
    from collections.abc import Callable

COMPOSE = "import modernmail; modernmail.Message('s', 't' * 1000, from_email='a@example.com', to='b@example.com').as_bytes()"
PROGRAMS = {"bare": "pass", "modernmail": COMPOSE, "standard": "import email.message, smtplib"}


def starts(rounds: int) -> Figures:
    """Return the processor time of a Python that does nothing, that composes M1, and that imports the standard library's."""
    with tempfile.TemporaryDirectory() as folder:
        # As installed: compiled once, in the round that does not count.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = folder
        return in_turns({name: _turn(program, folder, env) for name, program in PROGRAMS.items()}, rounds)


def _turn(program: str, folder: str, env: dict[str, str]) -> Callable[[], float]:
    def turn() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True, cwd=folder, env=env)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return turn
