"""Every error modernmail raises, in one tree.

::

    MailError
    ├── InvalidValue (ValueError)      something you passed; .argument, .value, .reason
    │   ├── InvalidAddress
    │   ├── InvalidHeader
    │   ├── InvalidAttachment
    │   ├── InvalidLink                an unsubscribe link that is not ours, was changed or has expired
    │   ├── InvalidMessage
    │   ├── InvalidPolicy              a Content-Security-Policy that browsers would misread
    │   ├── InvalidSearch              a search of the inbox that means nothing
    │   └── InvalidTask                a function or argument that cannot be queued
    ├── ConfigurationError             a URL, an option, a mailer's name, a missing extra
    │   └── InvalidTaskBackend
    ├── DeliveryError                  nobody was accepted; .receipt, .reply, .is_transient
    │   ├── ConnectFailed              no connection, no greeting, or it broke before the content was sent
    │   ├── SecurityFailed             TLS missing, unverified or broken; a password that would go in clear
    │   ├── AuthenticationFailed
    │   ├── SenderRefused
    │   ├── RecipientsRefused
    │   ├── ContentRefused
    │   ├── Withheld                   a layer of ours kept it back: suppressed, or outside the staging guard
    │   │   └── RateLimited            …or more than its limit lets through now
    │   ├── StoreUnavailable           a store that a layer must ask first (limits, suppressions): nothing was sent
    │   └── OutcomeUnknown             the mail may have been accepted: look before you send it again
    ├── MailNotFound (LookupError)     no mail with this id is in the inbox; .mail_id
    └── QueueError                     the queue itself; .enqueued, what of many it took before it failed
        ├── QueueFull
        ├── QueueUnavailable           locked, read-only, full or corrupt
        ├── IdempotencyConflict        the same key, other content
        ├── PayloadRejected            a newer version, or a bad signature
        ├── TaskResultDoesNotExist
        └── TaskResultMismatch

Rules of the file: it imports nothing of ours at run time; a message never holds a secret; predicates
(`is_transient`) are attributes, so that callers need no list of classes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .receipt import Receipt
    from .reply import Reply

_SHOWN = 200  # characters of a value that an error shows: enough to recognise it, no page of log


def shown(value: object) -> str:
    """Return `repr(value)`, cut in the middle when it is long."""
    text = repr(value) if not isinstance(value, (str, bytes)) else repr(value[: _SHOWN * 2])
    if len(text) <= _SHOWN:
        return text
    return f"{text[: _SHOWN - 40]} … {text[-30:]}"


class MailError(Exception):
    """Whatever modernmail raises is one of these."""


class InvalidValue(MailError, ValueError):
    """An argument cannot be used: `argument` names it, `value` was passed, `reason` says what is wrong.

    >>> str(InvalidValue("to", "a@", "the domain is missing"))
    "to: 'a@': the domain is missing"
    """

    def __init__(self, argument: str, value: object, reason: str) -> None:
        super().__init__(f"{argument}: {shown(value)}: {reason}")
        self.argument = argument
        self.value = value
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        # To another process goes what any process can read; an open file or a function goes as the words for it.
        value = self.value if _is_plain(self.value) else shown(self.value)
        return _rebuilt, (type(self), self.args, self.argument, value, self.reason)

    def __copy__(self) -> InvalidValue:
        return type(self)(self.argument, self.value, self.reason)

    def within(self, argument: str) -> InvalidValue:
        """Return the same error, naming the argument that the caller wrote."""
        return type(self)(argument, self.value, self.reason)


def _is_plain(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, value)) and all(map(_is_plain, value.values()))
    return value is None or type(value) in (str, bytes, int, float, bool)


def _rebuilt(
    kind: type[InvalidValue], words: tuple[str], argument: str, value: object, reason: str
) -> InvalidValue:
    error = kind.__new__(kind, *words)
    error.argument, error.value, error.reason = argument, value, reason
    return error


class InvalidAddress(InvalidValue):
    """Not exactly one mailbox, or one that no header and no envelope can carry."""


class InvalidHeader(InvalidValue):
    """A header name or value that would change the structure of the mail."""


class InvalidAttachment(InvalidValue):
    """A part that cannot be carried: its name, media type, content-id, content or file."""


class InvalidMessage(InvalidValue):
    """A message that cannot be sent as it stands."""


class InvalidLink(InvalidValue):
    """An unsubscribe link that none of the keys has signed, that was changed, or that has expired."""


class InvalidPolicy(InvalidValue):
    """A Content-Security-Policy, or a report about one, that cannot be what was meant."""


class InvalidSearch(InvalidValue):
    """A search of the inbox with a field or a date that it does not know."""


class InvalidTask(InvalidValue):
    """A function that cannot be a task, or an argument that cannot be queued."""


class ConfigurationError(MailError):
    """A URL, an option or a name in the configuration is wrong, or an extra is not installed."""


class InvalidTaskBackend(ConfigurationError):
    """No such task backend, or one that cannot do what was asked."""


class DeliveryError(MailError):
    """Nobody accepted the mail.

    `receipt` says what became of each recipient (None when no attempt got that far), `reply` is the server's
    decisive answer (None when we decided), `is_transient` says whether trying later, without a change, may
    help. `conversation` is what was said, without credentials and without content.
    """

    def __init__(
        self,
        message: str,
        *,
        receipt: Receipt | None = None,
        reply: Reply | None = None,
        is_transient: bool = False,
        conversation: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message)
        self.receipt = receipt
        self.reply = reply
        self.is_transient = is_transient
        self.conversation = conversation

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.args[0],), self.__dict__


class ConnectFailed(DeliveryError):
    """No connection, no usable greeting, or the connection broke before the content was sent."""


class SecurityFailed(DeliveryError):
    """TLS is missing, unverified or broken, or a password would have gone in clear: nothing was sent."""


class AuthenticationFailed(DeliveryError):
    """The server did not take the credentials: nothing was sent."""


class SenderRefused(DeliveryError):
    """The server refused the reverse-path (MAIL)."""


class RecipientsRefused(DeliveryError):
    """Every recipient was refused (RCPT)."""


class ContentRefused(DeliveryError):
    """The content was refused: its size, its form, or what a filter made of it."""


class Withheld(DeliveryError):
    """A layer kept the mail back by its own rule: nothing was sent."""


class RateLimited(Withheld):
    """The rate limit lets no mail through within the patience that was given: nothing was sent."""


class StoreUnavailable(DeliveryError):
    """A store that must be asked before a mail may go cannot be reached or read: nothing was sent."""


class OutcomeUnknown(DeliveryError):
    """The content was sent and no answer came: the mail may or may not have been accepted."""


class MailNotFound(MailError, LookupError):
    """No mail with this id is kept in the inbox: it never was, was deleted, or made room for newer ones."""

    def __init__(self, mail_id: str) -> None:
        super().__init__(mail_id)
        self.mail_id = mail_id

    def __str__(self) -> str:
        return f"no mail {shown(self.mail_id)} in this inbox"


class QueueError(MailError):
    """The queue could not do what was asked; what it holds is kept.

    `enqueued` has the tickets or results of what it took before, when it failed in the middle of many.
    """

    enqueued: tuple[Any, ...] = ()


class QueueFull(QueueError):
    """The queue takes no more, and the deadline for a place has passed."""


class QueueUnavailable(QueueError):
    """The queue's store is locked, read-only, full, corrupt or of a newer version."""


class IdempotencyConflict(QueueError):
    """The idempotency key is taken by a mail with other content."""


class PayloadRejected(QueueError):
    """A stored job is of a newer version, or its signature is missing or wrong."""


class TaskResultDoesNotExist(QueueError):
    """No result is kept under this id."""


class TaskResultMismatch(QueueError):
    """The result belongs to another task."""
