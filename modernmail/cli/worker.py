"""`modernmail worker`: run what is in a queue."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from rich.live import Live
from rich.text import Text

from modernmail.errors import ConfigurationError, QueueUnavailable
from modernmail.tasks import configure, task_backends
from modernmail.tasks.registry import VARIABLE
from modernmail.tasks.sqlite.backend import SQLiteBackend
from modernmail.tasks.worker import Worker

from .terminal import STYLES, PlainFormatter, complain_of_output, json_text, out, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

_STYLES = {**STYLES, "waiting": "yellow", "done": "green", "failed": "red", "expired": "red"}
_WORDS = {"waiting": "put off"}
_COUNTED = 100_000  # jobs that are left: to count more takes too long


@click.command()
@click.option("--tasks-url", help=f"The queue, such as sqlite:///queue.db (default: {VARIABLE}).")
@click.option(
    "--import", "modules", multiple=True, metavar="MODULE", help="Import this first: it configures things."
)
@click.option(
    "--queue", "queues", multiple=True, metavar="NAME", help="Serve this queue only; may be repeated."
)
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=4, show_default=True, help="Jobs at once."
)
@click.option(
    "--batch", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Mails a stream takes."
)
@click.option("--until-empty", is_flag=True, help="End when nothing is left that could run now.")
def worker(
    tasks_url: str | None,
    modules: tuple[str, ...],
    queues: tuple[str, ...],
    concurrency: int,
    batch: int,
    until_empty: bool,
) -> None:
    """Run the tasks and send the mail of a queue, until it is told to stop.

    SIGTERM or SIGINT, or SIGHUP when its terminal is gone: what is being sent is finished, the rest is given back; a second
    one ends it at once.
    Mailers are configured by MODERNMAIL_URL, or by a module named with --import. On a terminal a line counts
    what is done; elsewhere each mail is one line of JSON.
    """
    # What goes wrong is told on standard error; results are on standard output.
    handler = logging.StreamHandler()
    handler.setFormatter(PlainFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    backend = find_queue(tasks_url, modules)
    if not backend.database.path.exists():
        # A relative path, and another folder than that of the program, most often.
        click.echo(
            f"there is no {backend.database.path} yet: it is made now, for whoever enqueues into that file",
            err=True,
        )
    show = _Counter(backend.jobs.count_ready) if sys.stdout.isatty() else _Lines()
    working = Worker(
        backend,
        queues=queues or None,
        concurrency=concurrency,
        batch=batch,
        until_empty=until_empty,
        report=show.report,
    )
    signals = 0

    def stop(number: int, _: FrameType | None) -> None:
        nonlocal signals
        signals += 1
        if signals > 1:
            os._exit(128 + number)
        working.stop()

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # nohup ignores it
            signal.signal(number, stop)
    with show:
        working.run()


def find_queue(tasks_url: str | None, modules: Iterable[str]) -> SQLiteBackend:
    """Return the queue that the options name: the URL, else what the modules or the environment configured."""
    sys.path.insert(0, str(os.getcwd()))  # noqa: PTH109 - as python -m does
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise ConfigurationError(f"--import {module}: {error}") from error
    if tasks_url:
        configure(tasks_url)
    if not task_backends.is_configured:
        raise ConfigurationError(
            f"say which queue: --tasks-url sqlite:///queue.db, {VARIABLE} in the environment, or --import a module that calls "
            "modernmail.tasks.configure"
        )
    backend = task_backends["default"]
    if not isinstance(backend, SQLiteBackend):
        raise ConfigurationError(
            f"{backend} has no queue that could be worked on from here: pass --tasks-url sqlite:///queue.db or set "
            f"{VARIABLE} (Celery, Dramatiq and procrastinate have workers of their own)"
        )
    return backend


class _Lines:
    """One line of JSON for each job, for as long as somebody takes them."""

    def __init__(self) -> None:
        self._is_heard = True

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...

    def report(self, line: dict[str, Any]) -> None:
        """Print a line."""
        if not self._is_heard:
            return
        try:
            click.echo(json_text(line, separators=(",", ":")))
        except OSError as error:
            self._is_heard = False
            logging.getLogger(__name__).warning(
                "standard output takes no more lines (%s): the work goes on without them", error.strerror
            )
            complain_of_output(error)


class _Counter:
    """A line on the terminal that counts, with the rate of the last seconds, and how many are `left`."""

    def __init__(self, left: Callable[[int], int]) -> None:
        self._count_left = left
        self._left = ""
        self._looked = 0.0
        self._counts: dict[str, int] = {}
        self._paused: set[str] = set()  # the mailers that this worker knows to be so
        self._began = time.monotonic()
        self._marks: list[tuple[float, int]] = [(self._began, 0)]
        self._live = Live(get_renderable=self._line, console=out(), refresh_per_second=4)

    def __enter__(self) -> None:
        self._live.__enter__()

    def __exit__(self, *_: object) -> None:
        self._looked = 0.0  # the last line, which stays, is exact
        self._live.__exit__(None, None, None)

    def report(self, line: dict[str, Any]) -> None:
        """Count what became of a mail or task, and see which mailers are paused."""
        phase = line["phase"]
        if phase == "paused":
            self._paused.add(line["mailer"])
            return
        if phase in ("resumed", "accepted"):
            self._paused.discard(line.get("mailer", ""))
        if phase not in ("resumed", "recovered"):  # the log tells of these
            self._counts[phase] = self._counts.get(phase, 0) + 1

    def _line(self) -> Text:
        now, total = time.monotonic(), sum(self._counts.values())
        self._marks.append((now, total))
        while len(self._marks) > 2 and now - self._marks[0][0] > 5:
            self._marks.pop(0)
        since, before = self._marks[0]
        rate = (total - before) / (now - since) if now > since else 0.0
        parts = [Text(f"{rate:8.0f}/s  ")]
        for phase, count in sorted(self._counts.items()):
            parts.append(Text(f"{count:,} {_WORDS.get(phase, phase)}  ", _STYLES.get(phase, "")))
        parts += [Text(f"{printable(mailer)} is paused  ", "yellow") for mailer in sorted(self._paused)]
        if now - self._looked >= 1:
            self._looked = now
            self._left = self._told_left()
        return Text.assemble(*parts, (self._left, "dim"))

    def _told_left(self) -> str:
        try:
            left = self._count_left(_COUNTED)
        except QueueUnavailable:
            return ""  # the log says why
        return f"{left:,}{'+' if left == _COUNTED else ''} left"
