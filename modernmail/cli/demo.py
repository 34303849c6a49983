"""`modernmail demo`: an inbox of its own, sample mails by real SMTP, and what became of them."""

from __future__ import annotations

import asyncio

import click
from rich.text import Text

from modernmail.inbox import InboxServer, MemoryStore
from modernmail.mailer import Mailer
from modernmail.reading import read

from .samples import NOBODY, sample_messages
from .staying import stay
from .terminal import octets, out, printable, show_receipt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from rich.console import Console

    from modernmail.inbox import CapturedMail
    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt


@click.command()
@click.option("--once", is_flag=True, help="End when the mails have arrived.")
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
@click.pass_context
def demo(context: click.Context, once: bool, open_page: bool) -> None:
    """Start an inbox on this machine, send it sample mails by real SMTP, sync and async, and show what arrived.

    Then stay, for a look at its page, until Ctrl-C. Nothing leaves this machine.
    """
    console = out()
    with MemoryStore() as store, InboxServer.threaded(store, smtp={"refuse": {NOBODY}}) as server:
        console.print(
            Text.assemble(("modernmail demo", "bold"), (f" · an inbox listens on {server.smtp_url}", "dim"))
        )
        sent = send_samples(console, server.smtp_url)
        arrived = list(store)
        _judge(context, console, sent, arrived)
        if not once:
            console.print(
                Text.assemble("  Look at them: ", (server.url, "bold"), ("   Ctrl-C ends it", "dim"))
            )
            if open_page:
                click.launch(server.url)
            stay()


def _judge(context: click.Context, console: Console, sent: list[Parcel], arrived: list[CapturedMail]) -> None:
    show_arrived(console, arrived)
    if [mail.content for mail in arrived] != [bytes(parcel.content) for parcel in sent]:
        console.print(f"\n[bold red]✗[/] {len(sent)} mails sent, {len(arrived)} arrived, and they differ")
        context.exit(1)
    console.print(
        f"\n[bold green]✓[/] {len(sent)} mails sent, {len(arrived)} arrived, the same to the last octet."
        "\n  Now yours: [bold]modernmail send --help[/]"
    )


def send_samples(console: Console, url: str) -> list[Parcel]:
    """Send the sample mails to `url`, sync and then async, and print each receipt; return what was sent."""
    with Mailer(url) as mailer:
        parcels = [mailer.parcel(message) for message in sample_messages()]
        console.print("\n[bold]mailer.send(message)[/]")
        for parcel in parcels:
            _show(console, mailer.send(parcel), parcel)
    return parcels + asyncio.run(_asend_samples(console, url))


async def _asend_samples(console: Console, url: str) -> list[Parcel]:
    async with Mailer(url) as mailer:
        parcels = [mailer.parcel(message) for message in sample_messages()]
        console.print("\n[bold]await mailer.asend(message)[/]")
        for parcel in parcels:
            _show(console, await mailer.asend(parcel), parcel)
    return parcels


def _show(console: Console, receipt: Receipt, parcel: Parcel) -> None:
    show_receipt(console, receipt, read(parcel.content.head).subject, f"{receipt.seconds * 1000:.1f} ms")


def show_arrived(console: Console, arrived: list[CapturedMail]) -> None:
    """Print what the inbox holds: subject, recipients with those that no header names, parts and size."""
    console.print("\n[bold]What arrived[/]")
    for number, captured in enumerate(arrived, 1):
        mail = read(captured.content)
        named = {mailbox.address for field in ("To", "Cc") for mailbox in mail.mailboxes(field)}
        who = ", ".join(name if name in named else f"{name} (Bcc)" for name in captured.recipients)
        parts = [kind for kind, body in (("text", mail.text), ("html", mail.html)) if body is not None]
        parts += [f"{part.filename or part.content_id} {octets(len(part.content))}" for part in mail.files]
        console.print(Text(f"  {number}. {printable(mail.subject)}"))
        console.print(
            Text(
                f"     to {printable(who)} · {printable(', '.join(parts))} · {octets(captured.size)} in all",
                "dim",
            )
        )
