"""Layers in a URL: `redirect(retry(smtp://mail.example.com)?max_attempts=5)?to=dev@example.com`, the first one outside.

The mailer peels them off; the backend is what is left. A third-party layer registers its name with `register_layer`.

Rules of the file: each layer has a table of its options, with a reader for each; what is not in it is an error that names
what is. An option that ends with a dot in the table is a family: `header.X-Campaign=autumn`.
"""

from __future__ import annotations

from ..backends.composite import CompositeURL
from ..backends.url import COMPOSITES
from ..errors import ConfigurationError, InvalidValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from .layer import Layer

    Reader = Callable[[str, str], Any]
    Factory = Callable[[Mapping[str, str]], Layer]


def layers_from_url(url: str) -> tuple[list[Layer], str]:
    """Return the layers that stand around a backend in a URL, the outermost first, and the URL of that backend.

    Raises `ConfigurationError`.

    >>> layers_from_url("ratelimit(retry(smtp://mail.example.com)?max_attempts=5)?limit=10/s")
    ([<RateLimit 10 messages in 1 s>, <Retry 5 attempts within 300 s>], 'smtp://mail.example.com')
    """
    layers: list[Layer] = []
    while CompositeURL.matches(url):
        parsed = CompositeURL(url)
        factory = _factories.get(parsed.scheme)
        if factory is None and parsed.scheme not in _BUILT_IN:
            if parsed.scheme not in COMPOSITES:
                layers_are = ", ".join(f"{name}(…)" for name in sorted((*_BUILT_IN, *_factories)))
                raise ConfigurationError(
                    f"there is no layer and no backend of backends named {parsed.scheme}(…); there are the layers "
                    f"{layers_are}, and {', '.join(f'{name}(…)' for name in COMPOSITES)}"
                )
            break
        if len(parsed.members) != 1:
            raise ConfigurationError(
                f"{parsed.scheme}(…) is a layer: it stands around one backend, such as failover(…)"
            )
        layers.append(factory(parsed.options) if factory else _built_in(parsed))
        url = parsed.members[0]
    return layers, url


def register_layer(name: str, factory: Factory) -> None:
    """Let `name(…)?options` in a URL stand for the layer that `factory(options)` makes."""
    if not name.replace("-", "").isalnum() or name.lower() in _BUILT_IN:
        raise ConfigurationError(f"{name!r} cannot be the name of a layer in a URL")
    _factories[name.lower()] = factory


def _built_in(url: CompositeURL) -> Layer:
    from importlib import import_module

    home, name, options = _BUILT_IN[url.scheme]
    values: dict[str, Any] = {}
    for option, text in url.options.items():
        family, dot, rest = option.partition(".")
        if dot and f"{family}." in options:  # header.X-Campaign=autumn
            values.setdefault(options[f"{family}."][0], []).append((rest, text))
            continue
        if option not in options or option.endswith("."):
            there_are = ", ".join(f"{known}NAME" if known.endswith(".") else known for known in options)
            raise ConfigurationError(f"{url.scheme}(…) has no option {option!r}; there are {there_are}")
        argument, read = options[option]
        values[argument] = read(option, text)
    for option in _NEEDED.get(url.scheme, ()):
        if option not in url.options:
            raise ConfigurationError(f"{url.scheme}(…) needs the option {option}")
    layer: Callable[..., Layer] = getattr(import_module(f"{__package__}.{home}"), name)
    try:
        return layer(**values)
    except InvalidValue as error:
        raise ConfigurationError(f"{url.scheme}(…): {error}") from None


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{option}={text!r}: must be a number") from None


def _whole(option: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ConfigurationError(f"{option}={text!r}: must be a whole number")
    return int(text)


def _switch(option: str, text: str) -> bool:
    if text not in ("on", "off"):
        raise ConfigurationError(f"{option}={text!r}: must be on or off")
    return text == "on"


def _text(_option: str, text: str) -> str:
    return text


def _list(_option: str, text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _paths(option: str, text: str) -> list[Path]:
    from pathlib import Path

    return [Path(item) for item in _list(option, text)]


def _preset(option: str, text: str) -> str | list[str]:
    """Return a preset's name, or a list of two or more."""
    return _list(option, text) if "," in text else text


def _limits(option: str, text: str) -> Any:
    scheme, colon, path = text.partition("://")
    if colon and scheme in ("redis", "rediss", "unix"):
        from .limits.redis import RedisLimits

        return RedisLimits(text)
    if scheme == "sqlite" and path:
        from .limits.sqlite import SQLiteLimits

        return SQLiteLimits(path.removeprefix("/") if path.startswith("//") else path)
    raise ConfigurationError(
        f"{option}: must be sqlite:///path/to/limits.sqlite or redis://host:6379/0, percent-encoded"
    )


def _suppressions(option: str, text: str) -> Any:
    scheme, _, path = text.partition("://")
    if scheme != "sqlite" or not path:
        raise ConfigurationError(f"{option}: must be sqlite:///path/to/suppressions.sqlite")
    from .suppressions import SQLiteSuppressions

    return SQLiteSuppressions(path.removeprefix("/") if path.startswith("//") else path)


_FIELDS: dict[str, tuple[str, Reader]] = {
    "header.": ("headers", _text),
    "reply_to": ("reply_to", _list),
    "tags": ("tags", _list),
    "tag_header": ("tag_header", _text),
}

_NEEDED: dict[str, tuple[str, ...]] = {
    "archive": ("backend",),
    "dkim": ("domain", "selector", "key"),
    "ratelimit": ("limit",),
    "suppress": ("store",),
}

# The name in a URL: the module, the class, and for each option the argument and how it is read.
_BUILT_IN: dict[str, tuple[str, str, dict[str, tuple[str, Reader]]]] = {
    "archive": ("archive", "Archive", {"backend": ("backend", _text), "to": ("to", _text)}),
    "defaults": ("defaults", "Defaults", _FIELDS),
    "dkim": (
        "dkim.layer",
        "dkim_of",
        {
            "domain": ("domain", _text),
            "selector": ("selector", _list),
            "key": ("key", _paths),
            "headers": ("headers", _preset),
            "oversign": ("oversign", _list),
            "lifetime": ("lifetime", _number),
        },
    ),
    "overrides": ("defaults", "Overrides", _FIELDS),
    "ratelimit": (
        "ratelimit",
        "RateLimit",
        {
            "limit": ("limit", _text),
            "burst": ("burst", _whole),
            "unit": ("unit", _text),
            "patience": ("patience", _number),
            "store": ("store", _limits),
            "name": ("name", _text),
        },
    ),
    "redirect": (
        "redirect",
        "Redirect",
        {"to": ("to", _list), "allow": ("allow", _list), "header": ("header", _text)},
    ),
    "retry": (
        "retry",
        "Retry",
        {
            "max_attempts": ("max_attempts", _whole),
            "delay": ("delay", _number),
            "factor": ("factor", _number),
            "max_delay": ("max_delay", _number),
            "jitter": ("jitter", _number),
            "deadline": ("deadline", _number),
            "unknown": ("unknown", _switch),
        },
    ),
    "suppress": ("suppress", "Suppress", {"store": ("store", _suppressions)}),
}
_factories: dict[str, Factory] = {}
