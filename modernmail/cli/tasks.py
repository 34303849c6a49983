"""`modernmail tasks`: look at the tasks in a queue, and have failed ones tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from modernmail.tasks.sqlite.taskstore import STATUSES, TaskStore

from .stored import about_a_queue, change_each, with_store
from .terminal import json_text, out, printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_STYLES = {"waiting": "yellow", "queued": "", "running": "cyan", "done": "green", "failed": "red"}


@click.group()
@about_a_queue
def tasks() -> None:
    """Look at the tasks in a queue, and have failed ones tried again."""


@tasks.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Tasks of this status only.")
@click.option("--limit", type=click.IntRange(1), help="Stop after so many.")
@click.option("--json", "as_json", is_flag=True, help="One line of JSON for each task.")
@with_store(TaskStore)
def list_tasks(store: TaskStore, status: str | None, limit: int | None, as_json: bool) -> None:
    """List the tasks in order of arrival."""
    for number, task in enumerate(store.tasks(status), 1):
        if as_json:
            click.echo(json_text(task))
        else:
            out().print(_line(task))
        if number == limit:
            return


@tasks.command()
@click.argument("task_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_store(TaskStore)
def show(store: TaskStore, task_id: str, as_json: bool) -> None:
    """Show one task, with the traceback of each failed attempt."""
    task = store.task(task_id)
    if as_json:
        click.echo(json_text(task, indent=2))
        return
    console = out()
    for name, value in task.items():
        if name != "errors" and value is not None:
            console.print(Text.assemble((f"{name:>17}  ", "dim"), printable(value)))
    for error in task["errors"]:
        console.print()
        for line in error["traceback"].splitlines():
            console.print(Text(printable(line), "red"))


@tasks.command()
@click.argument("task_ids", metavar="ID...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every task that has failed.")
@with_store(TaskStore)
def retry(store: TaskStore, task_ids: tuple[str, ...], everything: bool) -> None:
    """Try failed tasks again, now that what was wrong is mended."""
    ids = [task["id"] for task in store.tasks("failed")] if everything else list(task_ids)
    if not ids and not everything:
        raise click.UsageError("say which: one or more ids, as `modernmail tasks list` shows them")
    change_each(ids, store.retry, "queued", is_all=everything)


def _line(task: Mapping[str, Any]) -> Text:
    when = task["enqueued_at"][:16].replace("T", " ")
    errors = task["errors"] if task["status"] != "done" else []  # what an earlier attempt died of is over
    last = errors[-1]["traceback"].strip().splitlines()[-1] if errors else ""
    return Text.assemble(
        (task["id"], "dim"),
        f"  {when}  ",
        (f"{task['status']:7}", _STYLES[task["status"]]),
        f"  {printable(task['task'])}  ",
        (printable(last), "dim"),
    )
