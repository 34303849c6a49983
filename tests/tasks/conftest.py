"""Fixtures for tasks: each test configures its own backends, and leaves none behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chores
import pytest

from modernmail import tasks

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def no_backends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test an unconfigured library, and leave one."""
    monkeypatch.delenv("MODERNMAIL_TASKS_URL", raising=False)
    tasks.configure({})
    chores.gate.clear()
    chores.done.clear()
    yield
    chores.gate.set()
    tasks.configure({})
