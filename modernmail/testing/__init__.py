"""What the tests of a program that sends mail need: an outbox that keeps every mail, a server that misbehaves as told.

The names are imported when they are first asked for, so that loading the pytest plugin stays cheap.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .outbox import Outbox as Outbox
    from .scripted import Rule as Rule
    from .scripted import ScriptedSMTPServer as ScriptedSMTPServer
    from .sent_mail import SentMail as SentMail

_HOMES = {"Outbox": "outbox", "Rule": "scripted", "ScriptedSMTPServer": "scripted", "SentMail": "sent_mail"}

__all__ = ["Outbox", "Rule", "ScriptedSMTPServer", "SentMail"]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
