"""What composing costs: four mails from values to wire octets, beside the libraries people use for it.

`nox -s bench -- compose`, or `python benchmarks/compose.py [--quick | --write]`. Each output is parsed back and compared
with what was asked for before it counts. Figures are processor time. Django 6 needs Python 3.12 or later; Nodemailer
needs node and npm.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)
sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

from composing import nodemailer
from composing.contest import Contest
from composing.mails import mails
from composing.memory import peaks
from composing.merging import PEOPLE, merged
from composing.peers import OURS, Peer, peers
from composing.starting import starts
from report import Section, chosen, time_of

ABOUT = """M1 is 1 kB of ASCII text; M2 is 4 kB of text and 16 kB of HTML in UTF-8 with accents, CJK and emoji, a CJK subject and
ten recipients with non-ASCII names; M3 is M2 with an inline PNG of 20 kB and a PDF of 1 MB with a non-ASCII name; M4 is a
text with 10 MB attached. Each is composed from plain values to the octets for the wire, in new strings each time, and the
output is parsed back and compared first; one that is not the mail that was asked for does not count, and the list below
the table says why. Each contender has composed for a second and a half before its turns count. Figures are processor time; in
brackets, how many times faster than Django in the same run."""

# Seconds that each contender composes before its turns count, since V8 compiles Nodemailer meanwhile.
WARM = 1.5

# times Django, in the same run
WANTED = {
    OURS: {"M1": 50, "M2": 18, "M3": 12, "M4": 9},
    f"{OURS}, base64 bodies": {"M2": 45},
    f"{OURS}, files seen before": {"M3": 60},
    f"{OURS}, by way of `EmailMessage`": dict.fromkeys(("M1", "M2", "M3", "M4"), 5),
}
MERGED = {"all parts the same": 1000, "a personal text part": 250}
PEAK = 1e6  # octets, whatever the size of the file
START = 0.75  # of what the standard library's modules take


def composing(section: Section, contests: list[Contest], versions: dict[str, str]) -> None:
    """Add the table of all contenders, the faults, and the ratios that were wanted."""
    table = section.table("", *(contest.mail.name for contest in contests))
    for name, version in versions.items():
        cells = [_cell(contest, name) for contest in contests]
        if any(cells):
            table.add(f"{name} {version}", *cells)
    faults: dict[tuple[str, str], list[str]] = {}
    for contest in contests:
        for name, wrong in contest.faults.items():
            faults.setdefault((name, wrong), []).append(contest.mail.name)
    if faults:
        section.add(
            "\n".join(f"- {name}, {', '.join(where)}: {wrong}." for (name, wrong), where in faults.items())
        )
    table = section.table("times faster than Django", "mail", "here", "wanted")
    for name, wanted in WANTED.items():
        for contest in contests:
            ratio = contest.ratio(name)
            if contest.mail.name in wanted and ratio is not None:
                table.add(name, contest.mail.name, *section.least(ratio, wanted[contest.mail.name]))


def _cell(contest: Contest, name: str) -> str:
    if name not in contest.figures:
        return "wrong" if name in contest.faults else ""
    ratio = contest.ratio(name)
    figure = time_of(contest.figures.median(name))
    return figure if ratio is None or name == "Django" else f"{figure} (×{ratio:.3g})"


def merging(section: Section, m3: Contest, rounds: int) -> None:
    """Add what a recipient costs in a mail merge."""
    section.add(
        f"### Mail merge\n\nM3 to {PEOPLE:,} people, each copy rendered to nowhere, beside composing M3 with Django."
    )
    table = section.table("", "for each recipient", "times faster than Django", "wanted")
    for what, figure in merged(m3.mail, rounds):
        ratio = m3.figures.median("Django") / figure if "Django" in m3.figures else None
        cells = () if ratio is None else section.least(ratio, MERGED[what], ",.0f")
        table.add(what, time_of(figure), *cells)


def streaming(section: Section, sizes: tuple[int, ...]) -> None:
    """Add the memory of rendering a file from a path."""
    section.add("### A file from a path, rendered to nowhere")
    table = section.table("size", "extra memory at its peak, MB", "wanted")
    for size, peak in zip(sizes, peaks(sizes), strict=True):
        table.add(f"{size >> 20} MiB", *section.most(peak / 1e6, PEAK / 1e6, ".2f"))


def starting(section: Section, rounds: int) -> None:
    """Add what the start costs."""
    figures = starts(rounds)
    bare = figures.median("bare")
    mine, theirs = figures.median("modernmail") - bare, figures.median("standard") - bare
    section.add("### The start\n\nProcessor time beyond that of a Python that does nothing.")
    table = section.table("", "time", "ratio", "wanted")
    table.add(
        "`import modernmail`, and composing M1", time_of(mine), *section.most(mine / theirs, START, ".2f")
    )
    table.add("`import email.message, smtplib`", time_of(theirs))


def main() -> int:
    """Measure, print, and write the page when asked to."""
    options = chosen(__doc__, mails={"default": "M1,M2,M3,M4", "help": "which mails, with commas"})
    rounds = 2 if options.quick else 15
    there, missing = peers()
    versions = {peer.name: peer.version for peer in there}
    node = nodemailer.Nodemailer() if nodemailer.is_there() else None
    if node is None:
        missing.append(nodemailer.INSTALL)
    else:
        versions["Nodemailer"] = node.version
    for hint in missing:
        print(f"left out: {hint}", file=sys.stderr)
    section = Section("compose", "Composing", ABOUT)
    contests = contested(options.mails.split(","), there, node, rounds, 0.0 if options.quick else WARM)
    composing(section, contests, versions)
    for contest in contests:
        if contest.mail.name == "M3":
            merging(section, contest, min(rounds, 7))
    streaming(section, (10 << 20, 50 << 20))
    starting(section, rounds)
    if node is not None:
        node.end()
    return section.end(options)


def contested(
    names: list[str], there: list[Peer], node: nodemailer.Nodemailer | None, rounds: int, warm: float
) -> list[Contest]:
    """Return the contests for the mails of these names, run."""
    contests = []
    for mail in mails():
        if mail.name in names:
            contest = Contest(mail, there, node)
            contest.run(rounds, warm)
            contests.append(contest)
    return contests


if __name__ == "__main__":
    sys.exit(main())
