"""A server that lets nobody in: `Unreached`, which ends a stream at the first mail that found no connection, or one on which
nothing was to be done: 421 says that the service is not available (RFC 5321 3.8), and has nothing to do with the mail.

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
    error, outcomes = receipt.error, receipt.recipients.values()
    if not isinstance(error, (ConnectFailed, SecurityFailed, AuthenticationFailed)):
        return None
    if not all(outcome.status == "deferred" and outcome.phase != "content" for outcome in outcomes):
        return None
    if "envelope" in receipt.timings:  # it had a connection, for so long
        is_over = all(outcome.reply is not None and outcome.reply.code == 421 for outcome in outcomes)
    else:
        is_over = all(outcome.phase == "connect" for outcome in outcomes)
    return Unreached(error) if is_over else None
