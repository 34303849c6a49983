"""An error as plain values, and back: what a receipt keeps of its error in JSON and in pickles.

Rules of the file: what tells whether a mail may be tried again is kept; what older releases did not write has its default; a
kind that there is not (any more) is a `MailError`.
"""

from __future__ import annotations

from . import errors
from .reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def described(error: errors.MailError) -> dict[str, Any]:
    """Return plain values that survive JSON.

    >>> described(errors.ConnectFailed("no route", is_transient=True))
    {'type': 'ConnectFailed', 'message': 'no route', 'is_transient': True, 'reply': None}
    """
    told: dict[str, Any] = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, errors.DeliveryError):
        told["is_transient"] = error.is_transient
        told["reply"] = None if error.reply is None else error.reply.to_dict()
    return told


def error_of(data: Mapping[str, Any], conversation: tuple[str, ...]) -> errors.MailError:
    """Return the error that `described` made these values of; the conversation is its receipt's."""
    found = getattr(errors, data["type"], None)
    kind = found if isinstance(found, type) and issubclass(found, errors.MailError) else errors.MailError
    if issubclass(kind, errors.InvalidValue):
        error: errors.MailError = kind.__new__(kind)
        Exception.__init__(error, data["message"])
        return error
    if issubclass(kind, errors.DeliveryError):
        reply = data.get("reply")
        return kind(
            data["message"],
            reply=None if reply is None else Reply.from_dict(reply),
            is_transient=data.get("is_transient", False),
            conversation=conversation,
        )
    return kind(data["message"])
