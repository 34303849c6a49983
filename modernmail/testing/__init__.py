"""What the tests of a program that sends mail need: a server that misbehaves as told.

The names are imported when they are first asked for, so that loading the pytest plugin stays cheap.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .scripted import Rule as Rule
    from .scripted import ScriptedSMTPServer as ScriptedSMTPServer

_HOMES = {"Rule": "scripted", "ScriptedSMTPServer": "scripted"}

__all__ = ["Rule", "ScriptedSMTPServer"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
