"""Django's settings: `MAILERS` (6.1 and later), and `EMAIL_*`, which it replaces."""

from __future__ import annotations

from ..backends.url import backend_from_url
from ..errors import ConfigurationError
from .server import CLIENT_CERTIFICATE, Allowed, Imported, Server, security_of, unsupported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..backends.backend import Backend

_PACKAGE = "django.core.mail.backends."
_PLAIN = {"console": "console:", "locmem": "memory:", "dummy": "null:"}
_SMTP_OPTIONS = (
    "host", "port", "username", "password", "use_tls", "use_ssl", "timeout", "ssl_keyfile", "ssl_certfile", "fail_silently",
)  # fmt: skip
_MISSING = object()


def imported(settings: object, *, using: str, allowed: Allowed) -> Imported:
    """Return what the settings describe; None stands for `django.conf.settings`."""
    if settings is None:
        try:
            from django.conf import settings as of_django
        except ModuleNotFoundError:
            raise ConfigurationError(
                "settings: Django is not installed (pip install 'modernmail[django]'): pass an object or a mapping"
            ) from None
        settings = of_django
    get = _reader(settings)
    mailers = get("MAILERS", None)
    sender = get("DEFAULT_FROM_EMAIL", None)
    if mailers is None:
        if using != "default":
            raise ConfigurationError(f"using={using!r}: without MAILERS there is one mailer, default")
        return Imported(
            _backend(*_classic(get), where=lambda option: _CLASSIC.get(option, option), allowed=allowed),
            sender,
        )
    if using not in mailers:
        raise ConfigurationError(f"using={using!r}: MAILERS has {', '.join(sorted(mailers)) or 'none'}")
    mailer = mailers[using]
    options = dict(mailer.get("OPTIONS", {}))

    def where(option: str) -> str:
        return f"MAILERS[{using!r}]: {option}"

    return Imported(
        _backend(
            mailer.get("BACKEND", f"{_PACKAGE}smtp.EmailBackend"), options, where=where, allowed=allowed
        ),
        sender,
    )


def _backend(path: str, options: dict[str, Any], *, where: Callable[[str], str], allowed: Allowed) -> Backend:
    kind = path.removeprefix(_PACKAGE).removesuffix(".EmailBackend") if path.startswith(_PACKAGE) else ""
    unsupported(
        where("fail_silently"),
        options.pop("fail_silently", None),
        "a mail that failed is never hidden here: take it away",
    )
    if kind in _PLAIN:
        return backend_from_url(_PLAIN[kind])
    if kind == "filebased":
        from ..backends.file import FileBackend

        folder = options.get("file_path")
        if not folder:
            raise ConfigurationError(f"{where('file_path')}: the folder is missing")
        return FileBackend(folder)
    if kind != "smtp":
        raise ConfigurationError(
            f"{where('BACKEND')}: {path!r} is none of Django's own: give its server as a URL, smtp://…, to Mailer()"
        )
    for option in options:
        if option not in _SMTP_OPTIONS:
            raise ConfigurationError(f"{where(option)}: is no option of Django's SMTP backend")
    for name in ("ssl_certfile", "ssl_keyfile"):
        unsupported(where(name), options.get(name), CLIENT_CERTIFICATE)
    security = security_of(
        (where("use_tls"), options.get("use_tls")), (where("use_ssl"), options.get("use_ssl"))
    )
    server = Server(
        options.get("host"),
        options.get("port") or {"implicit": 465, "starttls": 587, "none": 25}[security],
        security,
        host_setting=where("host"),
        port_setting=where("port"),
        security_settings=f"{where('use_tls')} and {where('use_ssl')} are off",
        username=options.get("username"),
        password=options.get("password"),
        timeout=options.get("timeout"),
    )
    return server.backend(allowed)


_CLASSIC = {
    "BACKEND": "EMAIL_BACKEND",
    "host": "EMAIL_HOST",
    "port": "EMAIL_PORT",
    "username": "EMAIL_HOST_USER",
    "password": "EMAIL_HOST_PASSWORD",
    "use_tls": "EMAIL_USE_TLS",
    "use_ssl": "EMAIL_USE_SSL",
    "timeout": "EMAIL_TIMEOUT",
    "ssl_keyfile": "EMAIL_SSL_KEYFILE",
    "ssl_certfile": "EMAIL_SSL_CERTFILE",
    "file_path": "EMAIL_FILE_PATH",
}
_DEFAULTS = {"EMAIL_BACKEND": f"{_PACKAGE}smtp.EmailBackend", "EMAIL_HOST": "localhost", "EMAIL_PORT": 25}


def _classic(get: Callable[[str, Any], Any]) -> tuple[str, dict[str, Any]]:
    """Return `EMAIL_*` as the backend and the options that MAILERS would say."""
    values = {option: get(name, _DEFAULTS.get(name)) for option, name in _CLASSIC.items()}
    path = values.pop("BACKEND")
    if path.startswith(f"{_PACKAGE}smtp"):
        del values["file_path"]
    return path, values


def _reader(settings: object) -> Callable[[str, Any], Any]:
    if hasattr(settings, "keys"):
        mapping: Mapping[str, Any] = settings  # type: ignore[assignment]
        return mapping.get

    def get(name: str, default: Any) -> Any:
        import warnings

        with warnings.catch_warnings():
            # Django warns of EMAIL_* wherever it is read; that is said to whoever wrote it, elsewhere.
            for kind in (DeprecationWarning, PendingDeprecationWarning):
                warnings.simplefilter("ignore", kind)
            value = getattr(settings, name, _MISSING)
        return default if value is _MISSING else value

    return get
