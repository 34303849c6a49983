"""`Redirect`: the staging guard, which keeps mail from the people it is addressed to."""

from __future__ import annotations

from ..address import Address
from ..envelope import envelope_of, once
from ..errors import ConfigurationError, InvalidAddress, Withheld
from ..headers import Headers
from ..mime.folding import unstructured
from .layer import Layer, Stop
from .pattern import Patterns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..parcel import Parcel
    from ..runtime import IO


class Redirect(Layer):
    """Send every mail to the addresses in `to`, or only to recipients that a pattern in `allow` stands for.

    With `to`, the recipients it was meant for, Bcc too, are named in the header field `header`; To and Cc still say what
    the author wrote. With `allow`, such as `["*@example.com", "zoe@example.org"]`, all others are rejected here. It fails
    closed: an empty list lets nothing out, and `send()` raises `Withheld`. The envelope decides, so it holds for every
    backend, and for queued mail, which passes the layers of its mailer when it is sent.

    Put it first: the layers behind it see the recipients that are left.

    >>> from modernmail import Mailer, Message
    >>> mailer = Mailer("memory:", layers=[Redirect(to=["dev@example.com"])])
    >>> mailer.send(Message("Hi", "Text", from_email="me@example.com", to="customer@example.org")).accepted
    ('dev@example.com',)
    """

    def __init__(
        self,
        *,
        to: str | Address | Iterable[str | Address] | None = None,
        allow: str | Iterable[str] | None = None,
        header: str = "X-Original-Recipients",
    ) -> None:
        if (to is None) == (allow is None):
            raise ConfigurationError(
                "Redirect needs to=[addresses that get every mail] or allow=[patterns of recipients that may], one of them"
            )
        try:
            self.to = None if to is None else once(Address.many(to, "to"))
        except InvalidAddress as error:
            raise ConfigurationError(f"Redirect: {error}") from error
        self.allow = None if allow is None else Patterns("allow", allow)
        Headers([(header, "checked")])
        self.header = header
        self.changes_content = to is not None

    async def before(self, parcel: Parcel, io: IO) -> Parcel | Stop:
        """Return the parcel with the recipients it may go to, or `Stop`."""
        allow = self.allow
        if allow is not None:
            known = allow.known
            for address in parcel.envelope.addresses:
                if not known.get(address.ascii_addr_spec):
                    return self._narrowed(parcel, allow)
            return parcel
        if not self.to:
            return _stop("the staging guard has no address to send to: nothing is let out")
        envelope = parcel.envelope
        meant = ", ".join([address.ascii_addr_spec for address in envelope.addresses])
        content = parcel.content.with_field(unstructured(self.header, meant).encode("ascii"))
        # Wishes for notifications name the recipients it does not go to.
        to = envelope_of(envelope.sender, self.to, None, require_tls=envelope.require_tls)
        return parcel.replace(envelope=to, content=content)

    def _narrowed(self, parcel: Parcel, allow: Patterns) -> Parcel | Stop:
        addresses = parcel.envelope.addresses
        for address in addresses:
            if not allow.matches(address):
                break
        else:
            return parcel
        left = [address.addr_spec for address in addresses if allow.matches(address)]
        if not allow:
            return _stop("the staging guard allows nobody: nothing is let out")
        return _stop(
            "the staging guard does not allow this recipient", parcel.narrowed(left) if left else None
        )

    def __repr__(self) -> str:
        if self.allow is not None:
            return f"<Redirect: allows {self.allow!r}>"
        return f"<Redirect to {', '.join(map(str, self.to or ())) or 'nobody'}>"


def _stop(reason: str, rest: Parcel | None = None) -> Stop:
    return Stop(reason, rest=rest, error=Withheld(f"{reason}; nothing was sent"))
