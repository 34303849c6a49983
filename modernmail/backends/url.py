"""Backend addresses: a URL as its parts, and the backend it stands for.

`Mailer` and `configure` call `backend_from_url`; a third-party backend registers its scheme with `register_backend` or
by an entry point in the group `modernmail.backends`.

Rules of the file: an unknown scheme or option is an error that lists what exists; an error never shows user, password or
the URL that holds them.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from .composite import CompositeURL

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..smtp.settings import TokenProvider
    from .backend import Backend

    Factory = Callable[["BackendURL"], Backend]


class BackendURL:
    """The parts of a backend's URL: `scheme`, `username`, `password`, `host`, `port`, `path`, `options`.

    User and password are percent-decoded; `token` is the provider of OAuth2 tokens that was given beside the URL. `repr`
    shows none of them.

    >>> url = BackendURL("smtp://me:s%3Acret@mail.example.com:2525?timeout=5")
    >>> url.host, url.port, url.password, url.options
    ('mail.example.com', 2525, 's:cret', {'timeout': '5'})
    >>> url
    <BackendURL smtp://mail.example.com:2525>
    """

    def __init__(self, url: str) -> None:
        from urllib.parse import parse_qsl, urlsplit

        if not isinstance(url, str) or not url.isprintable() or " " in url:
            raise ConfigurationError("a backend URL must be a str without spaces and control characters")
        try:
            parts = urlsplit(url)
            self.port = parts.port
            host = parts.hostname
        except ValueError as error:
            raise ConfigurationError(f"a backend URL is malformed: {_safe(error)}") from None
        if not parts.scheme:
            raise ConfigurationError(
                "a backend URL begins with a scheme, such as smtp://mail.example.com or console: (what was given has none)"
            )
        self.scheme = parts.scheme
        if (
            parts.netloc
            and "@" not in parts.netloc
            and ("@" in parts.path or "@" in parts.query.partition("=")[0])
        ):
            raise ConfigurationError(
                "a backend URL is malformed: write / and ? in a user name or password as %2F and %3F"
            )
        if parts.fragment:
            raise ConfigurationError(
                "a backend URL has no fragment: write # in a user name or password as %23"
            )
        self.username = None if parts.username is None else _decoded(parts.username)
        self.password = None if parts.password is None else _decoded(parts.password)
        self.token: TokenProvider | None = None
        self.host = _decoded(host) if host else ""
        self.path = _decoded(parts.path)
        self.options: dict[str, str] = {}
        for name, value in parse_qsl(parts.query, keep_blank_values=True):
            if name in self.options:
                raise ConfigurationError(f"the option {name} stands twice in the URL")
            self.options[name] = value

    def refuse_options(self, known: tuple[str, ...] = ()) -> None:
        """Raise `ConfigurationError` for an option that does not exist here."""
        for name in self.options:
            if name not in known:
                there_are = f"there are {', '.join(known)}" if known else "there are none"
                raise ConfigurationError(f"{self.scheme}: has no option {name!r}; {there_are}")

    def refuse_host(self) -> None:
        """Raise `ConfigurationError` when a host, a user or a port is given to a backend that has none."""
        if self.host or self.username or self.port or self.token:
            raise ConfigurationError(f"{self.scheme}: takes no host, user, port or token")

    def refuse_path(self) -> None:
        """Raise `ConfigurationError` when anything stands behind the scheme of a backend that has no place."""
        self.refuse_host()
        if self.path.strip("/"):
            raise ConfigurationError(f"{self.scheme}: takes nothing behind it")

    def __repr__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"<BackendURL {self.scheme}://{self.host}{port}{self.path}>"


def _decoded(text: str) -> str:
    """Return text with its %XX decoded; one that is none is an error, not text: it is a % that was not encoded."""
    from urllib.parse import unquote

    at = text.find("%")
    while at >= 0:
        digits = text[at + 1 : at + 3]
        if len(digits) < 2 or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            raise ConfigurationError(
                "a backend URL is malformed: a % in it that begins no %XX is written %25"
            )
        at = text.find("%", at + 3)
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ConfigurationError("a backend URL is malformed: its %XX are not UTF-8") from None


def _safe(error: ValueError) -> str:
    if "ort" not in str(error):
        return "its host cannot be read"
    return (
        "its port is not a number from 0 to 65535; or a user name or password holds / ? # or @, which are written "
        "%2F %3F %23 %40"
    )


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

    url.refuse_path()
    url.refuse_options()
    return ConsoleBackend()


def _memory(url: BackendURL) -> Backend:
    from .memory import MemoryBackend

    url.refuse_path()
    url.refuse_options()
    return MemoryBackend()


def _null(url: BackendURL) -> Backend:
    from .null import NullBackend

    url.refuse_path()
    url.refuse_options()
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
