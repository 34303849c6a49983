"""What a merge shows while it runs: a bar on a terminal, a line now and then elsewhere; and at the end a summary.

Rules of the file: all of it is on standard error, but for the summary; what a server said is shown as text.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from ..terminal import STYLES, err, out, printable
from .results import WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from rich.progress import Task

    from .state import State

T = TypeVar("T")

_SHOWN = 20  # complaints and problems; all of them are in the results
_EVERY = 30.0  # seconds between two lines where there is no terminal
_STYLES = {**STYLES, "ready": "dim", "bad": "red", "content": "magenta"}
_ORDER = ("accepted", "deferred", "rejected", "unknown", "bad", "ready")


class Progress:
    """The display of one run; a context manager around `checking` and `sent`."""

    def __init__(self) -> None:
        self._console = err()
        self._is_terminal = self._console.is_terminal
        self._bar = Bar(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(),
            _TimeLeft(),
            console=self._console,
            transient=True,
            disable=not self._is_terminal,
        )
        self._task = self._bar.add_task("checking", total=None)
        self._total = 0
        self._done = 0
        self._began = time.monotonic()
        self._said = self._began
        self._complaints = 0
        self._problems = 0

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def checking(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield the rows, showing how many there were."""
        for count, row in enumerate(rows, 1):
            yield row
            if self._is_terminal:
                self._bar.update(self._task, completed=count)
            elif time.monotonic() - self._said >= _EVERY:
                self._say(f"{count} rows checked")

    def complain(self, fault: str) -> None:
        """Show a row that no mail can be made of."""
        self._complaints += 1
        if self._complaints <= _SHOWN:
            self._bar.console.print(Text.assemble(("bad ", "bold red"), printable(fault)))

    def note(self, text: str) -> None:
        """Show something worth knowing."""
        self._bar.console.print(Text(text, "yellow"))

    def sending(self, total: int) -> None:
        """So many mails are to be sent from now on."""
        self._total = total
        self._began = self._said = time.monotonic()
        if self._complaints > _SHOWN:
            self._bar.console.print(Text(f"… and {self._complaints - _SHOWN} more bad rows", "dim"))
        self._bar.reset(self._task, total=total, description="sending")
        if not self._is_terminal:
            self._say(f"{total} mails to send")

    def stopping(self) -> None:
        """Somebody asked to stop."""
        self._bar.console.print(
            Text("stopping: the mail in flight is finished; once more breaks it off", "yellow")
        )

    def sent(self, number: int, recipient: str, phase: str, reply: str) -> None:
        """A mail has come to its end."""
        self._done += 1
        if phase != "accepted":
            self._problems += 1
            if self._problems <= _SHOWN:
                self._bar.console.print(problem(number, recipient, phase, reply))
            elif self._problems == _SHOWN + 1:
                self._bar.console.print(Text("… further problems are in the results", "dim"))
        if self._is_terminal:
            self._bar.update(self._task, completed=self._done)
            return
        now = time.monotonic()
        tenth = max(1, self._total // 10)
        if now - self._said >= _EVERY or (self._done % tenth == 0 and self._total >= 100):
            rate = self._done / max(now - self._began, 0.001)
            left = (self._total - self._done) / rate
            self._say(f"{self._done} of {self._total} mails, {_per(rate)}, {_spell(left)} left")

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        self._console.print(line, markup=False)

    @property
    def seconds(self) -> float:
        """How long the sending has taken."""
        return time.monotonic() - self._began


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return mails a second, or a minute when they are few."""
        return Text("" if task.speed is None else _per(task.speed), "cyan")


class _TimeLeft(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return how long it will take."""
        left = task.time_remaining
        return Text("" if left is None or task.total is None else f"{_spell(left)} left", "dim")


def _per(rate: float) -> str:
    return f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 0.5 else f"{rate * 60:.1f}/min"


def _spell(seconds: float) -> str:
    """Return a time for people.

    >>> _spell(75), _spell(7325)
    ('1:15', '2:02:05')
    """
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def problem(number: int | None, recipient: str, phase: str, reply: str) -> Text:
    """Return the line of a row that did not go through."""
    return Text.assemble(
        f"  row {'-' if number is None else number}  {printable(recipient)}  ",
        (f"{WORDS.get(phase, phase):<8}", _STYLES[phase]),
        (f"  {printable(reply)}", "dim"),
    )


def summarise(state: State, results: Path | None, sent: int, seconds: float) -> None:
    """Print how many rows are in which state, and every one that is unknown."""
    console = out()
    counts = state.counts()
    is_done = set(counts) <= {"accepted"}
    parts: list[str | tuple[str, str]] = [
        ("✓ " if is_done else "! ", "bold green" if is_done else "bold yellow")
    ]
    total = sum(counts.values())
    told = [phase for phase in _ORDER if counts.get(phase)]
    parts.append((f"{total} row{'' if total == 1 else 's'}: ", "bold"))
    for phase in told:
        parts += [
            (f"{counts[phase]} {WORDS.get(phase, phase)}", _STYLES[phase]),
            ", " if phase != told[-1] else "",
        ]
    if sent:
        parts.append((f"  ({sent} in {_spell(seconds)}, {_per(sent / max(seconds, 0.001))})", "dim"))
    console.print(Text.assemble(*parts))
    if counts.get("unknown"):
        console.print(Text("these may have got their mail; look before you say --resend-unknown:", "magenta"))
        for at, row in enumerate(state.rows("unknown")):
            if at == _SHOWN:
                console.print(Text("  … the others are in the results", "dim"))
                break
            console.print(problem(row.number, row.recipient, row.phase, row.reply or ""))
    if results is not None:
        console.print(Text(f"  results  {printable(results)}", "dim"))
    if state.path is not None:
        goes_on = "; the same command goes on from here" if {"ready", "deferred"} & set(counts) else ""
        console.print(Text(f"  state    {printable(state.path)}{goes_on}", "dim"))
