"""What happens while mail is sent, told to whoever subscribes: events, and the log.

`subscribe(function)` for all mailers, `mailer.subscribe(function)` for one. The events are imported when they are first
asked for.
"""

from __future__ import annotations

from .subscribers import Subscription, subscribe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .events import Connected as Connected
    from .events import ConnectionClosed as ConnectionClosed
    from .events import ConnectionFailed as ConnectionFailed
    from .events import Event as Event
    from .events import Failed as Failed
    from .events import FailedOver as FailedOver
    from .events import GivenUp as GivenUp
    from .events import Held as Held
    from .events import Queued as Queued
    from .events import RecipientDeferred as RecipientDeferred
    from .events import RecipientRefused as RecipientRefused
    from .events import RecipientUnknown as RecipientUnknown
    from .events import Redirected as Redirected
    from .events import Retrying as Retrying
    from .events import Sending as Sending
    from .events import Sent as Sent
    from .events import Stopped as Stopped
    from .events import Unknown as Unknown

__all__ = [
    "Connected",
    "ConnectionClosed",
    "ConnectionFailed",
    "Event",
    "Failed",
    "FailedOver",
    "GivenUp",
    "Held",
    "Queued",
    "RecipientDeferred",
    "RecipientRefused",
    "RecipientUnknown",
    "Redirected",
    "Retrying",
    "Sending",
    "Sent",
    "Stopped",
    "Subscription",
    "Unknown",
    "subscribe",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import events

    value: object = getattr(events, name)
    globals()[name] = value
    return value
