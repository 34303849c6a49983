"""The names and meanings of Django 6's tasks: the same functions on both, compared attribute by attribute."""

from __future__ import annotations

import pytest

pytest.importorskip("django.tasks", reason="Django 6 needs Python 3.12: pip install 'django>=6'")

import chores
import django.tasks
from django.conf import settings
from django.tasks import base as django_base
from django.tasks import exceptions as django_exceptions

from modernmail import tasks
from modernmail.tasks import Task, TaskContext, TaskError, TaskResult, TaskResultStatus, signals
from modernmail.tasks.task import MAX_PRIORITY, MIN_PRIORITY

IMMEDIATE = "django.tasks.backends.immediate.ImmediateBackend"
DUMMY = "django.tasks.backends.dummy.DummyBackend"


@pytest.fixture(autouse=True, scope="module")
def both() -> None:
    """Configure Django as the tests configure us."""
    backends = {"default": {"BACKEND": IMMEDIATE}, "dummy": {"BACKEND": DUMMY}}
    if settings.configured:
        settings.TASKS = backends
    else:
        settings.configure(TASKS=backends, USE_TZ=True)


@pytest.fixture
def ours() -> None:
    """Configure the backends of the same names."""
    tasks.configure({"default": "immediate:", "dummy": "dummy:"})


def public(kind: type) -> set[str]:
    """Return the public names of a class."""
    return {name for name in dir(kind) if not name.startswith("_")}


@pytest.mark.parametrize(
    ("django_kind", "kind"),
    [
        (django_base.Task, Task),
        (django_base.TaskResult, TaskResult),
        (django_base.TaskError, TaskError),
        (django_base.TaskContext, TaskContext),
        (django_base.TaskResultStatus, TaskResultStatus),
    ],
)
def test_every_public_name_is_there(django_kind: type, kind: type) -> None:
    """Whatever Django's class offers, ours does (choices of Django's enumeration type aside)."""
    missing = (
        public(django_kind)
        - public(kind)
        - {"choices", "labels", "names", "values", "label", "do_not_call_in_templates"}
    )
    if django_kind is django_base.Task:
        instance = chores.add
        missing -= public(type(instance)) | set(vars(instance))
    assert missing == set()


def test_constants_and_module_names_agree() -> None:
    """Priorities, statuses, signals, exceptions and what the package exports."""
    assert (django_base.TASK_MIN_PRIORITY, django_base.TASK_MAX_PRIORITY) == (MIN_PRIORITY, MAX_PRIORITY)
    assert {each.value for each in django_base.TaskResultStatus} == {each.value for each in TaskResultStatus}
    for name in ("task", "Task", "TaskResult", "TaskContext", "task_backends", "default_task_backend"):
        assert hasattr(django.tasks, name)
        assert hasattr(tasks, name)
    for name in ("InvalidTask", "InvalidTaskBackend", "TaskResultDoesNotExist", "TaskResultMismatch"):
        assert hasattr(django_exceptions, name)
        assert hasattr(tasks, name)
    for name in ("task_enqueued", "task_started", "task_finished"):
        assert hasattr(signals, name)


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("name", ["add", "add_later", "fail", "return_object"])
def test_results_agree(name: str) -> None:
    """Status, value, attempts, arguments, workers, errors and times are the same, or of the same kind."""
    chore = getattr(chores, name)
    arguments = {"a": (1,), "b": [b"text"]} if name == "fail" else {"a": 1}
    if name in ("fail", "return_object"):
        arguments = {}
    theirs = django.tasks.task(chore.func).enqueue(**arguments)
    mine = chore.enqueue(**arguments)
    for attribute in ("status", "attempts", "args", "kwargs", "is_finished", "backend"):
        assert getattr(mine, attribute) == getattr(theirs, attribute), attribute
    assert len(mine.worker_ids) == len(theirs.worker_ids) == 1
    assert len(mine.errors) == len(theirs.errors)
    for attribute in ("enqueued_at", "started_at", "finished_at", "last_attempted_at"):
        assert getattr(mine, attribute).utcoffset() == getattr(theirs, attribute).utcoffset(), attribute
    if mine.status == "SUCCESSFUL":
        assert mine.return_value == theirs.return_value
    else:
        for result in (mine, theirs):
            with pytest.raises(ValueError, match="Task failed"):
                result.return_value  # noqa: B018


@pytest.mark.usefixtures("ours")
def test_unfinished_results_agree() -> None:
    """A task that only was enqueued: READY, no times but one, and no value yet."""
    theirs = django.tasks.task(backend="dummy")(chores.add.func).enqueue((1, 2), b=b"x")
    mine = chores.add.using(backend="dummy").enqueue((1, 2), b=b"x")
    for attribute in (
        "status",
        "args",
        "kwargs",
        "started_at",
        "finished_at",
        "attempts",
        "errors",
        "worker_ids",
    ):
        assert getattr(mine, attribute) == getattr(theirs, attribute), attribute
    for result in (mine, theirs):
        with pytest.raises(ValueError, match="Task has not finished yet"):
            result.return_value  # noqa: B018


@pytest.mark.usefixtures("ours")
@pytest.mark.parametrize("wrong", [{"priority": 101}, {"priority": -101}, {"priority": 1.5}])
def test_both_refuse_the_same(wrong: dict[str, object]) -> None:
    """Priorities out of range or not whole, lambdas, and a missing context."""
    with pytest.raises(django_exceptions.InvalidTask):
        django.tasks.task(**wrong)(chores.plain)
    with pytest.raises(tasks.InvalidTask):
        tasks.task(**wrong)(chores.plain)
    for decorate, error in (
        (django.tasks.task, django_exceptions.InvalidTask),
        (tasks.task, tasks.InvalidTask),
    ):
        with pytest.raises(error):
            decorate(lambda: None)
        with pytest.raises(error):
            decorate(takes_context=True)(chores.plain)
