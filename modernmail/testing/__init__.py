"""What the tests of a program that sends mail need: outboxes, real servers, one that misbehaves as told, previews.

The names are imported when they are first asked for, so that loading the pytest plugin stays cheap.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from modernmail.inbox.previews import PreviewMailer as PreviewMailer

    from .contract import check_backend as check_backend
    from .contract import check_layer as check_layer
    from .outbox import Outbox as Outbox
    from .scripted import Rule as Rule
    from .scripted import ScriptedSMTPServer as ScriptedSMTPServer
    from .sent_mail import SentMail as SentMail
    from .servers import InboxServer as InboxServer
    from .servers import SMTPServer as SMTPServer
    from .snapshots import normalised as normalised

_HOMES = {
    "InboxServer": ".servers",
    "Outbox": ".outbox",
    "PreviewMailer": "modernmail.inbox.previews",
    "Rule": ".scripted",
    "SMTPServer": ".servers",
    "ScriptedSMTPServer": ".scripted",
    "SentMail": ".sent_mail",
    "check_backend": ".contract",
    "check_layer": ".contract",
    "normalised": ".snapshots",
}

__all__ = [
    "InboxServer",
    "Outbox",
    "PreviewMailer",
    "Rule",
    "SMTPServer",
    "ScriptedSMTPServer",
    "SentMail",
    "check_backend",
    "check_layer",
    "normalised",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(home, __name__), name)
    globals()[name] = value
    return value
