"""One-click unsubscribing (RFC 2369, RFC 8058): what `Message.unsubscribe` writes, and links that only you can make.

`way` is what a message says of how to leave; `links` makes a signed link for each recipient, and reads it when it comes
back.
"""

from __future__ import annotations

from .links import UnsubscribeLinks
from .token import Unsubscription
from .way import UnsubscribeWay

__all__ = ["UnsubscribeLinks", "UnsubscribeWay", "Unsubscription"]
