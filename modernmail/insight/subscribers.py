"""Who wants to know: `subscribe`, the `Subscription` it returns, and the `Teller` that a sending has when somebody listens.

Rules of the file: a subscriber is a plain function, called where the event happens, in that thread or task; one that
fails is logged once and fails no mail; while a subscriber runs, what happens in its thread is told to nobody, so that
a subscriber that sends mail does not hear of it. Nothing here is paid for when nobody listens.
"""

from __future__ import annotations

from _thread import _local  # `threading` itself takes a millisecond to import
from itertools import count

from ..errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from .events import Event

    Subscriber = Callable[[Event], object]

_numbers = count(1)


class _Here(_local):
    """What this thread does. A thread of a forked child, which may have the number of a parent's, begins with nothing."""

    is_telling = False  # a subscriber runs


_here = _Here()


class Subscription:
    """A subscriber's place: `unsubscribe()` gives it up, and so does leaving its `with` block."""

    __slots__ = ("_call", "_failures", "_owner")

    def __init__(self, call: Subscriber, owner: Subscribers) -> None:
        self._call = call
        self._owner = owner
        self._failures = count()

    def unsubscribe(self) -> None:
        """Tell it nothing any more; a second time changes nothing."""
        self._owner.remove(self)

    def tell(self, event: Any) -> None:
        """Call the subscriber; its failure ends here."""
        try:
            self._call(event)
        except Exception:
            if not next(self._failures):  # one of several threads gets the 0
                import logging

                logging.getLogger("modernmail").exception(
                    "the subscriber %r failed at %s; further failures of it are not logged",
                    self._call,
                    type(event).__name__,
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unsubscribe()

    def __repr__(self) -> str:
        return f"<Subscription of {self._call!r}>"


class Subscribers:
    """Those who listen to one mailer, or to all."""

    __slots__ = ("those",)

    def __init__(self) -> None:
        # In the order of coming. A dict, since to add to it or to remove from it is one step for other threads.
        self.those: dict[Subscription, None] = {}

    def add(self, call: Subscriber) -> Subscription:
        """Give a function a place here. Raises `ConfigurationError` for what cannot be called, or is `async`."""
        given: Any = call
        if not callable(given):
            raise ConfigurationError(f"subscriber={given!r}: must be a function of one argument, the event")
        if _is_async(given):
            raise ConfigurationError(
                f"subscriber={given!r}: must be a plain function, not an async one: it is called in the midst of a "
                "sending; let it hand the event to a queue or a task of yours"
            )
        subscription = Subscription(call, self)
        self.those[subscription] = None
        return subscription

    def remove(self, subscription: Subscription) -> None:
        """Take one away."""
        self.those.pop(subscription, None)


everybody = Subscribers()  # who listens to all mailers


class Teller:
    """Tells the subscribers of one sending; `sending` is its number."""

    __slots__ = ("_own", "sending")

    def __init__(self, own: Subscribers) -> None:
        self._own = own
        self.sending = next(_numbers)

    def __call__(self, event: Any) -> None:
        """Tell an event to all who listen now."""
        here = _here
        if here.is_telling:
            return
        try:
            here.is_telling = True
            for subscription in list(everybody.those):
                subscription.tell(event)
            for subscription in list(self._own.those):
                subscription.tell(event)
        finally:
            here.is_telling = False


def teller_of(own: Subscribers) -> Teller | None:
    """Return the teller of a new sending; None when nobody listens, to its mailer or to all."""
    return Teller(own) if own.those or everybody.those else None


def subscribe(subscriber: Subscriber) -> Subscription:
    """Call a function with each event of every mailer, and return its `Subscription`.

    Who subscribes in the midst of a sending hears of the next one. The function must be quick, as the sending waits for it,
    and is called from every thread and task that sends. Raises `ConfigurationError` for an `async` one.

    >>> from modernmail import Mailer, Message
    >>> from modernmail.insight import Sent, subscribe
    >>> def tell(event):
    ...     if isinstance(event, Sent):
    ...         print("sent to", *event.receipt.accepted)
    >>> with subscribe(tell):
    ...     receipt = Mailer("memory:").send(Message("Hi", "Hello", from_email="me@example.com", to="zoe@example.com"))
    sent to zoe@example.com
    """
    return everybody.add(subscriber)


def _is_async(call: Any) -> bool:
    from inspect import iscoroutinefunction

    return iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None))  # noqa: B004
