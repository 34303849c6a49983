"""What kind of function may be a task, and what its parameters are."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from modernmail.errors import InvalidTask

if TYPE_CHECKING:
    from collections.abc import Callable


def takes_parameter(function: Callable[..., Any], name: str) -> bool:
    """Return whether the function can be called with a keyword argument of this name."""
    parameters = inspect.signature(function).parameters.values()
    return any(each.name == name or each.kind is each.VAR_KEYWORD for each in parameters)


def check_function(function: object, *, takes_context: bool) -> None:
    """Raise `InvalidTask` unless a worker could find this function by its name, and call it."""
    if not inspect.isfunction(function):
        raise InvalidTask("func", function, "must be a function defined with def or async def")
    if function.__qualname__ != function.__name__ or function.__name__ == "<lambda>":
        raise InvalidTask("func", function.__qualname__, "must be defined at the top level of a module")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InvalidTask(
            "func", function.__qualname__, "must return its value: a generator cannot be queued"
        )
    if takes_context and next(iter(inspect.signature(function).parameters), None) != "context":
        raise InvalidTask("takes_context", function.__qualname__, "its first parameter must be named context")
