"""What commands about a queue's contents share: the options that name the queue, and the store that each gets first.

The queue is opened when a command runs, so that its help needs none.
"""

from __future__ import annotations

from functools import partial, wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from modernmail.errors import QueueError, QueueUnavailable
from modernmail.tasks.registry import VARIABLE
from modernmail.tasks.sqlite.backend import SQLiteBackend

from .worker import find_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Command = Callable[..., Any]


def about_a_queue(function: Command) -> Command:
    """Make the callback of a group take the options that name a queue."""

    @click.option("--tasks-url", help=f"The queue, such as sqlite:///queue.db (default: {VARIABLE}).")
    @click.option(
        "--import",
        "modules",
        multiple=True,
        metavar="MODULE",
        help="Import this first: it configures things.",
    )
    @click.pass_context
    @wraps(function)
    def call(context: click.Context, tasks_url: str | None, modules: tuple[str, ...]) -> None:
        context.obj = partial(find_queue, tasks_url, modules)

    return call


def with_store(store: Callable[[SQLiteBackend], Any]) -> Callable[[Command], Command]:
    """Give a command this store of the queue as its first argument."""

    def decorate(function: Command) -> Command:
        @click.pass_obj
        @wraps(function)
        def call(found: Callable[[], SQLiteBackend], /, *args: Any, **options: Any) -> Any:
            backend = found()
            path = backend.database.path
            if path.exists():
                return function(store(backend), *args, **options)
            click.echo(
                f"there is no {path} yet: it is made when the first mail or task is enqueued", err=True
            )
            # Looking makes no file, which might belong to the wrong account.
            with TemporaryDirectory() as folder:
                nothing = SQLiteBackend(str(Path(folder) / "queue.db"))
                try:
                    return function(store(nothing), *args, **options)
                finally:
                    nothing.close()

        return call

    return decorate


def change_each(ids: Sequence[str], change: Callable[[str], object], word: str, *, is_all: bool) -> None:
    """Change mails or tasks one by one, and say so. One that cannot be changed keeps no other from it; if it was named, and not
    one of `--all`, that makes the command fail in the end."""
    failed = 0
    for one in ids:
        try:
            change(one)
        except QueueUnavailable:
            raise
        except QueueError as error:
            if len(ids) == 1 and not is_all:
                raise
            # A worker, or somebody else, was quicker since they were listed: the others are still to be done.
            click.echo(f"{one} left as it is: {error}", err=True)
            failed += 1
        else:
            click.echo(f"{one} {word}")
    if failed and not is_all:
        raise QueueError(f"{failed} of {len(ids)} were left as they are")
