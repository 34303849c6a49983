"""`modernmail merge`: one mail to each row of a CSV file; safe to stop, and to go on with."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from modernmail.errors import ConfigurationError
from modernmail.layers import RateLimit
from modernmail.mailer import Mailer

from .given import pairs, text_of, text_or_file, url_of
from .merging.dryrun import show_first
from .merging.progress import Progress, summarise
from .merging.results import check_results, write_results
from .merging.run import Run, Stopped
from .merging.state import State
from .merging.table import Table
from .merging.template import Template, file_digest
from .terminal import complain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_SENT, _NOT_SENT, _USAGE = 0, 1, 2


@click.command()
@click.argument("csvfile", metavar="CSVFILE")
@click.option("--subject", metavar="TEXT", help="The subject, with {column} where a value goes.")
@click.option("--text", metavar="TEXT", help="The plain text, with {column} where a value goes.")
@click.option("--text-file", metavar="FILE", help="The plain text, from a file.")
@click.option("--html-file", metavar="FILE", help="The HTML, from a file; values are escaped.")
@click.option(
    "--attach", multiple=True, metavar="FILE", help="Attach a file to each mail; repeat it for several."
)
@click.option("--embed", multiple=True, metavar="CID=FILE", help="Embed what the HTML shows as cid:CID.")
@click.option("--from", "from_email", metavar="ADDRESS", help="The author [default: MODERNMAIL_FROM].")
@click.option("--reply-to", multiple=True, metavar="ADDRESS", help="Where answers go.")
@click.option("--header", multiple=True, metavar="'NAME: VALUE'", help="Add a header field.")
@click.option(
    "--unsubscribe", metavar="URL", help="An https link that unsubscribes by one click; with {columns}."
)
@click.option("--url", metavar="URL", help="Where to send it [default: MODERNMAIL_URL].")
@click.option("--rate", metavar="LIMIT", help="How fast, such as 10/s, 300/minute or 5000/day.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Send at most N mails now.")
@click.option("--dry-run", is_flag=True, help="Send nothing: check every row and show the first mails.")
@click.option("--resume", metavar="FILE", help="Keep in FILE who has a mail; go on where the last run ended.")
@click.option(
    "--resend-unknown", is_flag=True, help="Send again to those who may have got it: some get it twice."
)
@click.option("--accept-changes", is_flag=True, help="Go on though table or mail changed since the last run.")
@click.option(
    "--on-bad-row", type=click.Choice(["stop", "skip"]), default="stop", show_default=True,
    help="With a row that no mail can be made of, send nothing, or leave it out.",
)  # fmt: skip
@click.option("--to-column", metavar="NAME", help="The column of the recipients [default: to, else email].")
@click.option("--delimiter", default=",", show_default=True, help="What parts the fields; tab for a tab.")
@click.option("--encoding", default="utf-8", show_default=True, help="The encoding of the CSV file.")
@click.option("--keep-braces", is_flag=True, help="Leave {words} that no column fills as they are.")
@click.option("--results", metavar="FILE", help="Where the results go [default: CSVFILE with .results.csv].")
def merge(
    csvfile: str,
    subject: str | None,
    text: str | None,
    text_file: str | None,
    html_file: str | None,
    attach: tuple[str, ...],
    embed: tuple[str, ...],
    from_email: str | None,
    reply_to: tuple[str, ...],
    header: tuple[str, ...],
    unsubscribe: str | None,
    url: str | None,
    rate: str | None,
    limit: int | None,
    dry_run: bool,
    resume: str | None,
    resend_unknown: bool,
    accept_changes: bool,
    on_bad_row: str,
    to_column: str | None,
    delimiter: str,
    encoding: str,
    keep_braces: bool,
    results: str | None,
) -> int:
    """Send one mail to each row of a CSV file whose first line names the columns.

    The column `to` (or `email`) has the recipient, `name` the name that stands before it; {column} in subject, text and HTML
    is replaced by the row's value. Every row is checked before anything is sent.

    \b
    modernmail merge people.csv --subject "News for {name}" --text-file t.txt --dry-run
    modernmail merge people.csv --subject "News for {name}" --text-file t.txt --rate 10/s --resume autumn.state

    With --resume it may be stopped at any time, by Ctrl-C, SIGTERM or worse: the same command goes on, and sends to
    nobody twice.

    Exit codes: 0 when all were sent, 1 when some were not, 2 for a mistake in options, table or template, with nothing sent.
    """
    where = url_of(url, is_dry=dry_run)
    table = Table(csvfile, to_column=to_column, delimiter=delimiter, encoding=encoding)
    template = Template(
        table,
        subject=subject,
        text=text_or_file(text, text_file),
        html=text_of("--html-file", html_file),
        from_email=from_email,
        reply_to=reply_to,
        headers=pairs("--header", header, ":", "'Name: value'"),
        attach=attach,
        embed=pairs("--embed", embed, "=", "CID=FILE"),
        unsubscribe=unsubscribe,
        keeps_braces=keep_braces,
    )
    layers = [] if rate is None else [RateLimit(rate)]
    mailer = Mailer(where, from_email=os.environ.get("MODERNMAIL_FROM") or None, layers=layers)
    if from_email is None and mailer.from_email is None:
        raise click.UsageError("say who sends it: --from ADDRESS, or MODERNMAIL_FROM in the environment")
    if dry_run:
        if not show_first(table, template, mailer, limit):
            return _SENT
        return _USAGE if on_bad_row == "stop" else _NOT_SENT
    told = Path(results) if results else table.path.with_suffix(".results.csv")
    known = resume is not None and Path(resume).exists()
    if told.exists() and not known:
        raise ConfigurationError(
            f"{told} is there already, of another run: move it, or name another file with --results"
        )
    check_results(told)
    state = State(None if resume is None else Path(resume))
    progress = Progress()
    run = Run(table, template, state, mailer, progress, limit=limit, resend_unknown=resend_unknown)
    try:
        with mailer, _stops(run):
            with progress:
                bad = _prepared(run, on_bad_row, accept_changes=accept_changes)
                if not bad:
                    progress.sending(run.left())
                    run.send()
            if bad:
                complain(
                    f"{bad} bad row{'' if bad == 1 else 's'}: nothing was sent; mend the file, or leave such rows out "
                    "with --on-bad-row skip"
                )
                return _USAGE
            seconds = progress.seconds
            write_results(told, state)
            summarise(state, told, sum(run.counts.values()), seconds)
            code = _SENT if _is_done(run) else _NOT_SENT
    except Stopped:
        complain("stopped while the rows were checked: nothing was sent")
        return _NOT_SENT
    finally:
        state.close()
    if run.error is not None:
        raise run.error
    return code


def _prepared(run: Run, on_bad_row: str, *, accept_changes: bool) -> int:
    """Check the rows, unless an earlier run did; return how many bad ones keep the mails from going."""
    state = run.state
    prints = {"table": file_digest(run.table.path).hex(), "mail": run.template.fingerprint()}
    prints["table"] += f" {run.table.to_column} {run.table.delimiter} {run.table.encoding}"
    before = {name: state.meta(name) for name in prints}
    changed = [name for name, value in before.items() if value is not None and value != prints[name]]
    if changed and not accept_changes:
        raise ConfigurationError(
            f"{' and '.join(changed)} changed since the run that {state.path} belongs to: with --accept-changes it goes "
            "on with what is there now, and who has a mail gets no other"
        )
    if None not in before.values() and not changed:
        return 0
    bad = run.check()
    if bad and on_bad_row == "stop":
        state.forget_rows()
        return bad
    if repeated := state.repeated():
        run.progress.note(
            f"{repeated} more rows have a recipient that another row has: one mail for each row"
        )
    for name, value in prints.items():
        state.put_meta(name, value)
    state.commit_rows()
    return 0


def _is_done(run: Run) -> bool:
    """Return whether all that this run was to send is sent; rows beyond its limit are for another one."""
    counts = run.state.counts()
    if run.limit is not None and run.begun == run.limit:
        return set(run.counts) <= {"accepted"}
    return set(counts) <= {"accepted"}


@contextmanager
def _stops(run: Run) -> Iterator[None]:
    """Let SIGINT and SIGTERM end the run after the mail in flight, and a second one at once."""

    def stop(number: int, _: FrameType | None) -> None:
        if run.is_stopping:
            os._exit(128 + number)
        run.stop()
        run.progress.stopping()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
