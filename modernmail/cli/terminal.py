"""How things are shown: results on standard output, complaints on standard error.

Rules of the file: whatever comes from a server or a mail is shown as text, its control characters escaped: it cannot
steer the terminal, and is never read as markup.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click
from rich.console import Console
from rich.text import Text

from modernmail.grammar.characters import printable as escaped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modernmail.outcome import Outcome
    from modernmail.receipt import Receipt

STYLES = {"accepted": "green", "deferred": "yellow", "rejected": "red", "unknown": "magenta"}


# What writing to a file, a pipe or a terminal fails with.
_OUTPUT_FAULTS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class _Console(Console):
    """A console that leaves it to the program what a broken pipe means."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise it: rich would end the program with 1, which says that no mail was sent."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def out() -> Console:
    """Return the console for results, on standard output as it is now."""
    return _Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """Return the console for complaints, on standard error as it is now."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def printable(value: object) -> str:
    """Return what a value says, safe to print."""
    return escaped(str(value))


class PlainFormatter(logging.Formatter):
    """Writes a record as text that steers no terminal: its message as one line, those of a traceback each as one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # the names are those of logging
        """Return the line."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        """Return the traceback."""
        return "\n".join(map(printable, super().formatException(ei).split("\n")))


def complain(message: str, *, receipt: Receipt | None = None) -> None:
    """Print an error as one clear line; below it what became of each recipient, when there are several."""
    console = err()
    console.print(Text.assemble(("error ", "bold red"), printable(message)))
    if receipt is not None and len(receipt.recipients) > 1:
        for line in outcome_lines(receipt.recipients):
            console.print(line)


def complain_of_usage(error: click.ClickException) -> None:
    """Print what is wrong with a command's arguments, and where its help is."""
    context = getattr(error, "ctx", None)
    if isinstance(error, getattr(click.exceptions, "NoArgsIsHelpError", ())):
        error.show()
        return
    complain(error.format_message())
    if context is not None:
        err().print(Text(f"      {context.command_path} --help tells what there is", "dim"))


def complain_of_output(error: OSError, what: str = "what there is to say") -> None:
    """Say that `what` could not be written to standard output, which takes nothing more from here on.

    Whoever has read enough, as `head` does, closed the pipe and knows. Raises `error` when it is none of writing.
    """
    if error.errno not in _OUTPUT_FAULTS:
        raise error
    if error.errno != errno.EPIPE:
        complain(f"{what} cannot be written to standard output: {error.strerror}")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())  # what is still in the buffer would fail again at the end
    os.close(nowhere)


def json_text(value: Any, *, indent: int | None = None, separators: tuple[str, str] | None = None) -> str:
    """Return `value` as JSON that standard output can take, whatever its encoding, and that steers no terminal."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not is_utf8, indent=indent, separators=separators)
    if text.isprintable():
        return text
    return "".join([char if char.isprintable() or char == "\n" else _json_escape(char) for char in text])


def _json_escape(char: str) -> str:
    """Return a character within a string of JSON as an escape; `json` leaves DEL and the controls beyond ASCII bare."""
    octets = char.encode("utf-16-be", "surrogatepass")
    return "".join([f"\\u{octets[at : at + 2].hex()}" for at in range(0, len(octets), 2)])


def warn(message: str) -> None:
    """Print a warning as one line."""
    err().print(Text.assemble(("warning ", "bold yellow"), printable(message)))


def outcome_lines(outcomes: Mapping[str, Outcome]) -> Iterable[Text]:
    """Give a line for each recipient: who, what became of the mail, and the reply or reason."""
    width = max(map(len, outcomes), default=0)
    for recipient, outcome in outcomes.items():
        why = outcome.reply if outcome.reply is not None else outcome.reason
        yield Text.assemble(
            f"  {printable(recipient):<{width}}  ",
            (f"{outcome.status:<8}", STYLES[outcome.status]),
            (f"  {printable(why)}" if why else "", "dim"),
        )


def heading(receipt: Receipt, title: str, detail: str) -> Text:
    """Return the line above a receipt's recipients: whether it was sent, a title and a detail."""
    if receipt.is_complete:
        mark, style = "✓", "bold green"
    elif receipt.accepted:
        mark, style = "!", "bold yellow"
    else:
        mark, style = "✗", "bold red"
    return Text.assemble((f"{mark} ", style), (printable(title), "bold"), (f"  {printable(detail)}", "dim"))


def show_receipt(console: Console, receipt: Receipt, title: str, detail: str | None = None) -> None:
    """Print what became of one mail, recipient by recipient; the detail is its Message-ID unless another is given."""
    console.print(heading(receipt, title, receipt.message_id or "" if detail is None else detail))
    for line in outcome_lines(receipt.recipients):
        console.print(line)


def octets(count: int) -> str:
    """Return a size for people.

    >>> octets(900), octets(20_500), octets(10_240_000)
    ('900 B', '20.5 kB', '10.2 MB')
    """
    if count < 1000:
        return f"{count} B"
    size = count / 1000
    for unit in ("kB", "MB"):
        if size < 999.95:
            return f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
