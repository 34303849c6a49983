"""The address of a task backend: `scheme:rest?option=value&…`, read by `TaskBackendURL`.

Each backend takes the options it knows; `finish` refuses the rest by name. Values are never secret here
except a broker's password, which no message shows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from modernmail.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    T = TypeVar("T")


class TaskBackendURL:
    """A parsed address: `scheme`, `rest` (what stands between the colon and the question mark), and its
    options.

    >>> url = TaskBackendURL("thread:?workers=8")
    >>> url.scheme, url.whole("workers", 4, least=1)
    ('thread', 8)
    >>> url.finish()
    """

    def __init__(self, text: str) -> None:
        scheme, colon, rest = text.partition(":")
        if (
            not colon
            or not scheme
            or not scheme.isascii()
            or not scheme.replace("+", "").replace("-", "").isalnum()
        ):
            raise ConfigurationError(
                "a task backend is a URL such as thread: or sqlite:///queue.db; what was given has no scheme"
            )
        self.scheme = scheme.lower()
        self.rest, _, query = rest.partition("?")
        self._options: dict[str, str] = {}
        self._known: list[str] = []
        for name, value in parse_qsl(query, keep_blank_values=True):
            if name in self._options:
                raise ConfigurationError(f"{self.scheme}: the option {name} stands twice in the URL")
            self._options[name] = value

    @property
    def path(self) -> str:
        """The path of `scheme:///path`, percent-decoded: relative, or absolute with a fourth slash."""
        if not self.rest.startswith("///") or len(self.rest) < 4:
            raise ConfigurationError(
                f"{self.scheme}: wants a path: {self.scheme}:///queue.db is relative, "
                f"{self.scheme}:////srv/queue.db is absolute"
            )
        return unquote(self.rest[3:])

    def no_rest(self) -> None:
        """Raise when something stands between the colon and the options."""
        if self.rest:
            raise ConfigurationError(f"{self.scheme}: takes options only, as in {self.scheme}:?name=value")

    def text(self, name: str, default: str) -> str:
        """Return an option as text."""
        return self._take(name, default, str, "text")

    def whole(self, name: str, default: int, *, least: int) -> int:
        """Return an option as a whole number from `least`."""

        def read(text: str) -> int:
            number = int(text)
            if number < least:
                raise ValueError
            return number

        return self._take(name, default, read, f"a whole number from {least}")

    def seconds(self, name: str, default: float, *, least: float = 0.0) -> float:
        """Return an option as seconds, from `least`."""

        def read(text: str) -> float:
            number = float(text)
            if not math.isfinite(number) or number < least:
                raise ValueError
            return number

        return self._take(name, default, read, f"seconds, from {least:g}")

    def choice(self, name: str, default: str, choices: Iterable[str]) -> str:
        """Return an option that is one of `choices`, in any letter case."""
        names = tuple(choices)

        def read(text: str) -> str:
            return next(choice for choice in names if choice.lower() == text.lower())

        return self._take(name, default, read, " or ".join(names))

    def finish(self) -> None:
        """Raise when there is an option that nobody asked for."""
        unknown = [name for name in self._options if name not in self._known]
        if unknown:
            there_are = f"there are {', '.join(sorted(self._known))}" if self._known else "there are none"
            raise ConfigurationError(f"{self.scheme}: has no option {unknown[0]!r}; {there_are}")

    def _take(self, name: str, default: T, read: Callable[[str], T], wanted: str) -> T:
        self._known.append(name)
        text = self._options.get(name)
        if text is None:
            return default
        try:
            return read(text)
        except (ValueError, StopIteration):
            raise ConfigurationError(f"{self.scheme}: {name}={text!r}: must be {wanted}") from None
