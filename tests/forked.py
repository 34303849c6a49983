"""A child made by fork, which has its parent's memory, and of its threads only the one that forked."""

from __future__ import annotations

import os
import traceback
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    Test = TypeVar("Test", bound=Callable[..., object])


def forks(test: Test) -> Test:
    """Mark a test that forks: Python warns of it where there are threads, and those of the test run do not matter."""
    warns = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    return pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")(warns(test))


def in_a_child(act: Callable[[], object]) -> None:
    """Call `act` in a forked child and wait for its end; fail when it raised there."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            act()
            status = 0
        except BaseException:  # noqa: BLE001  # whatever it is, the parent fails
            traceback.print_exc()
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
