"""Stage and Scene: what all sessions of a server share, what one session has, and the few things it can do.

The conversation is played on a scene; every change of the record happens here, under the ledger's lock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .channel import SessionOver
from .record import Commit, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from typing import NoReturn

    from .channel import Channel
    from .offer import Offer
    from .protocol import Protocol
    from .record import Ledger, Session
    from .script import Rule

_IGNORED_CAP = 64 * 1024


@dataclass(frozen=True, slots=True)
class Stage:
    """What all sessions of a server share."""

    offer: Offer
    rules: tuple[Rule, ...]
    ledger: Ledger
    context: ssl.SSLContext | None
    implicit_tls: bool
    time_scale: float


@dataclass(frozen=True, slots=True)
class Scene:
    """What one session has."""

    channel: Channel
    session: Session
    protocol: Protocol
    stage: Stage
    counts: Counter[str] = field(default_factory=Counter)

    def enter(self, name: str, line: bytes = b"") -> Step:
        """Record that a step is reached."""
        with self.stage.ledger:
            step = Step(name, line, self.protocol.tls, self.channel.taken)
            self.session.steps.append(step)
            self.session.received = self.channel.received
        self.counts[name] += 1
        return step

    def rule(self, name: str, line: bytes = b"") -> Rule | None:
        """Return the first rule that speaks of the step just entered."""
        nth, number = self.counts[name], self.session.number
        return next(
            (rule for rule in self.stage.rules if rule.matches(name, line, nth=nth, session=number)), None
        )

    def say(self, step: Step, data: bytes) -> None:
        """Send `data`, and remember that this step said it."""
        step.note(data)
        self.channel.write(data)

    def pause(self, seconds: float) -> None:
        """Wait so many seconds of the script."""
        self.channel.pause(seconds * self.stage.time_scale)

    def hold(self, name: str) -> None:
        """Wait until the test releases `name`."""
        self.channel.flush()
        released = self.stage.ledger.released
        self.stage.ledger.wait_for(
            lambda: name in released or not self.channel.time_left, self.channel.time_left
        )
        if not self.channel.time_left:
            self.leave("stopped")

    def commit(self) -> None:
        """Take responsibility for the mail, once."""
        transaction = self.protocol.transaction
        if transaction is None or transaction.committed or not transaction.recipients:
            return
        recipients, content = tuple(transaction.recipients), transaction.content
        with self.stage.ledger as ledger:
            transaction.committed = True
            ledger.commits.append(Commit(self.session.number, transaction.sender, recipients, content))

    def drain(self) -> str:
        """Read on without answering until the client ends; return how it did."""
        self.channel.flush()
        ignored, end = self.channel.drain(_IGNORED_CAP)
        self.session.ignored += ignored
        return end

    def close(self, end: str) -> NoReturn:
        """Close in an orderly way: say that no more comes, and wait for the client to go."""
        self.channel.end()
        self.drain()
        self.leave(end)

    def leave(self, end: str) -> NoReturn:
        """End the session."""
        raise SessionOver(end)
