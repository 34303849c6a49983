"""A server that lets nobody in: `Unreached`, which ends a stream at the first mail that found no connection.

What happened to that one mail is true of all that wait behind it, and says nothing about any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modernmail.errors import AuthenticationFailed, ConnectFailed, DeliveryError, SecurityFailed

if TYPE_CHECKING:
    from modernmail.receipt import Receipt


class Unreached(Exception):
    """No connection came about; `is_brief` says that this may be another matter in a moment."""

    def __init__(self, error: DeliveryError) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.is_brief = isinstance(error, ConnectFailed) and error.is_transient


def unreached(receipt: Receipt) -> Unreached | None:
    """Return what follows for the stream when there was no connection for a mail; None when there was one.

    A connection that broke before the content was sent is none of these: the server may mind this very mail.
    """
    error = receipt.error
    if not isinstance(error, (ConnectFailed, SecurityFailed, AuthenticationFailed)):
        return None
    if "envelope" in receipt.timings:  # it had a connection for so long
        return None
    outcomes = receipt.recipients.values()
    if not all(outcome.status == "deferred" and outcome.phase == "connect" for outcome in outcomes):
        return None
    return Unreached(error)
