"""`modernmail outbox`: look at the mail in a queue, and decide about single ones."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from modernmail.tasks.recipients import STATUSES
from modernmail.tasks.sqlite.mail import MailStore

from .health import facts, health, span, told
from .stored import about_a_queue, change_each, with_store
from .terminal import STYLES, json_text, out, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modernmail.tasks import Ticket
    from modernmail.tasks.sqlite.pause import Pause

_WIDTH = 80  # characters of a reason in a list
_STYLES = {**STYLES, "queued": "", "sending": "cyan", "expired": "red", "discarded": "dim"}


@click.group()
@about_a_queue
def outbox() -> None:
    """Look at the mail in a queue, and decide about single ones."""


@outbox.command("list", short_help="List the mails in order of arrival.")
@click.option("--status", type=click.Choice(STATUSES), help="Mails with a recipient of this status only.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each mail.")
@with_store(MailStore)
def list_mail(store: MailStore, status: str | None, limit: int | None, as_json: bool) -> None:
    """List the mails in order of arrival, and say which mailers are paused."""
    console = out()
    for number, ticket in enumerate(store.tickets(status), 1):
        if as_json:
            click.echo(json_text(ticket.to_dict()))
        else:
            console.print(_line(ticket))
        if number == limit:
            break
    if not as_json:
        _tell_pauses(store)


@outbox.command()
@click.argument("mail_id", metavar="ID")
@click.option("--content", is_flag=True, help="The stored content too.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_store(MailStore)
def show(store: MailStore, mail_id: str, content: bool, as_json: bool) -> None:
    """Show one mail, recipient by recipient."""
    ticket = store.ticket(mail_id)
    facts = ticket.to_dict()
    if as_json:
        click.echo(json_text(facts, indent=2))
    else:
        console = out()
        for name, value in facts.items():
            if name != "recipients" and value is not None:
                console.print(Text.assemble((f"{name:>16}  ", "dim"), printable(value)))
        for name, status in ticket.recipients.items():
            console.print(
                Text.assemble(
                    (f"{status:>16}  ", _STYLES[status]), printable(name), "  ", printable(_why(ticket, name))
                )
            )
        _tell_pauses(store, ticket.mailer)
    if content:
        data = store.content(mail_id)
        if data is None:
            out().print(Text("the content was dropped when everybody had accepted the mail", "dim"))
        elif sys.stdout.isatty():
            for line in data.decode("utf-8", "backslashreplace").split("\r\n"):
                out().print(Text(printable(line)))
        else:
            click.echo(data, nl=False)  # to a file: exactly what would be sent


@outbox.command()
@click.argument("mail_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every mail that waits for another attempt.")
@with_store(MailStore)
def retry(store: MailStore, mail_ids: tuple[str, ...], everything: bool) -> None:
    """Try deferred recipients again now; a paused mailer goes on."""
    if not everything:
        _each(store.retry, mail_ids, "queued")
        return
    for mail_id in store.retry_all():
        click.echo(f"{mail_id} queued")
    for pause in store.pauses.all():  # also those whose mail was never tried
        if store.pauses.end(pause.lane):
            click.echo(f"mailer {printable(_mailer_of(pause))} goes on")


@outbox.command()
@click.argument("mail_ids", metavar="ID...", nargs=-1)
@with_store(MailStore)
def discard(store: MailStore, mail_ids: tuple[str, ...]) -> None:
    """Give mails up: whoever was not reached yet never will be."""
    _each(store.discard, mail_ids, "discarded")


@outbox.command(short_help="Send mails again: some may get them twice.")
@click.argument("mail_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every mail with an unknown recipient.")
@with_store(MailStore)
def resend(store: MailStore, mail_ids: tuple[str, ...], everything: bool) -> None:
    """Send mails again to those whose outcome is unknown or expired, or who were refused here: some may get them
    twice."""
    if everything:
        # What a worker has in its hands is left to it.
        found = [
            ticket.id for ticket in store.tickets("unknown") if ticket.phase not in ("leased", "content")
        ]
        change_each(found, store.resend, "queued again", is_all=True)
    else:
        _each(store.resend, mail_ids, "queued again")


@outbox.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_store(MailStore)
def stats(store: MailStore, as_json: bool) -> None:
    """Count recipients by status, say what is due and since when, and which mailers are paused."""
    counts, backlog = store.counts(), store.backlog()
    if as_json:
        pauses = [
            {
                "mailer": _mailer_of(pause), "reason": pause.reason, "times": pause.times, "since": pause.since,
                "until": pause.until,
            }
            for pause in store.pauses.all()
        ]  # fmt: skip
        click.echo(json_text({"recipients": counts, "backlog": facts(backlog), "paused": pauses}))
        return
    console = out()
    for status in STATUSES:
        if status in counts:
            console.print(Text.assemble((f"{counts[status]:>10} ", "bold"), (status, _STYLES[status])))
    if not counts:
        console.print(Text("the outbox is empty", "dim"))
    for line in told(backlog):
        console.print(line)
    _tell_pauses(store)


outbox.add_command(health)


@outbox.command(short_help="After a restore: take what may have been sent since for unknown.")
@with_store(MailStore)
def park(store: MailStore) -> None:
    """After a backup was restored: take all mail for unknown that may have been sent since it was made.

    Nothing of it is sent until you say so, by `resend`. Run it before any worker.
    """
    for mail_id in store.park():
        click.echo(f"{mail_id} unknown")


def _tell_pauses(store: MailStore, mailer: str | None = None) -> None:
    """Say which mailers are paused, why, and what lets them go on; of one mailer, if it is."""
    for pause in store.pauses.all():
        if mailer in (None, _mailer_of(pause)):
            until = datetime.fromtimestamp(pause.until, UTC).astimezone()
            text = (
                f"mailer {printable(_mailer_of(pause))} is paused: {printable(pause.reason)}\n"
                f"  for {span(time.time() - pause.since)} (times tried: {pause.times}); "
                f"it is tried again at {until:%H:%M:%S}, or now: modernmail outbox retry --all"
            )
            out().print(Text(text, "yellow"))


def _mailer_of(pause: Pause) -> str:
    return pause.lane.removeprefix("mail:")


def _each(change: Callable[[str], Ticket], mail_ids: Sequence[str], word: str) -> None:
    if not mail_ids:
        raise click.UsageError("say which: one or more ids, as `modernmail outbox list` shows them")
    change_each(mail_ids, change, word, is_all=False)


def _why(ticket: Ticket, name: str) -> str:
    """Return what the server said of a recipient, or why we did not send."""
    known = ticket.state.get(name, {})
    reply = known.get("reply")
    return f"{reply['code']} {reply['text']}" if reply else known.get("reason") or ""


def _line(ticket: Ticket) -> Text:
    """Return a mail in one line; of those that not everybody has, with what was said to the first who has not."""
    facts: dict[str, Any] = ticket.counts
    others = ", ".join(f"{count} {status}" for status, count in facts.items()) if len(facts) > 1 else ""
    unserved = (name for name, status in ticket.recipients.items() if status not in ("accepted", "discarded"))
    why = next(filter(None, (_why(ticket, name) for name in unserved)), "")
    first, *more = ticket.recipients
    to = printable(first) + (f" and {len(more)} more" if more else "")
    when = ticket.enqueued_at.astimezone().strftime("%Y-%m-%d %H:%M")
    return Text.assemble(
        (ticket.id, "dim"),
        "  ",
        when,
        "  ",
        (f"{ticket.status:9}", _STYLES[ticket.status]),
        "  ",
        to,
        "  ",
        others,
        "  " if others else "",
        printable(why if len(why) <= _WIDTH else f"{why[: _WIDTH - 1]}…"),
    )
