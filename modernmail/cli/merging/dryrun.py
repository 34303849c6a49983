"""What a merge would send, with nothing sent: `show_first`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from ..terminal import out, printable
from .progress import Progress
from .template import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.mailer import Mailer
    from modernmail.message import Message

    from .table import Row, Table
    from .template import Template

_PREVIEWS = 3  # mails that a dry run shows
_LINES = 12  # of each


def show_first(table: Table, template: Template, mailer: Mailer, limit: int | None) -> int:
    """Check every row, show the first mails, and say how many would go; return how many rows are bad."""
    good = bad = 0
    most = _PREVIEWS if limit is None else limit
    shown: list[Text] = []
    with Progress() as progress:
        for row in progress.checking(table):
            try:
                template.parcel_of(row, mailer)
                message = template.message_of(row)
            except BadRow as fault:
                bad += 1
                progress.complain(str(fault))
                continue
            good += 1
            if good <= most:
                shown += _preview(row, message)
    console = out()
    for line in shown:
        console.print(line)
    mails = f"{good} mail{'' if good == 1 else 's'} would be sent"
    rows = f", {bad} row{' is' if bad == 1 else 's are'} bad" if bad else ""
    console.print(Text(f"{mails}{rows}; nothing was sent", "bold"))
    return bad


def _preview(row: Row, message: Message) -> Iterator[Text]:
    """Yield the lines that show a row's mail."""
    yield Text(row.where, "bold")
    for name, value in (("To", message.to[0]), ("Subject", message.subject)):
        yield Text(f"  {name}: {printable(value)}")
    lines = (message.text or "").splitlines()
    for line in lines[:_LINES]:
        yield Text(f"  │ {printable(line)}", "dim")
    if len(lines) > _LINES:
        yield Text(f"  │ … {len(lines) - _LINES} more lines", "dim")
    if message.html is not None:
        yield Text(f"  + HTML of {len(message.html)} characters", "dim")
    for attachment in message.attachments:
        yield Text(f"  + {printable(attachment.filename or attachment.content_id)}", "dim")
