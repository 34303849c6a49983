"""The task backends of this program by name: `configure`, `task_backends`, and MODERNMAIL_TASKS_URL."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, cast

from modernmail.errors import ConfigurationError, InvalidTaskBackend
from modernmail.forks import after_fork

from .backend import TaskBackend
from .schemes import open_backend
from .url import TaskBackendURL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = logging.getLogger("modernmail.tasks")

DEFAULT = "default"
VARIABLE = "MODERNMAIL_TASKS_URL"


class TaskBackends:
    """Backends by name, opened when they are first asked for.

    `task_backends["default"]` is what was configured, else the URL in MODERNMAIL_TASKS_URL, else `thread:`. A
    name that is itself a URL, such as `task_backends["sqlite:///queue.db"]`, opens that one.
    """

    def __init__(self) -> None:
        self._begin()
        after_fork(self, TaskBackends._begin)
        self._addresses: dict[str, str | TaskBackend] = {}
        self._open: dict[str, TaskBackend] = {}

    def _begin(self) -> None:
        # In a forked child, too: another thread of the parent may hold the one before.
        self._lock = threading.RLock()

    def __getitem__(self, name: str) -> TaskBackend:
        backend = self._open.get(name)
        return backend if backend is not None else self._opened(name)

    def __iter__(self) -> Iterator[str]:
        return iter({DEFAULT: None, **dict.fromkeys(self._addresses)})

    @property
    def is_configured(self) -> bool:
        """Whether somebody said where tasks go, by a call or by the environment."""
        return DEFAULT in self._addresses or bool(os.environ.get(VARIABLE))

    def configure(self, backends: str | TaskBackend | Mapping[str, str | TaskBackend]) -> None:
        """Use these backends from now on; the ones in use until now finish what they have and are closed.

        A single URL or backend stands for `{"default": …}`. Nothing changes when one of the URLs is
        malformed.
        """
        if not isinstance(backends, (str, TaskBackend)) and not hasattr(backends, "keys"):
            raise ConfigurationError(
                "a URL such as 'sqlite:///queue.db', a TaskBackend or a mapping of names to these is expected, "
                f"not {type(backends).__name__}"
            )
        named = {DEFAULT: backends} if isinstance(backends, (str, TaskBackend)) else dict(backends)
        for name, address in named.items():
            if not isinstance(name, str) or not name:
                raise ConfigurationError(f"the name of a task backend is text, not {name!r}")
            if isinstance(address, str):
                TaskBackendURL(address)
            elif not isinstance(address, TaskBackend):
                raise ConfigurationError(
                    f"task backend {name!r}: wants a URL or a TaskBackend, not {address!r}"
                )
        with self._lock:
            before, self._open, self._addresses = self._open, {}, named
        kept = [address for address in named.values() if isinstance(address, TaskBackend)]
        for backend in before.values():
            if backend not in kept:
                backend.close()

    def close(self) -> None:
        """Close every backend that is open: what is queued in process finishes first."""
        with self._lock:
            before, self._open = self._open, {}
        for backend in before.values():
            backend.close()

    async def aclose(self) -> None:
        """Close every backend that is open, without blocking the event loop: for the end of an async
        application."""
        with self._lock:
            before, self._open = self._open, {}
        for backend in before.values():
            await backend.aclose()

    def _opened(self, name: str) -> TaskBackend:
        with self._lock:
            if name not in self._open:
                address = self._address(name)
                self._open[name] = (
                    address if isinstance(address, TaskBackend) else open_backend(name, address)
                )
            return self._open[name]

    def _address(self, name: str) -> str | TaskBackend:
        address = self._addresses.get(name)
        if address is not None:
            return address
        if ":" in name:
            return name
        if name != DEFAULT:
            known = ", ".join(map(repr, self))
            raise InvalidTaskBackend(f"no task backend is named {name!r}; there are: {known}")
        from_environment = os.environ.get(VARIABLE)
        if from_environment:
            return from_environment
        said = (
            "no task backend is configured: tasks run in threads of this process and do not outlive it (%s)"
        )
        logger.warning(said, f"modernmail.tasks.configure or {VARIABLE} chooses another")
        return "thread:"


task_backends = TaskBackends()
configure = task_backends.configure


class _DefaultBackend:
    """The backend named "default", whichever that is when an attribute is asked for."""

    def __getattr__(self, name: str) -> object:
        return getattr(task_backends[DEFAULT], name)

    def __repr__(self) -> str:
        return repr(task_backends[DEFAULT])


default_task_backend: TaskBackend = cast("TaskBackend", _DefaultBackend())
