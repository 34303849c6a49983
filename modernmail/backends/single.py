"""A source of one parcel: what `send` makes of the stream contract."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..parcel import Parcel


class Single:
    """Gives one parcel, then ends."""

    __slots__ = ("_parcel", "position")
    is_prompt = True
    is_single = True

    def __init__(self, parcel: Parcel, position: int = 0) -> None:
        self._parcel: Parcel | None = parcel
        self.position = position

    async def next(self) -> Parcel | None:
        """Return the parcel, once."""
        parcel, self._parcel = self._parcel, None
        return parcel
