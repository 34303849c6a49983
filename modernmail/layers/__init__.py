"""What happens before and after a delivery: each layer is one small file.

`Mailer(url, layers=[Redirect(…), Retry(…), RateLimit(…), DKIM(…)])` takes them first to last. The names are imported
when they are first asked for.
"""

from __future__ import annotations

from .layer import Again, Layer, Stop, Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .archive import Archive as Archive
    from .defaults import Defaults as Defaults
    from .defaults import Overrides as Overrides
    from .dkim import DKIM as DKIM
    from .limits.redis import RedisLimits as RedisLimits
    from .limits.sqlite import SQLiteLimits as SQLiteLimits
    from .ratelimit import RateLimit as RateLimit
    from .redirect import Redirect as Redirect
    from .retry import Retry as Retry
    from .suppress import MemorySuppressions as MemorySuppressions
    from .suppress import Suppress as Suppress
    from .suppressions import SQLiteSuppressions as SQLiteSuppressions
    from .url import register_layer as register_layer

_HOMES = {
    "Archive": "archive",
    "DKIM": "dkim",
    "Defaults": "defaults",
    "MemorySuppressions": "suppress",
    "Overrides": "defaults",
    "RateLimit": "ratelimit",
    "Redirect": "redirect",
    "RedisLimits": "limits.redis",
    "Retry": "retry",
    "SQLiteLimits": "limits.sqlite",
    "SQLiteSuppressions": "suppressions",
    "Suppress": "suppress",
    "register_layer": "url",
}

__all__ = [
    "DKIM",
    "Again",
    "Archive",
    "Defaults",
    "Layer",
    "MemorySuppressions",
    "Overrides",
    "RateLimit",
    "Redirect",
    "RedisLimits",
    "Retry",
    "SQLiteLimits",
    "SQLiteSuppressions",
    "Stop",
    "Suppress",
    "Wait",
    "register_layer",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
