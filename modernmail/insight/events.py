"""What can happen to a mail, to a connection and to a queued mail: one value for each.

The flow, the pool, the backends of backends and the outbox make them; subscribers get them.

Rules of the file: an event holds no content, no subject and no credential. `at` is the time, in seconds since 1970.
`sending` and `position` name the mail: a number that no other sending of this process has, and the place in its input;
`message_id` is None when no mail could be made. Each mail that begins (`Sending`, `Stopped`, or neither when it cannot even
be made) ends with exactly one of `Sent`, `Failed` and `Unknown`. A field is never taken away or given another meaning;
new ones come at the end.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..outcome import Outcome, Status
    from ..receipt import Receipt
    from ..reply import Reply


class Sending(NamedTuple):
    """An attempt begins: the mail is handed to the backend.

    `recipients` is their number, `size` that of the content in octets, `attempt` counts from 1. `backend` is how the backend
    is called, `hosts` are those it would connect to.
    """

    at: float
    sending: int
    position: int
    message_id: str
    recipients: int
    size: int
    attempt: int
    backend: str
    hosts: tuple[str, ...]


class Sent(NamedTuple):
    """The mail is through for at least one recipient. `receipt` says what became of each."""

    at: float
    sending: int
    position: int
    message_id: str
    receipt: Receipt


class Failed(NamedTuple):
    """The mail is through for nobody, and nobody may have it. `receipt` says why: its `error` is what `send()` raises."""

    at: float
    sending: int
    position: int
    message_id: str | None
    receipt: Receipt


class Unknown(NamedTuple):
    """The mail is through for nobody for certain, and somebody may have it: look before you send it again."""

    at: float
    sending: int
    position: int
    message_id: str
    receipt: Receipt


class RecipientRefused(NamedTuple):
    """This recipient is refused for good: by the server (`outcome.reply`), or here (`outcome.reason`)."""

    at: float
    sending: int
    position: int
    message_id: str
    recipient: str
    outcome: Outcome


class RecipientDeferred(NamedTuple):
    """This recipient has not got the mail, and may be tried later; nobody tries again by himself any more."""

    at: float
    sending: int
    position: int
    message_id: str
    recipient: str
    outcome: Outcome


class RecipientUnknown(NamedTuple):
    """It is not known whether this recipient has got the mail."""

    at: float
    sending: int
    position: int
    message_id: str
    recipient: str
    outcome: Outcome


class Stopped(NamedTuple):
    """A layer keeps the mail from these recipients, for `reason`: suppressed, outside the staging guard, over a limit.

    `status` is what they end as: `"rejected"` or `"deferred"`.
    """

    at: float
    sending: int
    position: int
    message_id: str
    recipients: tuple[str, ...]
    status: Status
    reason: str


class Redirected(NamedTuple):
    """A layer sends the mail to `recipients` in place of those it was `meant` for."""

    at: float
    sending: int
    position: int
    message_id: str
    meant: tuple[str, ...]
    recipients: tuple[str, ...]


class Held(NamedTuple):
    """A layer, such as a rate limit, lets the mail wait for `delay` seconds; told once for each attempt."""

    at: float
    sending: int
    position: int
    message_id: str
    delay: float


class Retrying(NamedTuple):
    """These recipients will be tried again in `delay` seconds; that will be attempt number `attempt`."""

    at: float
    sending: int
    position: int
    message_id: str
    recipients: tuple[str, ...]
    attempt: int
    delay: float


class FailedOver(NamedTuple):
    """The mail goes to another backend of several: from `left`, which could not take it, for `reason`, to `backend`."""

    at: float
    sending: int
    position: int
    message_id: str
    left: str
    backend: str
    reason: str


class Connected(NamedTuple):
    """A connection is open: greeted, secured and logged in, in `seconds`. `host` is its host and port, or its socket."""

    at: float
    host: str
    is_tls: bool
    is_async: bool
    seconds: float


class ConnectionFailed(NamedTuple):
    """No connection could be opened, within `seconds`.

    `error` is the kind, such as `"ConnectFailed"` or `"AuthenticationFailed"`, `reply` what the server said, if it said
    something, `is_transient` whether trying later may help.
    """

    at: float
    host: str
    is_async: bool
    seconds: float
    error: str
    reply: Reply | None
    is_transient: bool


class ConnectionClosed(NamedTuple):
    """A connection is closed after `mails` transactions; `is_broken`: it failed, and we did not want it closed."""

    at: float
    host: str
    is_async: bool
    mails: int
    is_broken: bool


class Queued(NamedTuple):
    """The outbox has taken the mail, and stored it where its backend is durable. `mailer` is the name of its mailer."""

    at: float
    ticket_id: str
    message_id: str
    mailer: str
    recipients: int


class GivenUp(NamedTuple):
    """The outbox tries the mail no more, though not everybody has it.

    `phase` is its last one: `"rejected"`, `"expired"`, or `"unknown"`, which waits for somebody to decide. `recipients` are
    those who have not got it, or may not have.
    """

    at: float
    ticket_id: str
    message_id: str
    mailer: str
    phase: str
    attempts: int
    recipients: tuple[str, ...]


Event: TypeAlias = (
    Sending
    | Sent
    | Failed
    | Unknown
    | RecipientRefused
    | RecipientDeferred
    | RecipientUnknown
    | Stopped
    | Redirected
    | Held
    | Retrying
    | FailedOver
    | Connected
    | ConnectionFailed
    | ConnectionClosed
    | Queued
    | GivenUp
)
