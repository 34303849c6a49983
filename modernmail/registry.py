"""The mailers of a program by name: `configure`, `mailers`, and the environment.

Rules of the file: a mailer is built when it is first asked for; a name that is not configured is an error that says how
to configure it; `MODERNMAIL_URL` and `MODERNMAIL_FROM` configure the default one.
"""

from __future__ import annotations

from contextlib import contextmanager

from .address import Address
from .errors import ConfigurationError, InvalidValue
from .mailer import Mailer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    Setting = str | Mapping[str, Any] | Mailer

_KEYS = ("url", "username", "password", "token", "from_email", "on_unknown", "layers", "max_size")


class _Configured:
    """What is set, and what was built of it: one configuration for whoever reads it once. Its repr shows no URL."""

    __slots__ = ("built", "settings")

    def __init__(self, settings: dict[str, Setting]) -> None:
        self.settings = settings
        self.built: dict[str, Mailer] = {}


class Mailers:
    """The configured mailers; `mailers["default"]` is the one that `send_mail` uses."""

    def __init__(self) -> None:
        self._configured = _Configured({})
        self._by_environment: dict[tuple[str, str | None], Mailer] = {}
        self._unconfigured: Mailer | None = None

    def __getitem__(self, name: str) -> Mailer:
        if not isinstance(name, str):
            raise ConfigurationError(f"the name of a mailer is a str, not {type(name).__name__}")
        configured = self._configured
        mailer = configured.built.get(name)
        if mailer is not None:
            return mailer
        if name in configured.settings:
            return configured.built.setdefault(name, _mailer(configured.settings[name], f"mailer {name!r}"))
        if name == "default":
            return self._default(configured)
        there_are = ", ".join(sorted(configured.settings)) or "none"
        raise ConfigurationError(f"no mailer is named {name!r}; configured: {there_are}")

    def _default(self, configured: _Configured) -> Mailer:
        """Return the default mailer when none was configured by a call."""
        environment = _environment()
        key = (environment.get("MODERNMAIL_URL", ""), environment.get("MODERNMAIL_FROM"))
        if key[0]:
            known = self._by_environment
            mailer = known.get(key)
            if mailer is None:
                try:
                    mailer = _mailer(key[0], "MODERNMAIL_URL")
                except ConfigurationError:
                    # Programs that report errors show the variables of their frames: none of these is to hold a secret.
                    environment, key, known = {}, ("", None), {}
                    raise
                mailer = known.setdefault(key, mailer)
                for other in list(known):
                    if other != key:  # of an environment that was
                        known.pop(other, None)
            return mailer
        unconfigured = self._unconfigured
        if unconfigured is not None:
            return unconfigured
        if configured.settings:
            there_are = ", ".join(sorted(configured.settings))
            raise ConfigurationError(
                f"no mailer is named 'default'; configured: {there_are}; name one with using=, or configure a 'default'"
            )
        raise ConfigurationError(
            "no mailer is configured: call modernmail.configure({'default': 'smtp://…'}), "
            "or set the environment variable MODERNMAIL_URL"
        )

    def __contains__(self, name: object) -> bool:
        return name in self._configured.settings or (
            name == "default" and bool(_environment().get("MODERNMAIL_URL"))
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._configured.settings)

    def __repr__(self) -> str:
        return f"<Mailers: {', '.join(sorted(self._configured.settings)) or 'none configured by a call'}>"

    def configure(self, settings: Mapping[str, Setting]) -> None:
        """Replace the configuration."""
        if not hasattr(settings, "items"):
            raise ConfigurationError(
                f"a mapping of names to URLs is expected, such as {{'default': 'smtp://…'}}, not {type(settings).__name__}"
            )
        for name, setting in settings.items():
            if isinstance(setting, (str, Mailer)):
                continue
            if not hasattr(setting, "keys") or "url" not in setting:
                raise ConfigurationError(
                    f"mailer {name!r}: must be a URL (a str), a Mailer, or a mapping with at least 'url'"
                )
            unknown = [key for key in setting if key not in _KEYS]
            if unknown:
                raise ConfigurationError(
                    f"mailer {name!r}: no such key as {unknown[0]!r}; there are {', '.join(_KEYS)}"
                )
        self._configured = _Configured(dict(settings))

    def close(self) -> None:
        """Close the connections that sync sending has opened, of every mailer that was used.

        As `Mailer.close`: what is on its way is waited for, and the mailers may be used again afterwards.
        """
        for mailer in self._used():
            mailer.close()

    async def aclose(self) -> None:
        """Close the connections of every mailer that was used, as `Mailer.aclose`: for the end of an async application."""
        for mailer in self._used():
            await mailer.aclose()

    def _used(self) -> list[Mailer]:
        # By lists, each made in one step: other threads build mailers meanwhile.
        return [*list(self._configured.built.values()), *list(self._by_environment.values())]

    @contextmanager
    def unconfigured(self, setting: Setting) -> Iterator[None]:
        """Let there be a default mailer inside, where none is configured: for the test kit."""
        before, self._unconfigured = self._unconfigured, _mailer(setting, "the default mailer")
        try:
            yield
        finally:
            self._unconfigured.close()
            self._unconfigured = before


def _mailer(setting: Setting, origin: str) -> Mailer:
    """Return the mailer of a setting; an error says where the setting came from."""
    if isinstance(setting, Mailer):
        return setting
    values: dict[str, Any] = {"url": setting} if isinstance(setting, str) else dict(setting)
    url = values.pop("url")
    if values.get("from_email") is None:
        values["from_email"] = _from_environment()
    try:
        return Mailer(url, **values)
    except InvalidValue as error:
        raise error.within(f"{origin}: {error.argument}") from None
    except ConfigurationError as error:
        told = ConfigurationError(f"{origin}: {error}")
    setting, url, values = "", "", {}  # shown with the frames, too
    raise told


def _from_environment() -> Address | None:
    text = _environment().get("MODERNMAIL_FROM")
    return Address.of(text, "MODERNMAIL_FROM") if text else None


def _environment() -> Mapping[str, str]:
    import os

    return os.environ


mailers = Mailers()


def configure(settings: Mapping[str, Setting]) -> None:
    """Say which mailers there are: a mapping of name to URL, or to a mapping with `url` and further arguments of `Mailer`.

    A `Mailer` that was made in code, as by `Mailer.from_django_settings()`, may stand there too.
    User name and password in a mapping are literal; in a URL they are percent-encoded. What was configured before is
    forgotten. Raises `ConfigurationError`; a URL is looked at when its mailer is first used.

    >>> configure({"default": {"url": "memory:", "from_email": "me@example.com"}})
    >>> mailers["default"].from_email.addr_spec
    'me@example.com'
    """
    mailers.configure(settings)
