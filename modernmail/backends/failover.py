"""`failover(smtp://a smtp://b)`: the first backend that can take the mail takes it."""

from __future__ import annotations

from ..errors import ConfigurationError, DeliveryError
from .backend import Backend
from .members import Member
from .several import SeveralReceipts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO
    from .backend import Parcels, Receipts


class Failover(Backend):
    """Mail goes to the first of `members` that is up; one that is down is tried again after `retry_period` seconds.

    A mail is taken to the next member only when that can help: nothing of it was sent, or the server put it off (4xx), or
    lacks what it needs (8BITMIME, SMTPUTF8, room). A 5xx for a recipient is final, and so is not knowing whether a mail
    arrived. The mail is the same for each; who has it gets it from no other. The receipt's notes, and the error when
    nobody accepted, name each attempt.

    >>> from modernmail.backends.url import backend_from_url
    >>> backend_from_url("failover(smtp://a.example smtp://b.example)?retry_period=60")
    <Failover(SMTPBackend a.example:587, SMTPBackend b.example:587)>
    """

    def __init__(self, members: Iterable[Backend], *, retry_period: float = 60.0) -> None:
        self._members = [Member(one) for one in _checked(type(self).__name__, members)]
        if isinstance(retry_period, bool) or not 0 <= retry_period < float("inf"):
            raise ConfigurationError(f"retry_period={retry_period!r}: must be seconds, 0 or more")
        self.retry_period = retry_period
        self.members = tuple(member.backend for member in self._members)
        self.hosts = tuple(host for backend in self.members for host in backend.hosts)
        self.is_store = all(backend.is_store for backend in self.members)

    def deliver(self, parcels: Parcels, io: IO) -> Receipts:
        """Return the receipts of a burst, each from the member that could."""
        return SeveralReceipts(self._members, parcels, io, period=self.retry_period, start=_first)

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Deliver one parcel."""
        from .single import send_single

        return await send_single(self, parcel, io)

    async def verify(self, io: IO) -> dict[str, Any]:
        """Verify each member; return what each says. Raises the last one's error, which names all, when none could."""
        facts: dict[str, Any] = {}
        errors: list[DeliveryError] = []
        for member in self._members:
            try:
                facts[member.name] = "ready"
                await member.backend.verify(io)
            except DeliveryError as error:
                facts[member.name] = str(error)
                errors.append(error)
        if len(errors) == len(self._members):
            told = "; ".join(f"{name}: {fact}" for name, fact in facts.items())
            raise type(errors[-1])(told, is_transient=any(error.is_transient for error in errors))
        return facts

    async def close(self, io: IO) -> None:
        """Close every member."""
        for backend in self.members:
            await backend.close(io)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({', '.join(member.name for member in self._members)})>"


def _first() -> int:
    return 0


def _checked(kind: str, members: Iterable[Backend]) -> tuple[Backend, ...]:
    found = tuple(members)
    if not found:
        raise ConfigurationError(f"{kind} needs at least one backend")
    for member in found:
        if not isinstance(member, Backend):
            raise ConfigurationError(
                f"{kind}: {type(member).__name__} is no Backend: make one by backend_from_url(…)"
            )
    return found
