"""A source of one parcel, and `send_single`: what `send` makes of the stream contract.

Rules of the file: whatever interrupts it, the stream is closed, so that no connection stays with it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO
    from .backend import Backend


class Single:
    """Gives one parcel, then ends."""

    __slots__ = ("_parcel",)
    is_prompt = True
    is_single = True
    position = 0

    def __init__(self, parcel: Parcel) -> None:
        self._parcel: Parcel | None = parcel

    async def next(self) -> Parcel | None:
        """Return the parcel, once."""
        parcel, self._parcel = self._parcel, None
        return parcel


async def send_single(backend: Backend, parcel: Parcel, io: IO) -> Receipt:
    """Return the receipt of one parcel by the stream of a backend; an exception has it as `.receipt`, when there is one."""
    receipts = backend.deliver(Single(parcel), io)
    receipt: Receipt | None = None
    try:
        receipt = await receipts.next()
        await receipts.next()
    except BaseException as error:
        left, told = await io.to_the_end(receipts.close(), error)
        told.receipt = receipt or (left[0] if left else None)  # type: ignore[union-attr]
        if told is not error:
            raise told from error
        raise
    assert receipt is not None
    return receipt
