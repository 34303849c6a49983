"""Parameter: what varies in a preview, and what may be chosen for it."""

from __future__ import annotations

import inspect
import typing
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from modernmail.errors import InvalidMessage

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a preview: its `default`, of type str, int, float, bool or an enumeration.

    `choices` are the values that it may have, in words, when it is written `Literal["en", "de"]`, or is an
    enumeration.
    """

    name: str
    default: Any
    choices: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """The field to fill it in: `choice`, `check`, `number` or `text`."""
        if self.choices:
            return "choice"
        if isinstance(self.default, bool):
            return "check"
        return "number" if isinstance(self.default, (int, float)) else "text"

    def shown(self, value: Any) -> str:
        """Return a value as the field holds it."""
        return value.name if isinstance(value, Enum) else str(value)

    def value(self, text: str) -> Any:
        """Return `text` as the parameter's type; raises `InvalidMessage`."""
        if self.choices and text not in self.choices:
            raise InvalidMessage(self.name, text, f"must be one of {', '.join(self.choices)}")
        if isinstance(self.default, Enum):
            return type(self.default)[text]
        if isinstance(self.default, bool):
            return text.strip().lower() in {"1", "true", "yes", "on"}
        kind = type(self.default) if isinstance(self.default, (int, float)) else str
        try:
            return kind(text)
        except ValueError as error:
            raise InvalidMessage(self.name, text, f"must be a {kind.__name__}") from error


def parameters_of(function: Callable[..., Any]) -> tuple[Parameter, ...]:
    """Return the parameters of `function`, with what may be chosen for each.

    >>> def welcome(locale: Literal["en", "de"] = "en", count: int = 1): ...
    >>> [(parameter.name, parameter.kind, parameter.choices) for parameter in parameters_of(welcome)]
    [('locale', 'choice', ('en', 'de')), ('count', 'number', ())]
    """
    try:
        written = typing.get_type_hints(function)
    except (NameError, TypeError):  # a name that only a type checker imports: then nothing can be chosen
        written = {}
    found = []
    for name, parameter in inspect.signature(function).parameters.items():
        choices: tuple[str, ...] = ()
        if isinstance(parameter.default, Enum):
            choices = tuple(member.name for member in type(parameter.default))
        elif typing.get_origin(written.get(name)) is Literal:
            choices = tuple(map(str, typing.get_args(written[name])))
        found.append(Parameter(name, parameter.default, choices))
    return tuple(found)
