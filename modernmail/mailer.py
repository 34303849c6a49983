"""Where application code sends from: `Mailer`, a backend with a default sender and layers, sync and async.

Rules of the file: both faces run the same coroutines; `send` raises only when nobody was accepted; a test kit may step in
between mailer and backend (`interception`), and nobody else.
"""

from __future__ import annotations

from .address import Address
from .backends.backend import Backend
from .backends.interception import effective
from .backends.url import backend_from_url
from .envelope import Envelope
from .errors import ConfigurationError, DeliveryError, InvalidMessage, MailError
from .flow.feed import AsyncFeed, Feed
from .flow.flow import flow_of
from .importing import Importing
from .insight.log import log_receipt, logs_all
from .insight.subscribers import Subscribers, teller_of
from .layers.order import in_order
from .message import Message
from .parcel import Parcel
from .runtime import AsyncioIO, BlockingIO, TellingIO, run_blocking
from .sending import AsyncSending, Sending
from .snapshot import snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Iterable, Mapping
    from email.message import EmailMessage
    from types import TracebackType
    from typing import Any, Self

    from .insight.subscribers import Subscriber, Subscription
    from .layers.layer import Layer
    from .receipt import Receipt
    from .runtime import IO
    from .smtp.settings import TokenProvider

    Mail = Message | Parcel | EmailMessage

_BLOCKING = BlockingIO()
_ASYNCIO = AsyncioIO()


class Mailer(Importing):
    """Sends mail by one backend.

    `backend` is a URL (`smtp://user:password@mail.example.com`) or a `Backend`. `username` and `password` beside a URL are
    literal; `token` is a function that gives an OAuth2 token for that user, such as those in `modernmail.oauth2`, or a
    mapping that describes one of these. `from_email` is the sender of messages that
    have none. `layers` stand between message and backend, first to last before a delivery, last to first after it.
    `max_size` refuses larger content, in octets. `on_unknown` says what the outbox does with a queued mail that may have
    been accepted: `"park"` it, or `"resend"`. Use it as a context manager, or call `close()`.

    Raises `ConfigurationError` for a URL that is no backend's.

    >>> with Mailer("memory:", from_email="me@example.com") as mailer:
    ...     receipt = mailer.send(Message("Hello", "Text", to=["you@example.com"]))
    >>> receipt.accepted
    ('you@example.com',)
    """

    def __init__(
        self,
        backend: str | Backend,
        *,
        from_email: str | Address | None = None,
        layers: Iterable[Layer] = (),
        max_size: int | None = None,
        username: str | None = None,
        password: str | None = None,
        token: TokenProvider | Mapping[str, Any] | None = None,
        on_unknown: str = "park",
    ) -> None:
        around: list[Layer] = []
        login: dict[str, Any] = {}
        try:
            if token is not None and not callable(token):
                if not hasattr(token, "keys"):
                    raise ConfigurationError(
                        "token: must be a function that gives a token, or a mapping, not the token itself"
                    )
                from .oauth2.settings import provider_from

                token = provider_from(token)
            if isinstance(backend, str):
                if "(" in backend:
                    from .layers.url import layers_from_url

                    around, backend = layers_from_url(backend)
                login = {"username": username, "password": password, "token": token}
                backend = backend_from_url(backend, login)
        except ConfigurationError as error:
            # Programs that report errors show the variables of their frames: none of these is to hold a secret.
            backend, password, token, login, error.__traceback__ = "", None, None, {}, None
            raise
        if not isinstance(backend, Backend):
            raise ConfigurationError(f"backend must be a URL or a Backend, not {type(backend).__name__}")
        if not login and (username is not None or password is not None or token is not None):
            raise ConfigurationError("username, password and token go with a URL; a Backend has its own")
        self.backend: Backend = backend
        self.from_email = None if from_email is None else Address.of(from_email, "from_email")
        if not hasattr(layers, "__iter__"):
            raise ConfigurationError(f"layers={layers!r}: must be a list of layers")
        self.layers = in_order((*layers, *around))
        if max_size is not None and (not isinstance(max_size, int) or max_size <= 0):
            raise ConfigurationError(f"max_size={max_size!r}: must be a number of octets, more than 0")
        self.max_size = max_size
        if on_unknown not in ("park", "resend"):
            raise ConfigurationError(f"on_unknown={on_unknown!r}: must be park or resend")
        self.on_unknown = on_unknown
        self.subscribers = Subscribers()

    # -- one mail ----------------------------------------------------------------------------------------------

    def send(self, message: Mail, *, envelope: Envelope | None = None) -> Receipt:
        """Send one mail and return its receipt; `envelope` replaces the one computed from the message.

        Raises a `DeliveryError` with `.receipt` when nobody was accepted, and an `InvalidValue` before anything is
        sent; a refusal of some recipients is in the receipt, and logged as a warning.
        """
        return run_blocking(self._send(message, envelope, _BLOCKING))

    async def asend(self, message: Mail, *, envelope: Envelope | None = None) -> Receipt:
        """Send one mail and return its receipt; as `send`, under asyncio.

        A cancellation is raised again with the receipt as its `receipt`.
        """
        return await self._send(message, envelope, _ASYNCIO)

    async def _send(self, message: Mail, envelope: Envelope | None, io: IO) -> Receipt:
        flow = flow_of(self, self._effective(), Feed((self.parcel(message, envelope),)), io, is_single=True)
        receipt: Receipt | None = None
        try:
            receipt = await flow.receive()
            await flow.receive()
        except BaseException as error:
            receipts, told = await io.to_the_end(flow.close(), error)
            found = receipt or (receipts[0] if receipts else None)
            if found is not None:
                told.receipt = found  # type: ignore[union-attr]
                log_receipt(found, self.backend.hosts)
            if told is not error:
                raise told from error
            raise
        assert receipt is not None
        is_complete = receipt.is_complete
        if not is_complete or logs_all():
            log_receipt(receipt, self.backend.hosts)
        if not is_complete:
            _judge(receipt)
        return receipt

    # -- many --------------------------------------------------------------------------------------------------

    def send_many(self, messages: Iterable[Mail | MailError]) -> Sending:
        """Return the sending of any number of mails over one connection; iterate over it for their receipts.

        Memory stays bounded whatever their number. A mail that cannot be sent has a receipt that says why, and so has
        a `MailError` that stands in the place of a message; only `ConfigurationError`, `SecurityFailed` and
        `AuthenticationFailed` end the sending.
        """
        return Sending(flow_of(self, self._effective(), Feed(messages), _BLOCKING))

    def asend_many(
        self, messages: Iterable[Mail | MailError] | AsyncIterable[Mail | MailError]
    ) -> AsyncSending:
        """Return the sending of any number of mails, over as many connections as the pool has, under asyncio.

        With several connections receipts come as they complete; each has its `position` in the input.
        """
        feed = AsyncFeed(messages) if hasattr(messages, "__aiter__") else Feed(messages)
        return AsyncSending(flow_of(self, self._effective(), feed, _ASYNCIO))

    def parcel(self, message: Mail | MailError, envelope: Envelope | None = None) -> Parcel:
        """Return the parcel that would travel: a message is frozen, a parcel passes.

        Raises `InvalidMessage` when it has no sender, nobody to go to, or is larger than `max_size`.
        """
        if envelope is not None and not isinstance(envelope, Envelope):
            raise InvalidMessage("envelope", envelope, "must be an Envelope(return_path, recipients)")
        if isinstance(message, Message):
            parcel = snapshot(message, sender=self.from_email, envelope=envelope)
        elif isinstance(message, Parcel):
            parcel = message if envelope is None else message.replace(envelope=envelope)
        elif isinstance(message, MailError):
            raise message  # what a producer hands over in place of a mail that it could not make
        elif hasattr(message, "get_content_type"):
            parcel = snapshot(Message.from_email_message(message), sender=self.from_email, envelope=envelope)
        else:
            raise InvalidMessage(
                "message", message, "must be a Message, a Parcel or an email.message.EmailMessage"
            )
        if self.max_size is not None and parcel.content.size > self.max_size:
            raise InvalidMessage(
                "message",
                message,
                f"has {parcel.content.size} octets, and the mailer takes at most {self.max_size}",
            )
        return parcel

    # -- the mailer itself -------------------------------------------------------------------------------------

    def _effective(self) -> Backend:
        return effective(self)

    def subscribe(self, subscriber: Subscriber) -> Subscription:
        """Call a function with each event of this mailer, and return its `Subscription`; as `insight.subscribe`."""
        return self.subscribers.add(subscriber)

    def _telling(self, io: IO) -> IO:
        teller = teller_of(self.subscribers)
        return io if teller is None else TellingIO(io, teller)

    def verify(self) -> dict[str, Any]:
        """Connect, greet, authenticate and quit; return what the server offers. Raises a `DeliveryError`."""
        return run_blocking(self._effective().verify(self._telling(_BLOCKING)))

    async def averify(self) -> dict[str, Any]:
        """Connect, greet, authenticate and quit; return what the server offers. Raises a `DeliveryError`."""
        return await self._effective().verify(self._telling(_ASYNCIO))

    def close(self) -> None:
        """Close the connections that sync sending has opened.

        It waits for the mails that other threads have on their way, for the ordinary timeout at most. The mailer may be used
        again afterwards.
        """
        run_blocking(self._close(_BLOCKING))

    async def aclose(self) -> None:
        """Close the connections that sending has opened in this event loop, and those of sync sending.

        It waits for the mails that other tasks have on their way, for the ordinary timeout at most.
        """
        await self._close(_ASYNCIO)
        await self._close(_BLOCKING)

    async def _close(self, io: IO) -> None:
        io = self._telling(io)
        await self.backend.close(io)
        for layer in self.layers:
            await layer.close(io)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<Mailer {self.backend!r}>"


def _judge(receipt: Receipt) -> None:
    """Raise the error of a mail that nobody accepted."""
    if receipt.accepted:
        return
    error = receipt.error
    if error is None:  # a backend of somebody's own may leave it to us
        from .smtp.delivery import error_for

        error = error_for(dict(receipt.recipients))
    if isinstance(error, DeliveryError):
        error.receipt = receipt
    raise error
