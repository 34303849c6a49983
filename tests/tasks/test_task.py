"""`@task` and `Task`: what may be a task, its settings, its arguments."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone

import chores
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail import tasks
from modernmail.errors import InvalidTask, InvalidTaskBackend, TaskResultDoesNotExist, TaskResultMismatch
from modernmail.tasks import Retry, Task, TaskResultStatus, task


def test_bare_and_called_decorators_make_tasks() -> None:
    """`@task`, `@task()` and `@task(priority=…)` each give a Task with Django's defaults."""
    for made in (task(chores.plain), task()(chores.plain)):
        assert isinstance(made, Task)
        assert (made.priority, made.queue_name, made.backend) == (0, "default", "default")
        assert (made.run_after, made.takes_context) == (None, False)
    assert task(priority=7, queue_name="mail", backend="b")(chores.plain).priority == 7


def test_a_task_knows_its_name_and_path() -> None:
    """`name` is the function's, `module_path` is what a worker imports."""
    assert chores.add.name == "add"
    assert chores.add.module_path == "chores.add"
    assert not chores.add.is_async
    assert chores.add_later.is_async


def test_using_changes_a_copy() -> None:
    """`using` leaves the task alone and keeps the settings it was not given."""
    changed = chores.add.using(priority=-100, queue_name="slow").using(run_after=timedelta(hours=1))
    assert (changed.priority, changed.queue_name, changed.run_after) == (-100, "slow", timedelta(hours=1))
    assert chores.add.priority == 0
    with pytest.raises(AttributeError):
        chores.add.priority = 3  # type: ignore[misc]


def test_a_task_pickles_by_path() -> None:
    """What comes back is the same function with the same settings; the function itself is not pickled."""
    changed = chores.add.using(priority=5, queue_name="q")
    assert pickle.loads(pickle.dumps(changed)) == changed
    assert pickle.loads(pickle.dumps(chores.add)).func is chores.add.func


@pytest.mark.parametrize("priority", [101, -101, 1.0, "1", True, None])
def test_priorities_are_whole_numbers_within_a_hundred(priority: object) -> None:
    """Anything but a whole number from -100 to 100 is refused, naming argument and value."""
    with pytest.raises(InvalidTask, match=f"priority: {priority!r}") as caught:
        task(priority=priority)(chores.plain)  # type: ignore[call-overload]
    assert caught.value.argument == "priority"


def test_functions_that_cannot_be_found_again_are_refused() -> None:
    """Lambdas, nested functions, methods, classes and builtins are no tasks."""

    def nested() -> None: ...

    for refused in (lambda: None, nested, chores.Receipt.to_dict, chores.Receipt, len, "chores.add"):
        with pytest.raises(InvalidTask, match="func"):
            task(refused)  # type: ignore[type-var, call-overload]


def test_a_context_needs_its_parameter() -> None:
    """`takes_context=True` wants a first parameter named context."""
    with pytest.raises(InvalidTask, match="takes_context: 'plain'"):
        task(takes_context=True)(chores.plain)  # type: ignore[type-var]


def test_a_naive_run_after_is_refused() -> None:
    """Only an aware datetime or a timedelta says when."""
    with pytest.raises(InvalidTask, match=r"run_after.*aware"):
        chores.add.using(run_after=datetime(2030, 1, 1))  # noqa: DTZ001
    with pytest.raises(InvalidTask, match="run_after: 5"):
        chores.add.using(run_after=5)  # type: ignore[arg-type]


def test_run_after_counts_from_each_enqueue() -> None:
    """A timedelta is added to the time of the enqueue; a datetime is turned into UTC."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    assert chores.add.using(run_after=timedelta(minutes=5)).starts_at(now) == now + timedelta(minutes=5)
    there = datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    assert chores.add.using(run_after=there).starts_at(now) == now


def test_a_task_that_is_called_says_what_to_write() -> None:
    """Calling the task itself is a TypeError that names the task and the two ways to run it."""
    with pytest.raises(
        TypeError, match=r"chores\.add is not called: \.enqueue\(…\) queues it, \.call\(…\) runs it"
    ):
        chores.add(1)  # type: ignore[operator]


def test_call_and_acall_run_the_function_itself() -> None:
    """Sync and async functions can be called both ways, without a backend."""
    import asyncio

    assert chores.add.call(1, b=4) == 5
    assert chores.add_later.call(1) == 3

    async def both() -> list[int]:
        return [await chores.add.acall(1), await chores.add_later.acall(2)]

    assert asyncio.run(both()) == [3, 4]


def test_arguments_are_normalised() -> None:
    """Tuples become lists, UTF-8 bytes become text, and later changes to the argument change nothing."""
    tasks.configure("dummy:")
    mutable = {"k": [1]}
    result = chores.note.enqueue(("a", b"b", mutable))
    mutable["k"].append(2)
    assert result.args == [["a", "b", {"k": [1]}]]
    assert type(chores.note.enqueue(TaskResultStatus.READY).args[0]) is str


@pytest.mark.parametrize(
    ("value", "where", "reason"),
    [
        (float("nan"), "args[0]", "no such number"),
        ([1, {"a": float("inf")}], "args[0][1]['a']", "no such number"),
        (b"\xff", "args[0]", "not UTF-8"),
        ({1: 2}, "args[0]", "keys of a JSON object are strings"),
        ({"x": [object()]}, "args[0]['x'][0]", "object cannot be queued"),
        ({1, 2}, "args[0]", "set cannot be queued"),
    ],
)
def test_arguments_that_are_not_json_are_refused(value: object, where: str, reason: str) -> None:
    """The error names where in the argument the fault is, and nothing is enqueued."""
    tasks.configure("dummy:")
    with pytest.raises(InvalidTask, match=reason) as caught:
        chores.note.enqueue(value)
    assert caught.value.argument == where
    assert tasks.default_task_backend.results == []  # type: ignore[attr-defined]


def test_a_number_too_long_to_be_read_back_is_refused() -> None:
    """Python reads integers of 4,300 digits: one more is an error that says where it stands, not a task that fails."""
    tasks.configure("dummy:")
    longest = 10**4300 - 1
    assert chores.note.enqueue([longest, -longest]).args == [[longest, -longest]]
    with pytest.raises(InvalidTask, match=r"args\[0\]\[1\]: .*more than 4,300 digits"):
        chores.note.enqueue([1, longest + 1])


def test_an_argument_that_contains_itself_is_refused() -> None:
    """A cycle ends in an error, not in a crash."""
    tasks.configure("dummy:")
    cycle: list[object] = []
    cycle.append(cycle)
    with pytest.raises(InvalidTask, match="contains itself"):
        chores.note.enqueue(value=cycle)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_json_values_pass_unchanged(value: object) -> None:
    """Whatever JSON can say reaches the task equal, and of the same types."""
    tasks.configure("dummy:")
    assert repr(chores.note.enqueue(value).args) == repr([value])


def test_results_are_found_by_id_and_belong_to_their_task() -> None:
    """`get_result` gives the result; another task's id and an unknown id are errors."""
    tasks.configure("dummy:")
    result = chores.add.enqueue(1)
    assert chores.add.get_result(result.id) == result
    with pytest.raises(TaskResultMismatch, match=r"chores\.add, not of chores\.note"):
        chores.note.get_result(result.id)
    with pytest.raises(TaskResultDoesNotExist, match="nothing"):
        chores.add.get_result("nothing")
    tasks.configure("immediate:")
    with pytest.raises(InvalidTaskBackend, match="keeps no results"):
        chores.add.get_result(result.id)


def test_enqueue_many_takes_mappings_and_sequences() -> None:
    """Each item is one call; text is neither."""
    tasks.configure("dummy:")
    results = chores.add.enqueue_many([{"a": 1, "b": 2}, (3,), [4, 5]])
    assert [(each.args, each.kwargs) for each in results] == [([], {"a": 1, "b": 2}), ([3], {}), ([4, 5], {})]
    with pytest.raises(InvalidTask, match="calls"):
        chores.add.enqueue_many(["ab"])


def test_a_retry_waits_longer_each_time_up_to_its_limit() -> None:
    """The waits grow by the factor, never pass max_delay, and stay within the jitter."""
    retry = Retry(max_attempts=2000, delay=timedelta(seconds=2), factor=3, max_delay=50, jitter=0.5)
    for attempt, wait in ((1, 2), (2, 6), (3, 18), (4, 50), (1900, 50)):
        delay = retry.delay_after(attempt, OSError())
        assert delay is not None
        assert wait * 0.5 <= delay <= wait * 1.5
    assert retry.delay_after(2000, OSError()) is None
    assert Retry(on=(OSError,)).delay_after(1, ValueError()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"max_attempts": True},
        {"delay": -1},
        {"factor": 0.5},
        {"jitter": 2},
        {"on": (int,)},
    ],
)
def test_a_retry_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    """The error names the argument."""
    with pytest.raises(InvalidTask, match=next(iter(wrong))):
        Retry(**wrong)  # type: ignore[arg-type]
