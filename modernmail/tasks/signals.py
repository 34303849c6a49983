"""Who is told about tasks and queued mail: `task_enqueued`, `task_started`, `task_finished`, `mail_enqueued`,
`mail_finished` (all its recipients are settled, or unknown). For mail, receivers get `ticket=`.

A receiver is called as `receiver(sender=BackendClass, task_result=result, signal=signal)`, in the thread or
task in which the thing happened. What a receiver raises is logged and goes no further.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Receiver = TypeVar("Receiver", bound=Callable[..., object])

logger = logging.getLogger("modernmail.tasks")


class Signal:
    """A list of receivers, each called when something happens to a task.

    >>> seen = []
    >>> signal = Signal("task_enqueued", "task_result")
    >>> @signal.connect
    ... def note(*, task_result, **more): seen.append(task_result)
    >>> signal.send(object, "result")
    >>> signal.disconnect(note), seen
    (True, ['result'])
    """

    __slots__ = ("_receivers", "argument", "name")

    def __init__(self, name: str, argument: str) -> None:
        self.name = name
        self.argument = argument
        self._receivers: tuple[Callable[..., object], ...] = ()

    def connect(self, receiver: Receiver) -> Receiver:
        """Call `receiver` from now on, and return it: usable as a decorator. Connecting twice counts once."""
        if not callable(receiver):
            raise TypeError(f"receiver: {receiver!r}: must be callable")
        if receiver not in self._receivers:
            self._receivers = (*self._receivers, receiver)
        return receiver

    def disconnect(self, receiver: Callable[..., object]) -> bool:
        """Stop calling `receiver`; False when it was not connected."""
        before = self._receivers
        self._receivers = tuple(known for known in before if known != receiver)
        return len(self._receivers) < len(before)

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


task_enqueued = Signal("task_enqueued", "task_result")
task_started = Signal("task_started", "task_result")
task_finished = Signal("task_finished", "task_result")
mail_enqueued = Signal("mail_enqueued", "ticket")
mail_finished = Signal("mail_finished", "ticket")
