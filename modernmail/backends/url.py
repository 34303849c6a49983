"""The backend that a URL stands for: the schemes there are, ours, registered and installed ones.

`Mailer` and `configure` call `backend_from_url`; a third-party backend registers its scheme with `register_backend` or
by an entry point in the group `modernmail.backends`.

Rules of the file: an unknown scheme is an error that lists what exists.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from .backendurl import BackendURL as BackendURL
from .composite import CompositeURL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .backend import Backend

    Factory = Callable[[BackendURL], Backend]


_factories: dict[str, Factory] = {}


def register_backend(scheme: str, factory: Factory) -> None:
    """Let URLs of this scheme stand for the backends that `factory(BackendURL)` makes."""
    if not scheme.replace("+", "").replace("-", "").replace(".", "").isalnum() or not scheme[0].isalpha():
        raise ConfigurationError(f"{scheme!r} is not a URL scheme")
    if scheme.lower() in _BUILT_IN:
        raise ConfigurationError(f"the scheme {scheme!r} is built in: choose another")
    _factories[scheme.lower()] = factory


def backend_from_url(url: str, overrides: Mapping[str, Any] | None = None) -> Backend:
    """Return the backend a URL stands for; `overrides` are a literal `username` and `password`, and a `token` provider.

    Raises `ConfigurationError`.
    """
    if CompositeURL.matches(url):
        return _composite(CompositeURL(url), overrides or {})
    parsed = BackendURL(url)
    for name, value in (overrides or {}).items():
        if value is not None:
            setattr(parsed, name, value)
    factory = _BUILT_IN.get(parsed.scheme) or _factories.get(parsed.scheme) or _installed(parsed.scheme)
    if factory is None:
        there_are = ", ".join(sorted({*_BUILT_IN, *_factories, *_installed_schemes()}))
        composite = " and ".join(f"{name}(…)" for name in COMPOSITES)
        raise ConfigurationError(
            f"there is no backend for the scheme {parsed.scheme!r}; there are {there_are}; and of several, {composite}"
            + ("" if "//" in url else "; the URL of a server is written smtp://host:port")
        )
    return factory(parsed)


def _composite(url: CompositeURL, overrides: Mapping[str, Any]) -> Backend:
    """Return the backend of backends that a URL stands for."""
    if url.scheme not in COMPOSITES:
        there_are = ", ".join(f"{name}(…)" for name in COMPOSITES)
        raise ConfigurationError(
            f"there is no backend of backends named {url.scheme}(…); there are {there_are}; "
            "a layer stands around all of them, not inside"
        )
    if any(value is not None for value in overrides.values()):
        raise ConfigurationError(
            f"{url.scheme}(…): user name and password go into the URLs of its members; "
            "members with a token provider are made in code"
        )
    return COMPOSITES[url.scheme](url)


def _installed(scheme: str) -> Factory | None:
    """Return what an installed package offers for a scheme that nobody registered."""
    from importlib.metadata import entry_points

    for found in entry_points(group="modernmail.backends", name=scheme):
        factory: Factory = found.load()
        return factory
    return None


def _installed_schemes() -> set[str]:
    from importlib.metadata import entry_points

    return entry_points(group="modernmail.backends").names


def _console(url: BackendURL) -> Backend:
    from .console import ConsoleBackend

    url.refuse_all()
    return ConsoleBackend()


def _memory(url: BackendURL) -> Backend:
    from .memory import MemoryBackend

    url.refuse_all()
    return MemoryBackend()


def _null(url: BackendURL) -> Backend:
    from .null import NullBackend

    url.refuse_all()
    return NullBackend()


def _file(url: BackendURL) -> Backend:
    from .file import FileBackend

    if url.host != "localhost":  # RFC 8089 2: this machine
        if url.host and url.username is None:
            raise ConfigurationError(
                f"file: takes no host, and {url.host!r} stands where one does; a folder is file:///srv/mails, "
                "or file:mails for one below here"
            )
        url.refuse_host()
    url.refuse_options()
    if not url.path.strip("/"):
        raise ConfigurationError("file: needs a directory, such as file:///var/mail/outgoing")
    return FileBackend(url.path)


def _sendmail(url: BackendURL) -> Backend:
    from .sendmail import sendmail_from_url

    return sendmail_from_url(url)


def _smtp(url: BackendURL) -> Backend:
    from .smtp import SMTPBackend
    from .smtp_options import settings_from

    return SMTPBackend(settings_from(url))


_BUILT_IN: dict[str, Factory] = {
    "console": _console,
    "file": _file,
    "lmtp": _smtp,
    "memory": _memory,
    "null": _null,
    "sendmail": _sendmail,
    "smtp": _smtp,
    "smtps": _smtp,
}


def _failover(url: CompositeURL) -> Backend:
    from .failover import Failover

    return Failover(map(backend_from_url, url.members), **_period(url))


def _roundrobin(url: CompositeURL) -> Backend:
    from .roundrobin import RoundRobin

    return RoundRobin(map(backend_from_url, url.members), **_period(url))


def _period(url: CompositeURL) -> dict[str, float]:
    url.refuse_options(("retry_period",))
    text = url.options.get("retry_period")
    if text is None:
        return {}
    try:
        return {"retry_period": float(text)}
    except ValueError:
        raise ConfigurationError(f"retry_period={text!r}: must be seconds, 0 or more") from None


COMPOSITES: dict[str, Callable[[CompositeURL], Backend]] = {"failover": _failover, "roundrobin": _roundrobin}
