"""`memory:` keeps what was sent, for tests and for looking at."""

from __future__ import annotations

from ..content import Content
from .backend import Backend, accepted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..message import Message
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO


class MemoryBackend(Backend):
    """Keeps every parcel in `outbox`, in the order of sending; `messages` are the same, parsed."""

    is_store = True

    def __init__(self) -> None:
        self.outbox: list[Parcel] = []

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Keep the parcel."""
        content = parcel.content
        if content.is_streamed:
            # A file may change after it was sent; what was sent does not.
            content = Content.of(bytes(content), is_8bit=content.is_8bit, is_utf8=content.is_utf8)
            parcel = parcel.replace(content=content)
        if io.commit_point is not None:
            await io.commit_point(parcel)
        self.outbox.append(parcel)
        return accepted(parcel, "kept in memory")

    @property
    def messages(self) -> list[Message]:
        """The mails that were sent, as messages; Bcc is in their parcels' envelopes."""
        from ..message import Message

        return [Message.from_bytes(bytes(parcel.content)) for parcel in self.outbox]

    def clear(self) -> None:
        """Forget them."""
        self.outbox.clear()
