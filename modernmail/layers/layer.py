"""The contract of a layer: up to three small hooks around a delivery, and what they may answer.

The mailer calls them: `before` once for each mail, first layer first; `admit` at each attempt, first layer first, going
on where it stopped after a `Wait`; `after` at each attempt, last layer first.

Rules of the contract: a hook is an `async def` that never suspends in a sync program (it waits by its `io` alone); no
hook sleeps: it says how long, and the mailer waits; hooks run in many threads and tasks at once. What a hook knows of a
mail is in its arguments: the receipt that `after` gets has the number of `attempts` so far, and in `seconds` the time
since the first of them began. `modernmail.testing.check_layer` holds a layer to this contract.
"""

from __future__ import annotations

from ..errors import ConfigurationError
from ..frozen import Frozen
from ..outcome import STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..errors import DeliveryError
    from ..outcome import Status
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO


class Stop(Frozen):
    """From `before` and `admit`: recipients end here, for `reason`; `rest` goes on, narrowed to the others, None for nobody.

    `status` is `"rejected"` (final) or `"deferred"` (may be tried again later). `error` is what `send()` raises when
    nobody was accepted; by default an error that says `reason`. From `admit` nobody goes on.
    """

    __slots__ = ("error", "reason", "rest", "status")
    reason: str
    rest: Parcel | None
    status: Status
    error: DeliveryError | None

    def __init__(
        self,
        reason: str,
        *,
        rest: Parcel | None = None,
        status: Status = "rejected",
        error: DeliveryError | None = None,
    ) -> None:
        if status not in STATUSES:
            raise ConfigurationError(f"status={status!r}: must be one of {', '.join(STATUSES)}")
        put = object.__setattr__
        put(self, "reason", reason)
        put(self, "rest", rest)
        put(self, "status", status)
        put(self, "error", error)


class Wait(Frozen):
    """From `admit`: not now, but ask again after `delay` seconds."""

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
    """Subclass it and write the hooks you need; those you do not write cost nothing.

    `changes_content` says that `before` may return other content, `signs` that it signs the content: a mailer takes no
    layer that changes content behind one that signs. `algorithms` are those it signs with.

    A `DeliveryError` that a hook raises defers the mail with that error; an `InvalidValue` rejects it. Any other
    exception ends the sending.
    """

    changes_content: bool = False
    signs: bool = False
    algorithms: tuple[str, ...] = ()

    async def before(self, parcel: Parcel, io: IO) -> Parcel | Stop:
        """Return the parcel to send, changed or not, or `Stop`."""
        return parcel

    async def admit(self, parcel: Parcel, io: IO) -> Wait | Stop | None:
        """Return None when the parcel may go now, how long to wait, or `Stop`."""
        return None

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Return the receipt, or `Again`, which ends the chain.

        Layers in front of one that answered `Again` are asked when it no longer does, about all those attempts at once.
        """
        return receipt

    async def close(self, io: IO) -> None:
        """Let go of what is open; the layer may be used again afterwards."""
