"""How a mail is to be queued: `MailOptions`, checked when it is made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from modernmail.errors import InvalidTask

from .moment import check_moment, moment_of
from .task import DEFAULT_BACKEND, DEFAULT_QUEUE, check_settings

_LONGEST_KEY = 255


@dataclass(frozen=True, kw_only=True)
class MailOptions:
    """The settings of one enqueue.

    `using` is the mailer, `backend` the task backend; `run_after` and `expires` are aware datetimes or
    timedeltas from now; `idempotency_key` is any text up to 255 characters; `by_reference` leaves large files
    where they are; `connection` is the caller's own, whose transaction the mail belongs to.
    """

    using: str = "default"
    run_after: datetime | timedelta | None = None
    priority: int = 0
    idempotency_key: str | None = None
    expires: datetime | timedelta | None = None
    by_reference: bool = False
    queue_name: str = DEFAULT_QUEUE
    backend: str = DEFAULT_BACKEND
    connection: Any = None

    def __post_init__(self) -> None:
        now = datetime.now(UTC)
        for name in ("run_after", "expires"):
            value = getattr(self, name)
            check_moment(name, value)
            if value is not None:
                object.__setattr__(self, name, moment_of(name, value, now))
        check_settings(self.priority, using=self.using, queue_name=self.queue_name, backend=self.backend)
        key = self.idempotency_key
        if key is not None and (not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY):
            raise InvalidTask("idempotency_key", key, f"must be text of 1 to {_LONGEST_KEY} characters")
        if key is not None and not key.isascii() and any("\ud800" <= char <= "\udfff" for char in key):
            raise InvalidTask("idempotency_key", key, "must be text without lone surrogates")
        expires, starts = self.expires_at, self.starts_at
        if expires is not None and expires <= (starts or now.timestamp()):
            raise InvalidTask("expires", self.expires, "is before the mail could be sent")

    @property
    def starts_at(self) -> float | None:
        """When the mail may first be sent, in seconds since 1970."""
        return self.run_after.timestamp() if isinstance(self.run_after, datetime) else None

    @property
    def expires_at(self) -> float | None:
        """When the mail is given up, in seconds since 1970."""
        return self.expires.timestamp() if isinstance(self.expires, datetime) else None
