"""Fixtures for tasks: each test configures its own backends, and leaves none behind."""

from __future__ import annotations

from collections.abc import Iterator

import chores
import pytest

from modernmail import tasks


@pytest.fixture(autouse=True)
def no_backends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("MODERNMAIL_TASKS_URL", raising=False)
    tasks.configure({})
    chores.gate.clear()
    chores.done.clear()
    yield
    chores.gate.set()
    tasks.configure({})
