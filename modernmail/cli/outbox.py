"""`modernmail outbox`: look at the mail in a queue, and decide about single ones."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from modernmail.tasks.recipients import STATUSES
from modernmail.tasks.sqlite.mail import MailStore

from .stored import about_a_queue, with_store
from .terminal import STYLES, out, printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail.tasks import Ticket

_STYLES = {**STYLES, "queued": "", "sending": "cyan", "expired": "red", "discarded": "dim"}


@click.group()
@about_a_queue
def outbox() -> None:
    """Look at the mail in a queue, and decide about single ones."""


@outbox.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Mails with a recipient of this status only.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each mail.")
@with_store(MailStore)
def list_mail(store: MailStore, status: str | None, limit: int | None, as_json: bool) -> None:
    """List the mails in order of arrival."""
    for number, ticket in enumerate(store.tickets(status), 1):
        if as_json:
            click.echo(json.dumps(ticket.to_dict(), ensure_ascii=False))
        else:
            out().print(_line(ticket))
        if number == limit:
            return


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
        click.echo(json.dumps(facts, ensure_ascii=False, indent=2))
    else:
        console = out()
        for name, value in facts.items():
            if name != "recipients" and value is not None:
                console.print(Text.assemble((f"{name:>16}  ", "dim"), printable(value)))
        for name, status in ticket.recipients.items():
            known = ticket.state.get(name, {})
            reply = known.get("reply")
            why = f"{reply['code']} {reply['text']}" if reply else known.get("reason") or ""
            console.print(
                Text.assemble((f"{status:>16}  ", _STYLES[status]), printable(name), "  ", printable(why))
            )
    if content:
        data = store.content(mail_id)
        if data is None:
            out().print(Text("the content was dropped when everybody had accepted the mail", "dim"))
        else:
            click.echo(data.decode("utf-8", "backslashreplace"))


@outbox.command()
@click.argument("mail_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every mail that waits for another attempt.")
@with_store(MailStore)
def retry(store: MailStore, mail_ids: tuple[str, ...], everything: bool) -> None:
    """Try deferred recipients again now; a paused mailer goes on."""
    _each(store, store.retry, mail_ids, "deferred" if everything else None, "queued")


@outbox.command()
@click.argument("mail_ids", metavar="ID...", nargs=-1)
@with_store(MailStore)
def discard(store: MailStore, mail_ids: tuple[str, ...]) -> None:
    """Give mails up: whoever was not reached yet never will be."""
    _each(store, store.discard, mail_ids, None, "discarded")


@outbox.command()
@click.argument("mail_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every mail with an unknown recipient.")
@with_store(MailStore)
def resend(store: MailStore, mail_ids: tuple[str, ...], everything: bool) -> None:
    """Send mails again to those whose outcome is unknown or expired, or who were refused here: some may get them
    twice."""
    _each(store, store.resend, mail_ids, "unknown" if everything else None, "queued again")


@outbox.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_store(MailStore)
def stats(store: MailStore, as_json: bool) -> None:
    """Count recipients by status, and say which mailers are paused."""
    counts = store.counts()
    pauses = [
        {"mailer": pause.lane.removeprefix("mail:"), "reason": pause.reason, "times": pause.times}
        for pause in store.pauses.all()
    ]
    if as_json:
        click.echo(json.dumps({"recipients": counts, "paused": pauses}, ensure_ascii=False))
        return
    console = out()
    for status in STATUSES:
        if status in counts:
            console.print(Text.assemble((f"{counts[status]:>10} ", "bold"), (status, _STYLES[status])))
    if not counts:
        console.print(Text("the outbox is empty", "dim"))
    for pause in pauses:
        console.print(
            Text(f"mailer {printable(pause['mailer'])} is paused: {printable(pause['reason'])}", "yellow")
        )


def _each(
    store: MailStore,
    change: Callable[[str], Ticket],
    mail_ids: tuple[str, ...],
    status: str | None,
    word: str,
) -> None:
    ids = list(mail_ids)
    if status is not None:
        # What a worker has in its hands is left to it.
        ids = [ticket.id for ticket in store.tickets(status) if ticket.phase not in ("leased", "content")]
    if not ids and status is None:
        raise click.UsageError("say which: one or more ids, as `modernmail outbox list` shows them")
    for mail_id in ids:
        change(mail_id)
        click.echo(f"{mail_id} {word}")


def _line(ticket: Ticket) -> Text:
    facts: dict[str, Any] = ticket.counts
    others = ", ".join(f"{count} {status}" for status, count in facts.items()) if len(facts) > 1 else ""
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
    )
