"""Task backends by name and by URL."""

from __future__ import annotations

import logging
import sys
from typing import Any

import chores
import pytest

from modernmail import tasks
from modernmail.errors import ConfigurationError, InvalidTaskBackend
from modernmail.tasks import register_task_backend, task_backends
from modernmail.tasks.dummy import DummyBackend
from modernmail.tasks.thread import ThreadBackend


def test_unconfigured_tasks_run_in_threads_and_one_log_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """Without a configuration the backend is thread:, and a log line says so once."""
    with caplog.at_level(logging.INFO, "modernmail.tasks"):
        assert isinstance(task_backends["default"], ThreadBackend)
        assert task_backends["default"].alias == "default"
        chores.note.enqueue(1)
    assert [record.message for record in caplog.records if "no task backend is configured" in record.message]
    assert len(caplog.records) == 1


def test_the_environment_configures_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """MODERNMAIL_TASKS_URL is the default backend when the program configured none."""
    monkeypatch.setenv("MODERNMAIL_TASKS_URL", "dummy:")
    assert isinstance(task_backends["default"], DummyBackend)
    tasks.configure("immediate:")
    assert task_backends["default"].scheme == "immediate"


def test_backends_have_names_and_tasks_choose_them() -> None:
    """A task names its backend; a backend object serves as well as a URL."""
    mine = DummyBackend("mine")
    tasks.configure({"default": "immediate:", "kept": "dummy:", "mine": mine})
    result = chores.add.using(backend="kept").enqueue(1)
    assert (result.backend, result.status) == ("kept", "READY")
    chores.add.using(backend="mine").enqueue(1)
    assert len(mine.results) == 1
    assert sorted(task_backends) == ["default", "kept", "mine"]


def test_a_url_serves_as_a_name() -> None:
    """`using(backend="dummy:")` opens that URL and finds the same backend again."""
    result = chores.add.using(backend="dummy:").enqueue(1)
    assert task_backends["dummy:"].get_result(result.id) is result


def test_an_unknown_name_lists_the_known_ones() -> None:
    """The error says what there is."""
    tasks.configure({"default": "dummy:", "slow": "dummy:"})
    with pytest.raises(InvalidTaskBackend, match="'fast'; there are: 'default', 'slow'"):
        chores.add.using(backend="fast").enqueue(1)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "redis://localhost",
            "no task backend for redis:.*dummy, immediate.*thread; by this broker .*celery:MODULE",
        ),
        ("postgresql://localhost/shop", "no task backend for postgresql:.*procrastinate:MODULE"),
        ("thread", "has no scheme"),
        ("thread:?workers=0", "workers='0': must be a whole number from 1"),
        ("thread:?workers=many", "workers='many'"),
        ("thread:?wait=-1", "wait='-1': must be seconds"),
        ("thread:?drain=nan", "drain='nan': must be seconds"),
        ("thread:?threads=4", "has no option 'threads'; there are drain, results, size, wait, workers"),
        ("thread:?workers=1&workers=2", "workers stands twice"),
        ("thread://host", "takes options only"),
        ("dummy:?x=1", "has no option 'x'; there are none"),
        ("sqlite:", "wants a path"),
        ("sqlite:///", "wants a path"),
        ("sqlite://queue.db", "wants a path"),
    ],
)
def test_a_wrong_url_says_what_is_wrong(url: str, message: str) -> None:
    """Scheme, option and value are named, and what would be right."""
    with pytest.raises(ConfigurationError, match=message):  # noqa: PT012  # some are refused at first use
        tasks.configure(url)
        chores.add.enqueue(1)


@pytest.mark.parametrize("wrong", [{"default": 5}, {"": "dummy:"}, {3: "dummy:"}, None, 5, ["dummy:"]])
def test_a_wrong_configuration_changes_nothing(wrong: Any) -> None:
    """The backends in use stay."""
    tasks.configure("dummy:")
    before = task_backends["default"]
    with pytest.raises(ConfigurationError):
        tasks.configure(wrong)
    assert task_backends["default"] is before


def test_other_packages_register_schemes() -> None:
    """A factory gets the alias and the parsed URL; the library's own schemes cannot be taken."""
    seen = []

    def factory(alias: str, url: tasks.registry.BackendURL) -> DummyBackend:  # type: ignore[name-defined]
        seen.append((alias, url.rest, url.text("colour", "red")))
        return DummyBackend(alias)

    register_task_backend("paper", factory)
    tasks.configure({"wall": "paper://host/x?colour=blue"})
    assert isinstance(task_backends["wall"], DummyBackend)
    assert seen == [("wall", "//host/x", "blue")]
    with pytest.raises(ConfigurationError, match="modernmail's own"):
        register_task_backend("thread", factory)


def test_configure_finishes_what_the_old_backends_have() -> None:
    """Tasks queued on a backend that is replaced are run before `configure` returns."""
    tasks.configure("thread:?workers=1")
    result = chores.note.enqueue("last")
    tasks.configure("dummy:")
    assert result.status == "SUCCESSFUL"
    assert chores.done == ["last"]


@pytest.mark.parametrize("engine", ["celery", "dramatiq", "procrastinate"])
def test_an_engine_that_is_not_installed(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install, where the URL is used."""
    monkeypatch.setitem(sys.modules, engine, None)
    tasks.configure(f"{engine}:")
    with pytest.raises(ConfigurationError, match=rf"pip install 'modernmail\[{engine}\]'"):
        _ = tasks.task_backends["default"]
