"""`modernmail preview`: look at the mails that functions make, with any parameters."""

from __future__ import annotations

import click
from rich.text import Text

from modernmail.inbox import InboxServer, MemoryStore
from modernmail.inbox.previews import PreviewMailer, path_first

from .staying import stay
from .terminal import out, printable


@click.command()
@click.argument("modules", nargs=-1, required=True)
@click.option(
    "--http-port", type=click.IntRange(0, 65535), default=8026, show_default=True, help="0: a free one."
)
@click.option("--open", "open_page", is_flag=True, help="Open the page in a browser.")
def preview(modules: tuple[str, ...], http_port: int, open_page: bool) -> None:
    """Show the previews in MODULES (such as mypackage.previews) in a browser, until Ctrl-C.

    A preview is a function whose return type is Message and whose parameters have defaults. It is called anew
    for each look, so an edited template shows on reload.
    """
    path_first()
    mailer = PreviewMailer(*modules)
    from modernmail.inbox.web.previews import Previews

    with (
        MemoryStore() as store,
        InboxServer.threaded(store, http_port=http_port, previews=Previews(mailer)) as server,
    ):
        address = f"{server.url}/previews"
        console = out()
        console.print(Text.assemble(("modernmail preview", "bold"), (f"  {address}", "")))
        for found in mailer.previews:
            console.print(Text.assemble(f"  {printable(found.name)}", (f"  {printable(found.about)}", "dim")))
        console.print(Text("  Ctrl-C ends it", "dim"))
        if open_page:
            click.launch(address)
        stay()
