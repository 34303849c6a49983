"""Who is told about tasks and queued mail: `task_enqueued`, `task_started`, `task_finished`, `mail_enqueued`,
`mail_finished` (all its recipients are settled, or unknown). For mail, receivers get `ticket=`.

A receiver is called as `receiver(sender=BackendClass, task_result=result, signal=signal)`, in the thread or
task in which the thing happened. What a receiver raises is logged and goes no further.
"""

from __future__ import annotations

import logging
import threading
from time import time
from typing import TYPE_CHECKING, Any, TypeVar

from modernmail.forks import after_fork
from modernmail.insight.subscribers import Subscribers, everybody, teller_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail.insight.events import Event

    from .ticket import Ticket

    Receiver = TypeVar("Receiver", bound=Callable[..., object])

logger = logging.getLogger("modernmail.tasks")


class Signal:
    """A list of receivers, each called when something happens to a task.

    >>> seen = []
    >>> signal = Signal("task_enqueued")
    >>> @signal.connect
    ... def note(*, task_result, **more): seen.append(task_result)
    >>> signal.send(object, "result")
    >>> signal.disconnect(note), seen
    (True, ['result'])
    """

    __slots__ = ("__weakref__", "_lock", "_receivers", "name")
    argument = "task_result"

    def __init__(self, name: str) -> None:
        self.name = name
        self._receivers: tuple[Callable[..., object], ...] = ()
        self._begin()
        after_fork(self, Signal._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()  # who connects and who disconnects, one at a time

    def connect(self, receiver: Receiver) -> Receiver:
        """Call `receiver` from now on, and return it: usable as a decorator. Connecting twice counts once."""
        if not callable(receiver):
            raise TypeError(f"receiver: {receiver!r}: must be callable")
        with self._lock:
            if receiver not in self._receivers:
                self._receivers = (*self._receivers, receiver)
        return receiver

    def disconnect(self, receiver: Callable[..., object]) -> bool:
        """Stop calling `receiver`; False when it was not connected."""
        with self._lock:
            before = self._receivers
            self._receivers = left = tuple(known for known in before if known != receiver)
        return len(left) < len(before)

    @property
    def has_receivers(self) -> bool:
        """True when somebody listens."""
        return bool(self._receivers)

    def send(self, sender: type[Any], told: object) -> None:
        """Call each receiver; log the error of one that fails and go on with the next."""
        for receiver in self._receivers:
            try:
                receiver(sender=sender, signal=self, **{self.argument: told})
            except Exception:
                logger.exception("receiver %r of %s failed", receiver, self.name)

    def __repr__(self) -> str:
        return f"<Signal {self.name}: {len(self._receivers)} receivers>"


class MailSignal(Signal):
    """A signal about a mail, which is an event for those who listen to all mailers, too."""

    __slots__ = ()
    argument = "ticket"

    @property
    def has_receivers(self) -> bool:
        """True when somebody listens."""
        return bool(self._receivers or everybody.those)

    def send(self, sender: type[Any], told: Any) -> None:
        """Call each receiver, then each subscriber that there is something to tell."""
        super().send(sender, told)
        teller = teller_of(_NOBODY)
        if teller is not None:
            event = _event(told, is_new=self is mail_enqueued)
            if event is not None:
                teller(event)


def _event(ticket: Ticket, *, is_new: bool) -> Event | None:
    from modernmail.insight.events import GivenUp, Queued

    about = (time(), ticket.id, ticket.message_id, ticket.mailer)
    if is_new:
        return Queued(*about, len(ticket.envelope.addresses))
    without = tuple(name for name, status in ticket.recipients.items() if status != "accepted")
    return GivenUp(*about, ticket.phase, ticket.attempts, without) if without else None


_NOBODY = Subscribers()  # the queue knows mailers by their names only

task_enqueued = Signal("task_enqueued")
task_started = Signal("task_started")
task_finished = Signal("task_finished")
mail_enqueued = MailSignal("mail_enqueued")
mail_finished = MailSignal("mail_finished")
