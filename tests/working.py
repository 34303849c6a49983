"""A worker that runs until nothing is left to do now, and what it delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail.registry import mailers
from modernmail.tasks.worker import Worker

if TYPE_CHECKING:
    from modernmail.tasks.sqlite import SQLiteBackend


def work(backend: SQLiteBackend, **options: Any) -> Worker:
    """Run it, and return it."""
    worker = Worker(backend, until_empty=True, **options)
    worker.run()
    return worker


def outbox() -> list[Any]:
    """What the default mailer, one of memory, has delivered."""
    return mailers["default"].backend.outbox  # type: ignore[attr-defined, no-any-return]
