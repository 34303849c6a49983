"""Which URL makes which backend: `open_backend`, and `register_task_backend` for those of other packages.

The library's own are imported when their scheme is first met; entry points of the group
`modernmail.task_backends` are looked up only for a scheme that nobody registered.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from modernmail.errors import ConfigurationError, InvalidTaskBackend

from .url import TaskBackendURL

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .backend import TaskBackend

    Factory = Callable[[str, TaskBackendURL], TaskBackend]

GROUP = "modernmail.task_backends"

_OWN = {
    "immediate": "modernmail.tasks.schemes:_immediate",
    "dummy": "modernmail.tasks.schemes:_dummy",
    "thread": "modernmail.tasks.schemes:_thread",
    "aio": "modernmail.tasks.schemes:_aio",
    "sqlite": "modernmail.tasks.sqlite.backend:from_url",
    "celery": "modernmail.contrib.celery:from_url",
    "dramatiq": "modernmail.contrib.dramatiq:from_url",
    "procrastinate": "modernmail.contrib.procrastinate:from_url",
}
_registered: dict[str, Factory] = {}

_BY_BROKER = "; by this broker work celery:MODULE:APP and dramatiq:MODULE:BROKER"
_IN_POSTGRES = "; in PostgreSQL works procrastinate:MODULE.APP"
_BEHIND = {  # what people write who know the server, not the engine
    **dict.fromkeys(("amqp", "amqps", "rabbitmq", "redis", "rediss"), _BY_BROKER),
    **dict.fromkeys(("postgres", "postgresql"), _IN_POSTGRES),
}


def register_task_backend(scheme: str, factory: Factory) -> None:
    """Open URLs of this scheme with `factory(alias, url)`, where `url` is a `TaskBackendURL`;
    `ConfigurationError` when the scheme is the library's own."""
    if scheme in _OWN:
        raise ConfigurationError(f"the task backend scheme {scheme!r} is modernmail's own")
    _registered[scheme] = factory


def open_backend(alias: str, text: str) -> TaskBackend:
    """Return a new backend for this URL.

    Raises `InvalidTaskBackend` for an unknown scheme, and `ConfigurationError` for a malformed URL or option, and for an
    engine that is not installed.

    >>> open_backend("default", "immediate:")
    <ImmediateBackend 'default'>
    """
    url = TaskBackendURL(text)
    factory = _registered.get(url.scheme) or _own(url.scheme) or _entry_point(url.scheme)
    if factory is None:
        known = ", ".join(sorted({*_OWN, *_registered}))
        raise InvalidTaskBackend(
            f"no task backend for {url.scheme}:; there are: {known}{_BEHIND.get(url.scheme, '')}"
        )
    try:
        backend = factory(alias, url)
    except ModuleNotFoundError as error:
        if error.name != url.scheme:
            raise
        raise ConfigurationError(
            f"the task backend {url.scheme}: needs its engine: pip install 'modernmail[{url.scheme}]'"
        ) from error
    url.finish()
    return backend


def _own(scheme: str) -> Factory | None:
    path = _OWN.get(scheme)
    if path is None:
        return None
    module, _, name = path.partition(":")
    factory: Factory = getattr(import_module(module), name)
    return factory


def _entry_point(scheme: str) -> Factory | None:
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP, name=scheme):
        factory: Factory = entry.load()
        _registered[scheme] = factory
        return factory
    return None


def _immediate(alias: str, url: TaskBackendURL) -> TaskBackend:
    from .immediate import ImmediateBackend

    url.no_rest()
    return ImmediateBackend(alias)


def _dummy(alias: str, url: TaskBackendURL) -> TaskBackend:
    from .dummy import DummyBackend

    url.no_rest()
    return DummyBackend(alias)


def _thread(alias: str, url: TaskBackendURL) -> TaskBackend:
    from .thread import ThreadBackend

    url.no_rest()
    return ThreadBackend(alias, **_bounds(url, workers=4))


def _aio(alias: str, url: TaskBackendURL) -> TaskBackend:
    from .aio import AioBackend

    url.no_rest()
    return AioBackend(alias, **_bounds(url, workers=32))


def _bounds(url: TaskBackendURL, *, workers: int) -> dict[str, Any]:
    return {
        "workers": url.whole("workers", workers, least=1),
        "size": url.whole("size", 10_000, least=1),
        "wait": url.seconds("wait", 10.0),
        "drain": url.seconds("drain", 30.0),
        "results": url.whole("results", 10_000, least=0),
    }
