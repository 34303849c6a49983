"""Outbox: where every mail of a test goes, in the order of sending.

The fixture of this name makes one and lets it step in between mailers and their backends.

Rules of the file: any number of threads and event loops may send at once; what was iterated over is a
snapshot.
"""

from __future__ import annotations

from modernmail.backends.backend import Backend, accepted

from .expectations import Expectations
from .sent_mail import SentMail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import IO


class OutboxBackend(Backend):
    """Puts every parcel into an outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Keep the mail; files that it streams are read now, as a server would have had them."""
        content = bytes(parcel.content)
        if io.commit_point is not None:
            await io.commit_point(parcel)
        receipt = accepted(parcel, "kept by the fixture outbox")
        self._outbox.add(SentMail(content, parcel.envelope, receipt))
        return receipt


class Outbox(Expectations):
    """The mails that were sent, oldest first: iterate over it, index it, take its `len`.

    >>> from modernmail import Mailer, Message
    >>> outbox = Outbox()
    >>> receipt = Mailer(outbox.backend).send(
    ...     Message("Hi", "See https://example.com/a", from_email="me@example.com", to="zoe@example.com")
    ... )
    >>> outbox.one(to="zoe@example.com").links()
    ['https://example.com/a']
    """

    def __init__(self) -> None:
        super().__init__()
        self.backend: Backend = OutboxBackend(self)
