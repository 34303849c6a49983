"""Tasks that the tests enqueue; a module of its own, so that a worker process can import it."""

from __future__ import annotations

import asyncio
import threading

from modernmail import send_mail
from modernmail.outcome import Outcome
from modernmail.receipt import Receipt
from modernmail.tasks import Retry, TaskContext, task

gate = threading.Event()
done: list[object] = []


@task
def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@task
async def add_later(a: int, b: int = 2) -> int:
    """Add two numbers, on a loop."""
    await asyncio.sleep(0)
    return a + b


@task
def note(value: object) -> None:
    """Remember a value."""
    done.append(value)


@task
def wait_for_gate() -> str:
    """Wait until the test opens the gate."""
    assert gate.wait(10)
    return "open"


@task
def fail() -> None:
    """Fail."""
    raise ValueError("no luck")


@task
def leave() -> None:
    """Exit."""
    raise SystemExit(3)


@task
def return_object() -> object:
    """Return what JSON cannot say."""
    return object()


@task
def return_receipt() -> Receipt:
    """Return a receipt, as send_mail does."""
    return Receipt("<1@example.com>", None, {"a@example.com": Outcome("accepted")})


@task(takes_context=True)
def which_attempt(context: TaskContext, value: str) -> list[object]:
    """Say which attempt this is."""
    return [context.attempt, context.task_result.id, value]


@task(retry=Retry(max_attempts=3, delay=0, jitter=0))
def stubborn() -> None:
    """Fail at every attempt."""
    raise OSError("still no luck")


@task(takes_context=True, retry=Retry(max_attempts=5, delay=0.01, jitter=0, on=(OSError,)))
def third_time_lucky(context: TaskContext) -> int:
    """Succeed at the third attempt."""
    if context.attempt < 3:
        raise OSError("not yet")
    return context.attempt


def plain() -> None:
    """Not a task."""


@task
def email_users(emails: list[str], subject: str, message: str) -> Receipt:
    """Send a mail, as the first example of the documentation does."""
    return send_mail(subject, message, None, emails)


class Outer:
    """A class that has one in it."""

    class Inner(Exception):
        """An exception that is not at the top of its module."""


@task
def interrupt() -> None:
    """Raise what Ctrl-C raises."""
    raise KeyboardInterrupt


@task
def cancel() -> None:
    """Raise what a cancelled coroutine raises."""
    raise asyncio.CancelledError


@task
async def cancel_later() -> None:
    """Raise what a cancelled coroutine raises, on a loop."""
    raise asyncio.CancelledError


@task
async def leave_later() -> None:
    """Exit, on a loop."""
    raise SystemExit(3)


@task
async def one_later() -> int:
    """Return one, on a loop."""
    return 1
