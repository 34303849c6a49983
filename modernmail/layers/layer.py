"""The contract of a layer: up to three small hooks around a delivery, and what they may answer.

The mailer calls them: `before` once for each mail, first layer first; `admit` at each attempt; `after` at each attempt,
last layer first.

Rules of the contract: a hook is an `async def` that never suspends in a sync program (it waits by its `io` alone); no
hook sleeps: it says how long, and the mailer waits.
"""

from __future__ import annotations

from ..frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..parcel import Parcel
    from ..receipt import Receipt, Status
    from ..runtime import IO


class Stop(Frozen):
    """From `before`: recipients end here, for `reason`; `rest` goes on, narrowed to the others, None for nobody."""

    __slots__ = ("reason", "rest", "status")
    reason: str
    rest: Parcel | None
    status: Status

    def __init__(self, reason: str, *, rest: Parcel | None = None, status: Status = "rejected") -> None:
        put = object.__setattr__
        put(self, "reason", reason)
        put(self, "rest", rest)
        put(self, "status", status)


class Wait(Frozen):
    """From `admit`: not now, but after `delay` seconds."""

    __slots__ = ("delay",)
    delay: float

    def __init__(self, delay: float) -> None:
        object.__setattr__(self, "delay", delay)


class Again(Frozen):
    """From `after`: try these recipients again after `delay` seconds."""

    __slots__ = ("delay", "recipients")
    delay: float
    recipients: tuple[str, ...]

    def __init__(self, delay: float, recipients: Iterable[str]) -> None:
        put = object.__setattr__
        put(self, "delay", delay)
        put(self, "recipients", tuple(recipients))


class Layer:
    """Subclass it and write the hooks you need; those you do not write cost nothing."""

    async def before(self, parcel: Parcel, io: IO) -> Parcel | Stop:
        """Return the parcel to send, changed or not, or `Stop`."""
        return parcel

    async def admit(self, parcel: Parcel, io: IO) -> Wait | None:
        """Return None when the parcel may go now, or how long to wait."""
        return None

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Return the receipt, or `Again`, which ends the chain."""
        return receipt
