"""A burst of parcels for a backend to pull, and whether the receipts that it gives are those of what it pulled."""

from __future__ import annotations

from modernmail.outcome import STATUSES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from modernmail.backends.backend import Receipts
    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt


class Burst:
    """A burst of parcels, with positions that are not their places."""

    def __init__(self, parcels: Iterable[Parcel], *, is_prompt: bool = True, first: int = 100) -> None:
        self._parcels = list(parcels)
        self._at = 0
        self._first = first
        self.position = -1
        self.is_prompt = is_prompt

    async def next(self) -> Parcel | None:
        """Return the next parcel."""
        if self._at >= len(self._parcels):
            return None
        self.position = self._first + self._at
        self._at += 1
        return self._parcels[self._at - 1]

    @property
    def pulled(self) -> dict[int, Parcel]:
        """Return what was pulled, by position."""
        return {self._first + at: parcel for at, parcel in enumerate(self._parcels[: self._at])}


async def receipts_of(receipts: Receipts) -> list[Receipt]:
    """Return all that a stream gives."""
    found = []
    while (receipt := await receipts.next()) is not None:
        found.append(receipt)
    return found


def check(source: Burst, found: Sequence[Receipt]) -> None:
    """Raise unless these are the receipts of what was pulled, one for each parcel."""
    pulled = source.pulled
    positions = sorted(receipt.position for receipt in found)
    assert positions == sorted(pulled), f"pulled {sorted(pulled)}, receipts for {positions}"
    for receipt in found:
        parcel = pulled[receipt.position]
        assert receipt.message_id == parcel.message_id, "the receipt of another mail"
        names = set(receipt.recipients)
        assert names == set(parcel.envelope.recipients), f"{names} in the receipt of {parcel!r}"
        for outcome in receipt.recipients.values():
            assert outcome.status in STATUSES, repr(outcome)
        assert receipt.accepted or receipt.error is not None, "nobody accepted, and no error"
