"""Whether the workers of a queue keep up: for people, and `modernmail outbox health` for alarms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from modernmail.tasks.sqlite.mail import MailStore

from .stored import with_store
from .terminal import complain, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.tasks.sqlite.backlog import Backlog


@click.command(short_help="Say whether mail goes out in time.")
@click.option(
    "--max-age",
    type=click.FloatRange(0),
    default=900.0,
    show_default=True,
    help="Seconds for which a mail may be due.",
)
@with_store(MailStore)
def health(store: MailStore, max_age: float) -> None:
    """Say whether mail goes out in time: exit with 1 when one could have been sent for more than --max-age seconds.

    It looks at what is still to be done, not at what ended, so it may be asked every minute.
    """
    backlog = store.backlog()
    oldest = backlog.oldest or 0.0
    if oldest <= max_age:
        click.echo("\n".join(told(backlog)) or "no mail is due")
        return
    complain(f"{next(told(backlog))}: is a worker running, and fast enough?")
    for pause in store.pauses.all():
        complain(f"mailer {printable(pause.lane.removeprefix('mail:'))} is paused: {printable(pause.reason)}")
    click.get_current_context().exit(1)


def told(backlog: Backlog) -> Iterator[str]:
    """Give a line for each thing that there is to say about what is still to be done."""
    if backlog.ready:
        yield f"{_mails(backlog.ready)} due, the oldest for {span(backlog.oldest or 0.0)}"
    if backlog.held:
        yield f"{_mails(backlog.held)} in the hands of workers"
    if backlog.waiting:
        soon = f"{backlog.within_hour:,} of them due within the hour, " if backlog.within_hour else ""
        yield (
            f"{_mails(backlog.waiting)} waiting for the next attempt, or a time of its own, {soon}"
            f"the first in {span(backlog.next or 0.0)}"
        )


def facts(backlog: Backlog) -> dict[str, Any]:
    """Return the same for programs: numbers of mails, and seconds."""
    return {
        "due": backlog.ready,
        "oldest_due_seconds": backlog.oldest,
        "sending": backlog.held,
        "waiting": backlog.waiting,
        "due_within_hour": backlog.within_hour,
        "next_due_seconds": backlog.next,
    }


def span(seconds: float) -> str:
    """Return how long it is, for people.

    >>> span(4.2), span(800), span(8000), span(200_000)
    ('4 s', '13 min', '2 h 13 min', '2 d 7 h')
    """
    minutes, hours, days = int(seconds // 60), int(seconds // 3600), int(seconds // 86_400)
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{int(seconds)} s"


def _mails(count: int) -> str:
    return f"{count:,} mails are" if count != 1 else "1 mail is"
