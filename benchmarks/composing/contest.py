"""The contest for one mail: who composes it as asked, and what that costs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from report import Figures, in_turns, seconds

from .judge import fault
from .mails import fresh

if TYPE_CHECKING:
    from collections.abc import Callable

    from .mails import Mail
    from .nodemailer import Nodemailer
    from .peers import Peer

SLOT = 0.03  # seconds that a contender's turn takes, at least one mail


class Contest:
    """Contenders for one mail: `figures` of those whose output is the mail, `faults` of those whose output is not."""

    def __init__(self, mail: Mail, peers: list[Peer], node: Nodemailer | None) -> None:
        self.mail = mail
        self.faults: dict[str, str] = {}
        self.figures = Figures({})
        self._turns: dict[str, Callable[[int], float]] = {}
        for peer in peers:
            if mail.name in peer.mails:
                self._enter(peer.name, peer.compose, lambda times, peer=peer: one_turn(peer, mail, times))
        if node is not None:
            self._enter("Nodemailer", node.compose, lambda times: node.seconds(mail, times))

    def _enter(self, name: str, compose: Callable[[Mail], bytes], turn: Callable[[int], float]) -> None:
        try:
            wrong = fault(compose(fresh(self.mail)), self.mail)
        except Exception as error:  # noqa: BLE001  # a peer that fails is shown as such
            wrong = f"{type(error).__name__}: {error}"[:60]
        if wrong is None:
            self._turns[name] = turn
        else:
            self.faults[name] = wrong

    def run(self, rounds: int, warm: float = 0.0) -> None:
        """Let all take their turns, once they are warm."""
        self.figures = in_turns({name: _slot(turn) for name, turn in self._turns.items()}, rounds, warm)

    def ratio(self, name: str) -> float | None:
        """Return how many times faster than Django it was, None without either."""
        is_known = name in self.figures and "Django" in self.figures
        return self.figures.ratio(name, "Django") if is_known else None


def _slot(turn: Callable[[int], float]) -> Callable[[], float]:
    """Return a turn of as many mails as fill a slot."""
    times = max(1, int(SLOT / max(min(turn(1) for _ in range(3)), 1e-6)))
    return lambda: turn(times) / times


def one_turn(peer: Peer, mail: Mail, times: int) -> float:
    """Return the processor time of composing a mail so many times, in new strings each time."""
    anew = [fresh(mail) for _ in range(times)]
    compose = peer.compose

    def step() -> None:
        for each in anew:
            compose(each)

    return seconds(step, time.process_time)
