"""`Archive`: a copy of every mail that was accepted, by another backend."""

from __future__ import annotations

from ..address import Address
from ..backends.backend import Backend
from ..backends.interception import effective
from ..backends.url import backend_from_url
from ..envelope import envelope_of
from ..errors import ConfigurationError, InvalidAddress, MailError
from ..mime.folding import unstructured
from ..runtime import AsyncioIO, BlockingIO
from .layer import Layer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO


class Archive(Layer):
    """Give a copy of each mail that somebody accepted to `backend`, a URL or a `Backend`: the same octets.

    A backend that keeps mail (`file:///var/mail/archive`, `memory:` …) gets the envelope of those who accepted it. One that
    delivers sends the copy to the address `to`, with the recipients in a header field `X-Archived-Recipients`; without `to`
    it is refused, as it would deliver every mail twice. A copy that cannot be made is logged and noted in the receipt: the
    mail itself is sent already.

    >>> from modernmail import Mailer
    >>> mailer = Mailer("smtp://mail.example.com", layers=[Archive("file:///var/mail/archive")])
    """

    def __init__(self, backend: str | Backend, *, to: str | Address | None = None) -> None:
        self.backend = backend_from_url(backend) if isinstance(backend, str) else backend
        if not isinstance(self.backend, Backend):
            raise ConfigurationError(
                f"Archive: backend must be a URL or a Backend, not {type(backend).__name__}"
            )
        if to is None and not self.backend.is_store:
            raise ConfigurationError(
                f'Archive: {self.backend!r} delivers mail: say to="archive@example.com", the address of the archive'
            )
        try:
            self.to = None if to is None else Address.of(to, "to")
        except InvalidAddress as error:
            raise ConfigurationError(f"Archive: {error}") from error

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt:
        """Make the copy when somebody accepted the mail; return the receipt, with a note when there is none."""
        accepted = receipt.accepted
        backend = effective(self)
        if not accepted or backend is not self.backend:  # a test kit that stepped in has the mail already
            return receipt
        copy = parcel if len(accepted) == len(parcel.envelope.addresses) else parcel.narrowed(accepted)
        if self.to is not None:
            field = unstructured("X-Archived-Recipients", ", ".join(accepted))
            envelope = envelope_of(parcel.envelope.sender, (self.to,))
            copy = copy.replace(envelope=envelope, content=copy.content.with_field(field.encode("ascii")))
        # Not the caller's own seam: a commit point is for the mail, not for its copy.
        own: IO = AsyncioIO() if io.is_async else BlockingIO()
        try:
            found = await backend.send(copy, own)
            if found.accepted:
                return receipt
            why = str(found.error)
        except MailError as error:
            why = f"{type(error).__name__}: {error}"
        import logging

        logging.getLogger("modernmail").error("no copy of %s was archived: %s", receipt.message_id, why)
        return receipt.replace(notes=(*receipt.notes, f"no copy was archived: {why}"))

    async def close(self, io: IO) -> None:
        """Close the archive's connections."""
        await self.backend.close(io)

    def __repr__(self) -> str:
        return f"<Archive in {self.backend!r}>"
