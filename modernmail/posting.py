"""How a message leaves: sent now by a mailer, or queued for later.

`Message` inherits it.

Rules of the file: the mailers and the outbox are floors above; they are imported when they are asked for.
"""

from __future__ import annotations

from .errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Any

    from .address import Address
    from .receipt import Receipt
    from .tasks.ticket import Ticket


class Posting:
    """The ways out of a program."""

    if not TYPE_CHECKING:
        __slots__ = ()  # those of `Message` hold everything

    _from: tuple[Address, ...]

    def send(self, *, using: str = "default") -> Receipt:
        """Send by the mailer of this name and return the receipt. Raises as `Mailer.send` does."""
        from .registry import mailers

        return mailers[using].send(self)  # type: ignore[arg-type]  # there is no Posting but Message

    async def asend(self, *, using: str = "default") -> Receipt:
        """Send by the mailer of this name and return the receipt. Raises as `Mailer.send` does."""
        from .registry import mailers

        return await mailers[using].asend(self)  # type: ignore[arg-type]

    def enqueue(
        self,
        *,
        using: str = "default",
        run_after: datetime | timedelta | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        expires: datetime | timedelta | None = None,
        by_reference: bool = False,
        queue_name: str = "default",
        backend: str = "default",
        connection: Any = None,
    ) -> Ticket:
        """Queue the mail as it is now, and return its ticket.

        `run_after` and `expires` are aware datetimes or timedeltas from now, `priority` is from -100 to 100, higher
        first. A second mail with the same `idempotency_key` is the first one's ticket again. `by_reference` leaves
        large files where they are until the mail is sent. With `connection`, your own open one to the queue's
        database, the mail is queued when your transaction commits.

        Raises `InvalidTask` for what the task backend cannot do, `IdempotencyConflict` when other content has the
        key, and `QueueUnavailable`.
        """
        from .tasks import outbox  # the package first: another thread may be importing it

        return outbox.enqueue(
            self,  # type: ignore[arg-type]
            using=using,
            run_after=run_after,
            priority=priority,
            idempotency_key=idempotency_key,
            expires=expires,
            by_reference=by_reference,
            queue_name=queue_name,
            backend=backend,
            connection=connection,
        )

    async def aenqueue(
        self,
        *,
        using: str = "default",
        run_after: datetime | timedelta | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        expires: datetime | timedelta | None = None,
        by_reference: bool = False,
        queue_name: str = "default",
        backend: str = "default",
        connection: Any = None,
    ) -> Ticket:
        """Queue the mail as `enqueue` does, without blocking the event loop."""
        from .tasks import outbox  # as in `enqueue`

        return await outbox.aenqueue(
            self,  # type: ignore[arg-type]
            using=using,
            run_after=run_after,
            priority=priority,
            idempotency_key=idempotency_key,
            expires=expires,
            by_reference=by_reference,
            queue_name=queue_name,
            backend=backend,
            connection=connection,
        )

    def _default_sender(self) -> Address | None:
        """Return who sends when the message has no From: the default mailer's sender."""
        if self._from:
            return None
        from .registry import mailers

        try:
            return mailers["default"].from_email
        except ConfigurationError:
            return None
