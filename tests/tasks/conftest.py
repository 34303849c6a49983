"""Fixtures for tasks: each test configures its own backends, and leaves none behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import chores
import pytest

import modernmail
from modernmail import tasks
from modernmail.tasks.sqlite import SQLiteBackend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[SQLiteBackend]:
    """The default backend: a queue in a new file, its tables made."""
    tasks.configure(f"sqlite:////{tmp_path}/queue.db?patience=0.2")
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    backend = tasks.task_backends["default"]
    assert isinstance(backend, SQLiteBackend)
    backend.jobs.find(1)
    yield backend
    modernmail.configure({})
