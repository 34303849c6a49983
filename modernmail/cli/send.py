"""`modernmail send`: one mail from the command line."""

from __future__ import annotations

import os
import sys

import click

from modernmail.mailer import Mailer
from modernmail.message import Message

from .given import add_files, pairs, text_of, text_or_file, url_of
from .terminal import complain_of_output, err, out, printable, show_receipt, warn

TYPE_CHECKING = False
if TYPE_CHECKING:
    from modernmail.parcel import Parcel


@click.command()
@click.option("--to", multiple=True, metavar="ADDRESS", help="Who gets it; repeat it for several.")
@click.option("--cc", multiple=True, metavar="ADDRESS", help="Who gets a copy.")
@click.option("--bcc", multiple=True, metavar="ADDRESS", help="Who gets a copy that nobody sees.")
@click.option("--from", "from_email", metavar="ADDRESS", help="The author [default: MODERNMAIL_FROM].")
@click.option("--reply-to", multiple=True, metavar="ADDRESS", help="Where answers go.")
@click.option("--subject", default="", metavar="TEXT", help="The subject.")
@click.option("--text", metavar="TEXT", help="The plain text.")
@click.option("--text-file", metavar="FILE", help="The plain text, from a file; - is standard input.")
@click.option("--html-file", metavar="FILE", help="The HTML, from a file; - is standard input.")
@click.option("--attach", multiple=True, metavar="FILE", help="Attach a file; repeat it for several.")
@click.option("--embed", multiple=True, metavar="CID=FILE", help="Embed what the HTML shows as cid:CID.")
@click.option("--header", multiple=True, metavar="'NAME: VALUE'", help="Add a header field.")
@click.option("--url", metavar="URL", help="Where to send it [default: MODERNMAIL_URL].")
@click.option("--dry-run", is_flag=True, help="Send nothing: print the mail as it would travel.")
def send(
    to: tuple[str, ...],
    cc: tuple[str, ...],
    bcc: tuple[str, ...],
    from_email: str | None,
    reply_to: tuple[str, ...],
    subject: str,
    text: str | None,
    text_file: str | None,
    html_file: str | None,
    attach: tuple[str, ...],
    embed: tuple[str, ...],
    header: tuple[str, ...],
    url: str | None,
    dry_run: bool,
) -> None:
    """Send one mail and print what became of each recipient.

    \b
    modernmail send --to zoe@example.com --subject Hi --text Hello --attach report.pdf
    df -h | modernmail send --to ops@example.com --subject Disks --text-file -

    Exit codes: 0 when at least one recipient was accepted, 1 when nobody was, 2 for a mistake in the options.
    """
    if text_file == "-" and html_file == "-":
        raise click.UsageError("standard input cannot be both --text-file and --html-file")
    message = Message(
        subject,
        text_or_file(text, text_file),
        text_of("--html-file", html_file),
        from_email=from_email,
        to=to,
        cc=cc,
        bcc=bcc,
        reply_to=reply_to,
        headers=pairs("--header", header, ":", "'Name: value'"),
    )
    add_files(message, attach, pairs("--embed", embed, "=", "CID=FILE"))
    where = url_of(url, is_dry=dry_run)
    sender = os.environ.get("MODERNMAIL_FROM") or None
    if from_email is None and sender is None:
        raise click.UsageError("say who sends: --from you@example.com, or MODERNMAIL_FROM in the environment")
    with Mailer(where, from_email=sender) as mailer:
        if not (message.text or message.html or message.attachments):
            warn("the mail is empty: --text, --text-file and --html-file say what it says")
        if dry_run:
            _print_parcel(mailer.parcel(message))
            return
        receipt = mailer.send(message)
    try:
        show_receipt(out(), receipt, subject or "(no subject)")
    except OSError as error:  # the mail is out: who takes this for a failure would send it again
        complain_of_output(error, "the mail was sent, but what became of it")


def _print_parcel(parcel: Parcel) -> None:
    """Write the octets to standard output, and to standard error who would get them."""
    envelope = parcel.envelope
    console = err()
    console.print(f"from <{printable(envelope.return_path)}>", style="dim", markup=False)
    for recipient in envelope.recipients:
        console.print(f"to   <{printable(recipient)}>", style="dim", markup=False)
    sys.stdout.flush()
    for chunk in parcel.content.chunks():
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
