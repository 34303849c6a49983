"""`null:` takes every mail and drops it: for load tests, and for environments that must stay silent."""

from __future__ import annotations

from .backend import Backend, accepted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO


class NullBackend(Backend):
    """Reads the content to its end, so that a file that cannot be read is found here too, and keeps nothing."""

    is_store = True

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Drop the parcel."""
        if parcel.content.is_streamed:
            for _ in parcel.content.chunks():
                pass
        if io.commit_point is not None:
            await io.commit_point(parcel)
        return accepted(parcel, "dropped")
