"""A test run ends, whatever its tests left running: what keeps the interpreter alive is shown instead."""

from __future__ import annotations

import faulthandler

import pytest

GRACE = 60.0  # seconds for what ends by itself, such as queues that are drained at exit


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """From here on the interpreter has `GRACE` seconds; a worker of xdist waits for the others, and xdist ends it."""
    if not hasattr(config, "workerinput"):
        faulthandler.dump_traceback_later(GRACE, exit=True)
