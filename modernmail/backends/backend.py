"""The contract of a backend, and what a simple one gets for nothing.

A backend takes parcels from a source and gives receipts; the mailer stands on both ends. A simple backend writes
`send`; one that can do better with many writes `deliver` as well.

Rules of the contract: each parcel that was pulled has exactly one receipt, from `next` or from `close`; the receipt
carries the source's `position` of its parcel; what is about one mail is a receipt, what is about the whole sending
(`ConfigurationError`, `SecurityFailed`, `AuthenticationFailed`) is raised. Nothing here sleeps.
"""

from __future__ import annotations

from ..errors import (
    AuthenticationFailed,
    ConfigurationError,
    ContentRefused,
    DeliveryError,
    InvalidValue,
    MailError,
    OutcomeUnknown,
    SecurityFailed,
)
from ..outcome import Outcome
from ..receipt import Receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from ..parcel import Parcel
    from ..runtime import IO

    class Parcels(Protocol):
        """The source of one burst.

        `position` is the place in the input of the parcel that `next` gave last; `is_prompt` says that the next one
        comes at once, so that it may be pulled before the one before is written.
        """

        @property
        def position(self) -> int:
            """The place in the input of the parcel given last."""
            ...

        @property
        def is_prompt(self) -> bool:
            """Whether the next parcel comes at once."""
            ...

        async def next(self) -> Parcel | None:
            """Return the next parcel; None ends the burst."""
            ...

    class Receipts(Protocol):
        """The stream of receipts of one burst; None ends it."""

        async def next(self) -> Receipt | None:
            """Return the next receipt; None ends the burst."""
            ...

        async def close(self) -> list[Receipt]:
            """Stop; return the receipts of what was pulled and has none yet."""
            ...


def hurry(stream: Receipts) -> None:
    """Let the `close` of a stream wait for no mail that is on its way, if it would."""
    in_haste = getattr(stream, "hurry", None)
    if in_haste is not None:
        in_haste()


class Backend:
    """Somewhere mail can go.

    Subclass it and write `send`; `verify` and `close` when there is something to verify or to close. `hosts` are the
    hosts it would connect to: the test kit lets no test reach one by accident. A backend of backends has those of its own.
    """

    hosts: tuple[str, ...] = ()
    is_store: bool = False  # it keeps mail, and delivers it to nobody

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Deliver one parcel and return what became of it; a fault of this mail may be raised as `DeliveryError`."""
        raise NotImplementedError(f"{type(self).__name__} must write send() or deliver()")

    def deliver(self, parcels: Parcels, io: IO) -> Receipts:
        """Return the receipts of a burst of parcels."""
        return OneByOne(self, parcels, io)

    async def verify(self, io: IO) -> dict[str, Any]:
        """Make sure that mail could go now, and return facts worth showing."""
        return {}

    async def close(self, io: IO) -> None:
        """Let go of what is open; the backend may be used again afterwards."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class OneByOne:
    """The receipts of a backend that takes one parcel at a time."""

    __slots__ = ("_backend", "_io", "_parcels", "_pulled")

    def __init__(self, backend: Backend, parcels: Parcels, io: IO) -> None:
        self._backend = backend
        self._parcels = parcels
        self._io = io
        self._pulled: Receipt | None = None

    async def next(self) -> Receipt | None:
        """Return the next receipt; None when the source ended."""
        parcel = await self._parcels.next()
        if parcel is None:
            return None
        position = self._parcels.position
        try:
            receipt = await self._backend.send(parcel, self._io)
        except (SecurityFailed, AuthenticationFailed, ConfigurationError) as error:
            self._pulled = deferred(parcel, error, position)
            raise
        except DeliveryError as error:
            receipt = error.receipt or deferred(parcel, error, position)
        except InvalidValue as error:
            receipt = unreadable(parcel, error)
        except BaseException as error:
            self._pulled = unknown(parcel, f"{type(error).__name__} while it was sent", position)
            raise
        return receipt if receipt.position == position else receipt.replace(position=position)

    async def close(self) -> list[Receipt]:
        """Return the receipt of a parcel whose sending was broken off."""
        pulled, self._pulled = self._pulled, None
        return [] if pulled is None else [pulled]


def deferred(parcel: Parcel, error: MailError, position: int = 0) -> Receipt:
    """Return the receipt of a parcel that was not sent: everybody is deferred, and `error` says why."""
    outcome = Outcome("deferred", reply=getattr(error, "reply", None), reason=str(error), phase="connect")
    return Receipt(parcel.message_id, parcel.envelope, outcome, position=position, error=error)


def unknown(parcel: Parcel, why: str, position: int = 0) -> Receipt:
    """Return the receipt of a parcel that may have been accepted, and nobody can tell because of this."""
    outcome = Outcome("unknown", reason=why, phase="content")
    error = OutcomeUnknown(f"it is not known whether the mail was accepted: {why}")
    return Receipt(parcel.message_id, parcel.envelope, outcome, position=position, error=error)


def unreadable(parcel: Parcel, cause: InvalidValue) -> Receipt:
    """Return the receipt of a parcel whose content cannot be read: a file that it streams has changed."""
    error = ContentRefused(f"the content could not be read: {cause}")
    error.__cause__ = cause
    outcome = Outcome("deferred", reason=str(error), phase="content")
    return Receipt(parcel.message_id, parcel.envelope, outcome, error=error)


def accepted(parcel: Parcel, note: str) -> Receipt:
    """Return the receipt of a parcel that went where it should, to everybody; `note` says where that is."""
    return Receipt(parcel.message_id, parcel.envelope, Outcome("accepted", reason=note, phase="done"))
