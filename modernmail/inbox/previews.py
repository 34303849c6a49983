"""PreviewMailer: functions that make messages, found in a module and shown with any parameters.

::

    # mypackage/previews.py
    def welcome(name: str = "Zoë", locale: str = "en") -> Message:
        \"\"\"Sent after signing up.\"\"\"
        return render_welcome(name, locale)

`modernmail preview mypackage.previews` shows it in the inbox, with a field for each parameter.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import inspect
import pkgutil
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modernmail.errors import ConfigurationError, InvalidMessage
from modernmail.mailer import Mailer
from modernmail.message import Message

from .backend import captured
from .mail import digits_of
from .parameter import Parameter, parameters_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from .mail import CapturedMail


@dataclass(frozen=True, slots=True)
class Preview:
    """A function that makes a message: `name` (`module.function`), its docstring and its parameters."""

    name: str
    about: str
    parameters: tuple[Parameter, ...]

    @property
    def title(self) -> str:
        """The function's name in words."""
        return self.name.rpartition(".")[2].replace("_", " ").capitalize()

    @property
    def module(self) -> str:
        """Where the function is."""
        return self.name.rpartition(".")[0]


class PreviewMailer:
    """The previews of `modules` and of the modules within them.

    A preview is a public function, defined there, whose return type is written `Message` and whose parameters
    all have defaults. The modules are read anew for each rendering, so an edited template shows at once.
    Raises `ConfigurationError` for a module that cannot be imported or has no preview.
    """

    def __init__(self, *modules: str, from_email: str = "preview@example.com") -> None:
        self._modules = modules
        self._lock = threading.Lock()  # one thread reads the modules anew while no other looks into them
        self._mailer = Mailer("null:", from_email=from_email)
        if not self.previews:
            raise ConfigurationError(
                f"there are no previews in {', '.join(modules)}: def name() -> Message makes one"
            )

    @property
    def previews(self) -> tuple[Preview, ...]:
        """What there is, by name."""
        return tuple(_preview(name, function) for name, function in sorted(self._functions().items()))

    def get(self, name: str) -> Preview | None:
        """Return one preview, or None."""
        function = self._functions().get(name)
        return None if function is None else _preview(name, function)

    def render(self, name: str, values: Mapping[str, str] | None = None) -> CapturedMail:
        """Return the mail that the preview `name` makes with `values` (by parameter) in place of defaults.

        The same name and values give the same id. Raises `LookupError` for an unknown name, and whatever the
        function raises.
        """
        with self._lock:
            for module in self._loaded():
                importlib.reload(module)
            function = self._public()[name]
        given = values or {}
        chosen = {
            parameter.name: parameter.value(given[parameter.name])
            for parameter in _preview(name, function).parameters
            if parameter.name in given
        }
        message = function(**chosen)
        if not isinstance(message, Message):
            raise InvalidMessage(name, message, "must return a Message")
        if not message.recipients:
            message = message.copy(to=["somebody@example.com"])
        mail = captured(self._mailer.parcel(message))
        return dataclasses.replace(mail, id=_id(name, chosen))

    def _loaded(self) -> list[ModuleType]:
        found: dict[str, ModuleType] = {}
        for name in self._modules:
            try:
                module = importlib.import_module(name)
                found[name] = module
                for inner in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{name}."):
                    found[inner.name] = importlib.import_module(inner.name)
            except ImportError as error:
                raise ConfigurationError(f"{name} cannot be imported: {error}") from error
        return list(found.values())

    def _functions(self) -> dict[str, Callable[..., Any]]:
        with self._lock:
            return self._public()

    def _public(self) -> dict[str, Callable[..., Any]]:
        return {
            f"{module.__name__}.{name}": function
            for module in self._loaded()
            for name, function in inspect.getmembers(module, inspect.isfunction)
            if not name.startswith("_")
            and function.__module__ == module.__name__
            and _makes_message(function)
        }


def _makes_message(function: Callable[..., Any]) -> bool:
    returns = inspect.signature(function).return_annotation
    if not (returns is Message or (isinstance(returns, str) and returns.rpartition(".")[2] == "Message")):
        return False
    parameters = inspect.signature(function).parameters.values()
    return all(parameter.default is not parameter.empty for parameter in parameters)


def _preview(name: str, function: Callable[..., Any]) -> Preview:
    about = (inspect.getdoc(function) or "").partition("\n\n")[0]
    return Preview(name, about, parameters_of(function))


def _id(name: str, values: Mapping[str, Any]) -> str:
    digest = int.from_bytes(hashlib.sha256(repr((name, sorted(values.items()))).encode()).digest(), "big")
    return digits_of(digest, 22)


def path_first() -> None:
    """Let modules be found in the current folder, as `python -m` does."""
    if "" not in sys.path:
        sys.path.insert(0, "")
