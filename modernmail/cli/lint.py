"""`modernmail lint`: what mail programs, filters and readers will make of a mail."""

from __future__ import annotations

import click
from rich.text import Text

from modernmail.lint import lint as check

from .terminal import json_text, out, printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from modernmail.lint import Finding

_STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


@click.command()
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, allow_dash=True)
)
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
@click.option("--no-clients", is_flag=True, help="Leave out what mail clients make of HTML and CSS.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def lint(
    context: click.Context, files: tuple[str, ...], strict: bool, no_clients: bool, as_json: bool
) -> None:
    """Check mails in FILES (`.eml`, or - for standard input), whose lines end in CRLF or all in LF.

    Exit codes: 0 nothing grave, 1 an error (with --strict, a warning) was found, 2 usage.
    """
    found = {name: check(_content(name), clients=not no_clients) for name in files}
    if as_json:
        click.echo(
            json_text({name: [each.to_dict() for each in list_] for name, list_ in found.items()}, indent=2)
        )
    else:
        _show(out(), found)
    grave = {"error", "warning"} if strict else {"error"}
    if any(finding.severity in grave for findings in found.values() for finding in findings):
        context.exit(1)


def _content(name: str) -> bytes:
    with click.open_file(name, "rb") as file:
        content: bytes = file.read()
    # A file without any CR has the line ends of its machine, which whoever sends it writes as CRLF.
    return content if b"\r" in content else content.replace(b"\n", b"\r\n")


def _show(console: Console, found: dict[str, list[Finding]]) -> None:
    for name, findings in found.items():
        mark = Text("✓ ", "bold green") if not findings else Text("• ", "bold")
        console.print(mark.append(printable(name), "bold"))
        for finding in findings:
            style = _STYLES[finding.severity]
            console.print(
                Text.assemble(
                    (f"  {finding.severity:<8}", style), finding.message, (f"  {finding.check}", "dim")
                )
            )
            for detail in finding.details:
                console.print(Text(f"            {printable(detail)}", "dim"))
    console.print(Text(_tally(each for findings in found.values() for each in findings), "dim"))


def _tally(findings: Iterable[Finding]) -> str:
    counts = dict.fromkeys(("error", "warning", "info"), 0)
    for finding in findings:
        counts[finding.severity] += 1
    words = {"error": "error", "warning": "warning", "info": "remark"}
    return ", ".join(f"{count} {words[name]}{'' if count == 1 else 's'}" for name, count in counts.items())
