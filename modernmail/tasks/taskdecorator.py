"""`@task`: what makes a `Task` of a function, typed so that a checker knows its parameters and its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar, overload

from .task import DEFAULT_BACKEND, DEFAULT_QUEUE, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from .result import TaskContext
    from .retry import Retry

P = ParamSpec("P")
T = TypeVar("T")


@overload
def task(function: Callable[P, Coroutine[Any, Any, T]], /) -> Task[P, T]: ...
@overload
def task(function: Callable[P, T], /) -> Task[P, T]: ...
@overload
def task(
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: Literal[True],
    retry: Retry | None = ...,
) -> _ContextDecorator: ...
@overload
def task(
    *,
    priority: int = ...,
    queue_name: str = ...,
    backend: str = ...,
    takes_context: Literal[False] = ...,
    retry: Retry | None = ...,
) -> _Decorator: ...
def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    priority: int = 0,
    queue_name: str = DEFAULT_QUEUE,
    backend: str = DEFAULT_BACKEND,
    takes_context: bool = False,
    retry: Retry | None = None,
) -> Any:
    """Make a task of a module-level function; bare, or with settings.

    With `takes_context=True` the function gets a `TaskContext` as its first argument, named `context`.

    ::

        @task
        def email_users(emails, subject, message):
            return send_mail(subject, message, None, emails)

        @task(priority=10, queue_name="newsletters", retry=Retry(max_attempts=5))
        async def send_newsletter(number): ...

        email_users.enqueue(emails=["you@example.com"], subject="You have a message", message="Hello there!")
    """

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        return Task(
            func=function,
            priority=priority,
            queue_name=queue_name,
            backend=backend,
            takes_context=takes_context,
            retry=retry,
        )

    return decorate if function is None else decorate(function)


if TYPE_CHECKING:
    from typing import Protocol

    class _Decorator(Protocol):
        """`@task(...)` without a context: takes an async function or a plain one."""

        @overload
        def __call__(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> Task[P, T]: ...
        @overload
        def __call__(self, function: Callable[P, T], /) -> Task[P, T]: ...

    class _ContextDecorator(Protocol):
        """`@task(takes_context=True)`: takes an async function or a plain one, whose callers don't pass the context."""

        @overload
        def __call__(
            self, function: Callable[Concatenate[TaskContext, P], Coroutine[Any, Any, T]], /
        ) -> Task[P, T]: ...
        @overload
        def __call__(self, function: Callable[Concatenate[TaskContext, P], T], /) -> Task[P, T]: ...
