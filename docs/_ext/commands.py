"""The directive `commands`: a section for each command of `modernmail`, from what its `--help` knows."""

from __future__ import annotations

import inspect

import click
from docutils import nodes
from docutils.parsers.rst import Directive

from modernmail.cli.app import COMMANDS, app


class Commands(Directive):
    """Describe every command of the table, and those below it."""

    def run(self) -> list[nodes.Node]:
        """Return a section for each."""
        context = click.Context(app, info_name="modernmail")
        found: list[nodes.Node] = []
        for name in COMMANDS:
            command = app.get_command(context, name)
            assert command is not None
            found += _sections(command, click.Context(command, info_name=name, parent=context))
        return found


def _sections(command: click.Command, context: click.Context) -> list[nodes.Node]:
    section = nodes.section(ids=[nodes.make_id(context.command_path)])
    section += nodes.title("", "", nodes.literal("", context.command_path))
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    section += nodes.literal_block(usage, usage, language="text")
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            section += nodes.literal_block(paragraph[2:], paragraph[2:], language="text")
        else:
            section += nodes.paragraph("", paragraph.replace("\n", " "))
    options = nodes.definition_list()
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is not None and record[1]:
            options += nodes.definition_list_item(
                "",
                nodes.term("", "", nodes.literal("", record[0])),
                nodes.definition("", nodes.paragraph("", record[1])),
            )
    if options.children:
        section += options
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            section += _sections(below, click.Context(below, info_name=name, parent=context))
    return [section]


def setup(app: object) -> dict[str, bool]:
    """Add the directive."""
    app.add_directive("commands", Commands)  # type: ignore[attr-defined]
    return {"parallel_read_safe": True}
