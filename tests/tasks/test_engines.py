"""Celery, Dramatiq and procrastinate, on real brokers with real workers."""

from __future__ import annotations

import importlib
import os
import sys
from datetime import timedelta
from typing import TYPE_CHECKING

import chores
import pytest

pytest.importorskip("celery")
pytest.importorskip("dramatiq")
pytest.importorskip("procrastinate")

from engines.worker import EngineWorker, wait_for

from modernmail import tasks
from modernmail.errors import ConfigurationError, InvalidTask, TaskResultDoesNotExist
from modernmail.tasks import task_backends
from modernmail.tasks.engine import EngineBackend

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The guests' own; what is ours is held to no warnings everywhere else.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

KINDS = ["celery-redis", "celery-rabbitmq", "dramatiq-redis", "dramatiq-rabbitmq", "procrastinate-postgres"]


class Engine:
    """One engine on its broker, configured as the default backend of this process."""

    def __init__(self, kind: str, broker: str, results: str) -> None:
        self.name, _, self.broker = kind.partition("-")
        self.environment = {"TEST_BROKER": broker, "TEST_RESULTS": results}
        os.environ.update(self.environment)
        sys.modules.pop(f"engines.{self.name}_app", None)
        self.module = importlib.import_module(f"engines.{self.name}_app")
        self.backend = task_backends["default"]
        assert isinstance(self.backend, EngineBackend)

    def worker(self, folder: Path, name: str = "a", **environment: str) -> EngineWorker:
        """Return a worker of this engine; `with` runs it."""
        return EngineWorker(self.name, {**self.environment, **environment}, folder, name)

    def close(self) -> None:
        """Let go of the broker."""
        for name in self.environment:
            os.environ.pop(name, None)
        if self.name == "celery":
            self.module.app.close()
        elif self.name == "dramatiq":
            self.module.broker.close()
        else:
            self.module.app.close()


@pytest.fixture(params=KINDS)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Each engine on each broker it is supported on, empty."""
    kind: str = request.param
    if kind == "celery-redis":
        url = request.getfixturevalue("redis").url
        engine = Engine(kind, url, url)
    elif kind == "celery-rabbitmq":
        (tmp_path / "results").mkdir()
        engine = Engine(kind, request.getfixturevalue("rabbitmq_url"), f"file://{tmp_path}/results")
    elif kind == "dramatiq-redis":
        url = request.getfixturevalue("redis").url
        engine = Engine(kind, url, url)
    elif kind == "dramatiq-rabbitmq":
        results = request.getfixturevalue("redis").url
        engine = Engine(kind, request.getfixturevalue("rabbitmq_url"), results)
    else:
        engine = Engine(kind, request.getfixturevalue("postgres_url"), "")
        engine.module.app.open()
        engine.module.app.schema_manager.apply_schema()
    yield engine
    engine.close()


def test_tasks_on_engines(engine: Engine, tmp_path: Path) -> None:
    """Functions, async ones, retries, contexts, failures and waits: all as on the library's own backends."""
    add = chores.add.enqueue(1, b=4)
    assert add.status == "READY"
    add.refresh()
    assert (add.status, add.kwargs) == ("READY", {"b": 4})
    later = chores.add_later.enqueue(2)
    context = chores.which_attempt.enqueue("x")
    lucky = chores.third_time_lucky.enqueue()
    failed = chores.fail.enqueue()
    receipt = chores.return_receipt.enqueue()
    waiting = chores.add.using(run_after=timedelta(seconds=1)).enqueue(7)
    everything = (add, later, context, lucky, failed, receipt, waiting)
    with engine.worker(tmp_path) as worker:

        def all_finished() -> bool:
            for result in everything:
                result.refresh()
            return all(result.is_finished for result in everything)

        wait_for(all_finished, "all tasks finished", worker)
    assert (add.return_value, later.return_value) == (5, 4)
    assert context.return_value == [1, context.id, "x"]
    assert (lucky.return_value, lucky.attempts, len(lucky.errors)) == (3, 3, 2)
    assert (failed.status, failed.errors[0].exception_class) == ("FAILED", ValueError)
    assert receipt.return_value["recipients"]["a@example.com"]["status"] == "accepted"
    assert waiting.return_value == 9
    assert waiting.started_at - waiting.enqueued_at >= timedelta(seconds=1)
    with pytest.raises(TaskResultDoesNotExist):
        chores.add.get_result("nothing")


def test_long_waits_are_made_of_short_ones(engine: Engine, tmp_path: Path) -> None:
    """A wait longer than the engine is trusted with is handed over in parts, and is as long as it should be."""
    engine.backend.longest_wait = 0.3  # type: ignore[attr-defined]
    result = chores.add.using(run_after=timedelta(seconds=1.2)).enqueue(7)
    with engine.worker(tmp_path) as worker:
        wait_for(lambda: result.refresh() or result.is_finished, "the task finished", worker)
    assert result.started_at - result.enqueued_at >= timedelta(seconds=1.2)


def test_a_task_that_has_ended_is_not_run_again(engine: Engine) -> None:
    """Engines deliver twice now and then: the record says that it is done."""
    from modernmail.tasks.slip import Slip

    backend = engine.backend
    assert isinstance(backend, EngineBackend)
    result = chores.note.enqueue("once")
    text = backend.look_up(result.id)
    assert text is not None
    backend.perform(text)
    backend.perform(text)
    assert chores.done == ["once"]
    backend.perform("rubbish")
    gone = Slip("1f", "task", "chores.gone", {"args": [], "kwargs": {}})
    backend.perform(gone.to_text())
    record = backend.recorded("1f")
    assert record is not None
    assert record.progress["status"] == "FAILED"


def test_what_an_engine_cannot_do_is_refused(engine: Engine) -> None:
    """Priorities and transactions where there are none, and URLs that name nothing."""
    backend = engine.backend
    if not backend.supports_priority:
        with pytest.raises(InvalidTask, match="has no priorities"):
            chores.add.using(priority=1).enqueue(1)
    with pytest.raises(InvalidTask, match="connection"):
        chores.add.enqueue(1, connection=object())
    for url, says in (("", "wants a path"), (":x", "cannot be found"), ("os:path", "is module, not a")):
        with pytest.raises(ConfigurationError, match=says):
            tasks.task_backends[f"{engine.name}:{url}"]
    name = "broker" if engine.name == "dramatiq" else "app"
    again = tasks.task_backends[f"{engine.name}:engines.{engine.name}_app:{name}"]
    assert type(again) is type(backend)


def test_rollback_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    """A task enqueued in a psycopg transaction is there after the commit, and never after a rollback."""
    import psycopg

    engine = Engine("procrastinate-postgres", postgres_url, "")
    engine.module.app.open()
    engine.module.app.schema_manager.apply_schema()
    with psycopg.connect(postgres_url) as connection:
        undone = chores.note.enqueue("undone", connection=connection)
        connection.rollback()
        kept = chores.add.enqueue(1, connection=connection)
        with pytest.raises(TaskResultDoesNotExist):
            kept.refresh()
        connection.commit()
    with engine.worker(tmp_path) as worker:
        wait_for(lambda: kept.refresh() or kept.is_finished, "the task finished", worker)
    with pytest.raises(TaskResultDoesNotExist):
        undone.refresh()
    engine.close()
