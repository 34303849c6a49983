"""What a type checker knows of tasks: the function's arguments and its value go through."""

from __future__ import annotations

from typing import assert_type

from modernmail import Message
from modernmail.tasks import (
    Retry,
    Task,
    TaskBackend,
    TaskContext,
    TaskResult,
    Ticket,
    default_task_backend,
    task,
    task_backends,
)


@task
def add(a: int, b: int = 0) -> int:
    """A plain function."""
    return a + b


@task(priority=5, queue_name="slow", retry=Retry(max_attempts=2))
async def fetch(url: str) -> bytes:
    """An async function, with settings."""
    return url.encode()


@task(takes_context=True)
def counted(context: TaskContext, name: str) -> int:
    """A function that gets a context, which its callers don't pass."""
    return context.attempt + len(name)


@task(takes_context=True, priority=5)
async def counted_later(context: TaskContext, name: str) -> int:
    """An async function that gets a context."""
    return context.attempt + len(name)


@task(takes_context=False, queue_name="slow")
async def without(name: str) -> int:
    """An async function that gets none, and says so."""
    return len(name)


def values() -> None:
    """Each face keeps the types of the function."""
    assert_type(add.enqueue(1, b=2), TaskResult[int])
    assert_type(add.enqueue(1).return_value, int)
    assert_type(add.call(1), int)
    assert_type(fetch.enqueue("x"), TaskResult[bytes])
    assert_type(fetch.call("x"), bytes)
    assert_type(counted.enqueue("x"), TaskResult[int])
    assert_type(counted_later.enqueue("x"), TaskResult[int])
    assert_type(counted_later.call("x"), int)
    assert_type(without.enqueue("x"), TaskResult[int])
    assert_type(add.get_result("id"), TaskResult[int])
    assert_type(add.using(priority=1).enqueue(1), TaskResult[int])
    assert_type(add.enqueue_many([{"a": 1}]), list[TaskResult[int]])


async def later() -> None:
    """Under asyncio too."""
    assert_type(await add.aenqueue(1), TaskResult[int])
    assert_type(await fetch.acall("x"), bytes)
    assert_type(await Message("s", "t", to=["you@example.com"]).aenqueue(), Ticket)


def backends() -> None:
    """A backend by its name, and the default one by its own."""
    assert_type(task_backends["default"], TaskBackend)
    assert_type(default_task_backend, TaskBackend)
    default_task_backend.close()


def takes_any(one: Task[..., object]) -> str:
    """A task of whatever function."""
    return one.module_path


def tickets(message: Message) -> str:
    """A queued mail returns a ticket, whose status is text."""
    ticket = message.enqueue(idempotency_key="x")
    assert_type(ticket, Ticket)
    assert_type(ticket.recipients, dict[str, str])
    return ticket.status
