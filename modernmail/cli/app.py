"""The commands there are: a table, and a click group that imports a command when it is called.

To add one, write it as a `click.Command` in a file of its own and put its line in the table.
"""

from __future__ import annotations

from importlib import import_module
from typing import NamedTuple

import click


class Entry(NamedTuple):
    """Where a command is, as `module:attribute` below `modernmail.cli`, and what the list of commands says of it."""

    home: str
    summary: str


COMMANDS: dict[str, Entry] = {
    "check": Entry("check:check", "Connect to a server and say what it offers."),
    "demo": Entry("demo:demo", "Watch sample mails arrive in an inbox of its own."),
    "dkim": Entry("dkim:dkim", "Make keys that sign your mail, and their DNS records."),
    "inbox": Entry("inbox:inbox", "Catch every mail while developing, and look at it in a browser."),
    "lint": Entry("lint:lint", "Say what mail programs will make of a mail."),
    "merge": Entry("merge:merge", "Send one mail to each row of a CSV file."),
    "preview": Entry("preview:preview", "Look at the mails that functions make, with any parameters."),
    "outbox": Entry("outbox:outbox", "Look at queued mail, and decide about single ones."),
    "send": Entry("send:send", "Send one mail."),
    "tasks": Entry("tasks:tasks", "Look at queued tasks, and have failed ones tried again."),
    "worker": Entry("worker:worker", "Run the tasks and send the mail of a queue."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by the table and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the table."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of this name, imported now; None when there is none."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.home.partition(":")
        command: click.Command = getattr(import_module(f"modernmail.cli.{module}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command the arguments begin with; a name that is none says which there are."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            ctx.fail(f"no command {args[0]!r}; there are {', '.join(self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table, importing none of them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="modernmail", message="modernmail %(version)s")
def app() -> None:
    """Compose mail, send it anywhere, and know what became of every recipient.

    A server is a URL, such as smtp://user:password@mail.example.com, given with --url or in the environment as
    MODERNMAIL_URL (where other users of the machine cannot read it).

    Exit codes: 0 sent, 1 not sent, 2 usage.
    """
