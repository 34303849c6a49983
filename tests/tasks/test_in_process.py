"""Tasks that run in this process: `immediate:`, `thread:` and `aio:`, and the signals they send."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import chores
import pytest
from forked import forks, in_a_child

import modernmail
from modernmail import tasks
from modernmail.errors import (
    InvalidTask,
    InvalidTaskBackend,
    QueueFull,
    QueueUnavailable,
    TaskResultDoesNotExist,
)
from modernmail.receipt import Receipt
from modernmail.tasks import Task, TaskResult, task_backends
from modernmail.tasks.signals import task_enqueued, task_finished, task_started
from modernmail.testing import ScriptedSMTPServer


def run(task: Task[..., object], *args: object, **kwargs: object) -> TaskResult[object]:
    """Enqueue on the default backend and wait until it has finished."""
    result = task.enqueue(*args, **kwargs)
    task_backends.close()
    return result


@pytest.fixture(params=["immediate:", "thread:?workers=2", "aio:"])
def finished(request: pytest.FixtureRequest) -> object:
    """A function that enqueues on the backend of the parameter and returns the finished result."""
    tasks.configure(request.param)
    if request.param != "aio:":
        return run

    def run_async(task: Task[..., object], *args: object, **kwargs: object) -> TaskResult[object]:
        async def main() -> TaskResult[object]:
            result = await task.aenqueue(*args, **kwargs)
            await task_backends.aclose()
            return result

        return asyncio.run(main())

    return run_async


def test_functions_run_and_their_results_come_back(finished) -> None:
    """Sync and async functions end SUCCESSFUL with their value, their times in order and one worker."""
    for chore in (chores.add, chores.add_later):
        result = finished(chore, 1, b=4)
        assert (result.status, result.return_value, result.is_finished) == ("SUCCESSFUL", 5, True)
        assert result.enqueued_at <= result.started_at == result.last_attempted_at <= result.finished_at
        assert (result.attempts, len(result.worker_ids), result.errors) == (1, 1, [])


def test_a_failure_is_kept_with_its_traceback(finished) -> None:
    """The exception's class and traceback are in the result; asking for the value raises."""
    result = finished(chores.fail)
    assert (result.status, result.errors[0].exception_class) == ("FAILED", ValueError)
    assert "no luck" in result.errors[0].traceback
    with pytest.raises(ValueError, match=r"Task failed: builtins\.ValueError"):
        result.return_value  # noqa: B018


def test_a_task_that_exits_does_not_take_its_worker_along(finished) -> None:
    """SystemExit fails the task and nothing else."""
    assert finished(chores.leave).errors[0].exception_class is SystemExit


def test_a_value_that_is_not_json_fails_the_task(finished) -> None:
    """The error says what was returned."""
    result = finished(chores.return_object)
    assert (result.status, result.errors[0].exception_class) == ("FAILED", InvalidTask)


def test_a_receipt_comes_back_as_its_dictionary(finished) -> None:
    """A task may return what send_mail returned."""
    value = finished(chores.return_receipt).return_value
    assert Receipt.from_dict(value).accepted == ("a@example.com",)


def test_the_seed_example_runs(finished) -> None:
    """`return send_mail(...)` in a task: the mail arrives, and the result holds the receipt."""
    with ScriptedSMTPServer() as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        value = finished(
            chores.email_users,
            emails=["you@example.com"],
            subject="You have a message",
            message="Hello there!",
        ).return_value
        modernmail.mailers["default"].close()
    modernmail.configure({})
    (commit,) = server.commits
    assert commit.recipients == ("you@example.com",)
    assert b"Subject: You have a message" in commit.content
    assert value["recipients"]["you@example.com"]["status"] == "accepted"


def test_a_context_tells_attempt_and_result(finished) -> None:
    """A task with takes_context gets the attempt from 1 and its own result."""
    result = finished(chores.which_attempt, "x")
    assert result.return_value == [1, result.id, "x"]


def test_a_retry_runs_again_until_it_succeeds(finished) -> None:
    """Each failed attempt leaves its error; the third brings the value."""
    result = finished(chores.third_time_lucky)
    assert (result.status, result.return_value, result.attempts) == ("SUCCESSFUL", 3, 3)
    assert [error.exception_class for error in result.errors] == [OSError, OSError]


def test_a_retry_gives_up(finished) -> None:
    """After max_attempts the task has failed, with every error kept."""
    result = finished(chores.stubborn)
    assert (result.status, result.attempts, len(result.errors)) == ("FAILED", 3, 3)


def test_signals_tell_enqueued_started_finished_in_order(finished) -> None:
    """Each signal is sent once, with the backend's class and the result as it stands."""
    seen: list[tuple[str, object, object]] = []

    def receiver(*, sender, task_result, signal) -> None:
        seen.append((signal.name, sender.__name__, task_result.status))

    for signal in (task_enqueued, task_started, task_finished):
        signal.connect(receiver)
    try:
        finished(chores.fail)
    finally:
        for signal in (task_enqueued, task_started, task_finished):
            assert signal.disconnect(receiver)
    assert [(name, status) for name, _, status in seen] == [
        ("task_enqueued", "READY"), ("task_started", "RUNNING"), ("task_finished", "FAILED"),
    ]  # fmt: skip


def test_a_failing_receiver_is_logged_and_fails_nothing(finished, caplog: pytest.LogCaptureFixture) -> None:
    """The enqueue succeeds, the task runs, and the other receivers are told."""
    seen = []

    @task_enqueued.connect
    def broken(**_: object) -> None:
        raise RuntimeError("receiver is broken")

    @task_enqueued.connect
    def sound(**_: object) -> None:
        seen.append(1)

    try:
        assert finished(chores.add, 1).return_value == 3
    finally:
        task_enqueued.disconnect(broken)
        task_enqueued.disconnect(sound)
    assert seen == [1]
    assert "of task_enqueued failed" in caplog.text


@pytest.mark.parametrize("url", ["immediate:", "thread:", "aio:"])
def test_backends_in_process_cannot_defer(url: str) -> None:
    """They say so in an attribute, and refuse run_after."""
    assert not task_backends[url].supports_defer
    assert not task_backends[url].is_durable
    with pytest.raises(InvalidTask, match=r"run_after.*cannot defer"):
        task_backends[url].validate_task(chores.add.using(run_after=timedelta(1)))
    with pytest.raises(InvalidTask, match=r"connection.*cannot join a transaction"):
        task_backends[url].validate_task(chores.add.using(connection=object()))


def test_immediate_refuses_an_async_task_under_a_running_loop() -> None:
    """`enqueue` would block the loop it needs; `aenqueue` is the way."""
    tasks.configure("immediate:")

    async def main() -> int:
        with pytest.raises(InvalidTask, match="aenqueue"):
            chores.add_later.enqueue(1)
        return (await chores.add_later.aenqueue(1)).return_value

    assert asyncio.run(main()) == 3


def test_threads_run_the_highest_priority_first() -> None:
    """Among queued tasks the priority decides, then the order of arrival."""
    tasks.configure("thread:?workers=1")
    chores.wait_for_gate.enqueue()
    for name, priority in (("b", 0), ("c", -5), ("a", 9), ("b2", 0)):
        chores.note.using(priority=priority).enqueue(name)
    chores.gate.set()
    task_backends.close()
    assert chores.done == ["a", "b", "b2", "c"]


def test_a_full_thread_queue_refuses_after_its_deadline() -> None:
    """QueueFull names the size and the wait; a place that comes free in time is taken."""
    tasks.configure("thread:?workers=1&size=1&wait=0")
    backend = task_backends["default"]
    started = threading.Event()
    task_started.connect(lambda **_: started.set())
    chores.wait_for_gate.enqueue()
    assert started.wait(10)
    chores.note.enqueue(1)
    with pytest.raises(QueueFull, match="1 tasks are queued, and no place came free in 0"):
        chores.note.enqueue(2)
    backend.crew.wait = 10  # type: ignore[attr-defined]
    threading.Timer(0.01, chores.gate.set).start()
    late = asyncio.run(chores.note.aenqueue(3))
    backend.close()
    assert late.is_finished
    assert chores.done == [1, 3]
    with pytest.raises(QueueUnavailable, match="is closed"):
        chores.note.enqueue(4)


def test_what_does_not_finish_in_time_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Running and queued tasks that outlast the drain are named in one error line."""
    tasks.configure("thread:?workers=1&drain=0")
    running = chores.wait_for_gate.enqueue()
    queued = chores.note.enqueue(1)
    task_backends.close()
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "2 unfinished" in record.message
    assert running.id in record.message
    assert queued.id in record.message


def test_only_the_last_results_are_kept() -> None:
    """An in-process backend keeps as many results as it was told to."""
    tasks.configure("thread:?results=2")
    ids = [chores.note.enqueue(value).id for value in range(3)]
    with pytest.raises(TaskResultDoesNotExist, match="it keeps the last 2"):
        chores.note.get_result(ids[0])
    result = chores.note.get_result(ids[2])
    result.refresh()
    asyncio.run(result.arefresh())
    assert asyncio.run(chores.note.aget_result(ids[2])).id == ids[2]


SCRIPT = """
import logging, sys
logging.basicConfig()
sys.path.insert(0, {tests!r})
import chores
from modernmail.tasks import task, configure
configure("thread:?workers=1")

@task
async def late():
    import asyncio
    await asyncio.sleep(0.05)
    await asyncio.get_running_loop().getaddrinfo("localhost", 25)
    print("drained", flush=True)

for _ in range(3):
    late.enqueue()
"""


def test_queued_tasks_are_drained_when_the_program_ends(tmp_path: Path) -> None:
    """A script that enqueues and returns has its async tasks run, name look-ups included."""
    script = tmp_path / "program.py"
    script.write_text(SCRIPT.format(tests=str(Path(chores.__file__).parent)))
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.split() == ["drained"] * 3, ended.stderr
    assert ended.returncode == 0


@forks
def test_a_forked_child_has_threads_of_its_own() -> None:
    """The child runs what it enqueues, and none of the parent's tasks."""
    tasks.configure("thread:?workers=1")
    chores.wait_for_gate.enqueue()
    chores.note.enqueue("parent's")
    read, write = os.pipe()

    def act() -> None:
        chores.note.enqueue("child's")
        task_backends.close()
        os.write(write, repr(chores.done).encode())

    in_a_child(act)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == repr(["child's"])


@forks
def test_a_forked_child_has_a_loop_of_its_own() -> None:
    """The parent's loop turns in a thread that the child does not have: async tasks run on another there."""
    tasks.configure("thread:?drain=5")
    before = chores.add_later.enqueue(1)
    deadline = time.monotonic() + 10
    while not before.is_finished:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    read, write = os.pipe()

    def act() -> None:
        result = chores.add_later.enqueue(2)
        task_backends.close()
        os.write(write, result.status.encode())

    in_a_child(act)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "SUCCESSFUL"


def test_aio_needs_a_running_loop() -> None:
    """Without one the error points to thread:."""
    with pytest.raises(InvalidTaskBackend, match=r"needs a running event loop.*thread:"):
        chores.add.using(backend="aio:").enqueue(1)


def test_a_full_aio_queue_waits_or_refuses() -> None:
    """`enqueue` refuses at once, `aenqueue` after its deadline, or gets the place that came free."""
    tasks.configure("aio:?workers=1&size=1&wait=0.01")

    async def main() -> None:
        await chores.wait_for_gate.aenqueue()
        await asyncio.sleep(0)
        chores.note.enqueue(1)
        with pytest.raises(QueueFull, match="1 tasks are queued"):
            chores.note.enqueue(2)
        with pytest.raises(QueueFull, match=r"no place came free in 0\.01 s"):
            await chores.note.aenqueue(3)
        task_backends["default"].wait = 10  # type: ignore[attr-defined]
        asyncio.get_running_loop().call_soon(chores.gate.set)
        await chores.note.aenqueue_many([(4,), (5,)])
        await task_backends.aclose()

    asyncio.run(main())
    assert chores.done == [1, 4, 5]


def test_a_loop_that_ends_logs_what_it_leaves(caplog: pytest.LogCaptureFixture) -> None:
    """What was queued on a loop that ends without aclose is named in an error line."""
    tasks.configure("aio:")
    ids = []

    async def main() -> None:
        ids.append((await chores.add_later.aenqueue(1)).id)

    asyncio.run(main())
    assert "1 unfinished when the loop ended, and lost" in caplog.text
    assert ids[0] in caplog.text


def test_aclose_gives_up_after_its_drain(caplog: pytest.LogCaptureFixture) -> None:
    """A task that outlasts the drain is cancelled and logged."""
    tasks.configure("aio:?drain=0.01")

    async def main() -> None:
        await chores.add_later.aenqueue(1)
        await chores.wait_for_gate.aenqueue()
        await task_backends["default"].aclose()
        chores.gate.set()

    asyncio.run(main())
    assert "1 unfinished" in caplog.text


def test_paths_of_things_that_are_not_there() -> None:
    """An exception class that is gone, a receiver that cannot be called, and paths of the wrong form."""
    from modernmail.tasks.modulepath import resolve
    from modernmail.tasks.signals import Signal

    with pytest.raises(ValueError, match=r"gone\.Error is not an exception class"):
        tasks.TaskError("gone.Error", "").exception_class  # noqa: B018
    with pytest.raises(ValueError, match=r"os\.path is not an exception class"):
        tasks.TaskError("os.path", "").exception_class  # noqa: B018
    assert tasks.TaskError("chores.Outer.Inner", "").exception_class is chores.Outer.Inner
    with pytest.raises(ImportError, match="not of the form"):
        resolve("nothing")
    with pytest.raises(ModuleNotFoundError):
        resolve("no_such_module.name")
    with pytest.raises(TypeError, match="must be callable"):
        task_enqueued.connect("x")  # type: ignore[type-var]
    signal = Signal("nothing")
    assert not signal.has_receivers
    assert "0 receivers" in repr(signal)


def test_results_show_what_they_are() -> None:
    """`to_dict` is for logs, `repr` for people; results of other kinds are not equal."""
    tasks.configure("immediate:")
    result = chores.fail.enqueue()
    facts = result.to_dict()
    assert (facts["task"], facts["status"], facts["attempts"]) == ("chores.fail", "FAILED", 1)
    assert facts["errors"][0]["exception"] == "builtins.ValueError"
    assert facts["finished_at"] == result.finished_at.isoformat()
    assert "FAILED" in repr(result)
    assert result != facts
    assert "immediate:" in str(task_backends["default"])
    assert repr(tasks.default_task_backend) == repr(task_backends["default"])


def test_a_backend_of_ones_own_needs_only_enqueue() -> None:
    """What the contract gives for nothing: async faces, many at once, no results, no mail, no priorities."""

    class Printed(tasks.TaskBackend):
        def enqueue(self, task, args, kwargs) -> TaskResult[object]:
            result = self.make_result(task, args, kwargs)
            self.announce(result)
            return result

    tasks.configure(Printed())
    assert len(asyncio.run(chores.note.aenqueue_many([(1,), (2,)]))) == 2
    assert asyncio.run(chores.note.aenqueue(1)).args == [1]
    for refused in (chores.note.using(priority=1), chores.add_later):
        with pytest.raises(InvalidTask):
            refused.enqueue(1)
    with pytest.raises(InvalidTaskBackend, match="keeps no results"):
        asyncio.run(chores.note.aget_result("x"))
    with pytest.raises(InvalidTaskBackend, match="does not queue mail"):
        task_backends["default"].enqueue_mail([], tasks.outbox.MailOptions())
    with pytest.raises(InvalidTaskBackend, match="keeps no tickets"):
        tasks.get_ticket("x")
    asyncio.run(task_backends.aclose())
    with pytest.raises(NotImplementedError):
        tasks.TaskBackend().enqueue(chores.note, (), {})


def test_values_of_odd_types_are_normalised() -> None:
    """Subclasses of JSON's types and other sequences become plain; so do the keys."""
    import collections
    import enum

    class Name(str):
        __slots__ = ()

    class Level(enum.IntEnum):
        HIGH = 3

    tasks.configure("dummy:")
    value = {Name("k"): [Name("v"), Level.HIGH, collections.deque([1]), range(2), 1.5]}
    stored = chores.note.enqueue(value).args[0]
    assert stored == {"k": ["v", 3, [1], [0, 1], 1.5]}
    assert [type(each) for each in stored["k"][:2]] == [str, int]
    assert [type(key) for key in stored] == [str]


def test_a_full_aio_queue_takes_no_mail_either() -> None:
    """`enqueue` refuses at once, `aenqueue` after its deadline."""
    import modernmail
    from modernmail import Message

    modernmail.configure({"default": {"url": "memory:", "from_email": "a@example.com"}})
    tasks.configure("aio:?workers=1&size=1&wait=0.01")
    message = Message("Hello", "Text", to=["you@example.com"])

    async def main() -> None:
        await chores.wait_for_gate.aenqueue()
        await asyncio.sleep(0)
        message.enqueue()
        with pytest.raises(QueueFull, match="1 are queued"):
            message.enqueue()
        with pytest.raises(QueueFull):
            await message.aenqueue()
        chores.gate.set()
        await task_backends.aclose()

    asyncio.run(main())
    modernmail.configure({})
    asyncio.run(immediate_mail())


async def immediate_mail() -> None:
    """Send a mail at once, on the loop."""
    import modernmail
    from modernmail import Message

    modernmail.configure({"default": {"url": "memory:", "from_email": "a@example.com"}})
    ticket = await Message("Hello", "Text", to=["you@example.com"]).aenqueue(backend="immediate:")
    assert ticket.status == "accepted"
    assert "accepted" in repr(ticket)
    modernmail.configure({})


def test_a_loop_thread_ends_what_runs_on_it() -> None:
    """Closing cancels what is left, and the next coroutine starts another loop."""
    from modernmail.tasks.loopthread import LoopThread

    loop = LoopThread()
    started = threading.Event()
    cancelled = threading.Event()

    async def endless() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    def run() -> None:
        with pytest.raises(concurrent.futures.CancelledError):
            loop.run(endless())

    waiting = threading.Thread(target=run, daemon=True)
    waiting.start()
    assert started.wait(10)
    loop.close()
    assert cancelled.wait(10)
    loop.close()

    async def fail_in_thread() -> str:
        try:
            await asyncio.to_thread(chores.fail.func)
        except ValueError as error:
            return str(error)
        return ""

    assert loop.run(fail_in_thread()) == "no luck"
    loop.close()


@pytest.mark.parametrize("scheme", ["thread", "aio"])
@pytest.mark.parametrize("what", ["calls", "mails", "mails at once"])
def test_a_queue_that_is_full_in_the_middle_says_what_it_took(scheme: str, what: str) -> None:
    """Of three calls, or three mails, two have a place: the error has their results, or tickets, in order."""
    from modernmail import Message

    modernmail.configure({"default": {"url": "memory:", "from_email": "a@example.com"}})
    tasks.configure(f"{scheme}:?workers=1&size=2&wait=0")
    mails = [Message(f"Mail {number}", "Text", to=["you@example.com"]) for number in range(3)]
    started = threading.Event()
    task_started.connect(lambda **_: started.set())

    async def enqueueing() -> None:
        if what == "calls":
            await chores.note.aenqueue_many([(1,), (2,), (3,)])
        elif what == "mails":
            await tasks.aenqueue_many(mails)
        else:
            tasks.enqueue_many(mails)

    async def main() -> tuple[Any, ...]:
        await chores.wait_for_gate.aenqueue()
        await asyncio.to_thread(started.wait, 10)
        with pytest.raises(QueueFull) as full:
            await enqueueing()
        chores.gate.set()
        await task_backends.aclose()
        return full.value.enqueued

    taken = asyncio.run(main())
    modernmail.configure({})
    if what == "calls":
        assert [result.args for result in taken] == [[1], [2]]
        assert chores.done == [1, 2]
    else:
        assert [ticket.status for ticket in taken] == ["accepted", "accepted"]
