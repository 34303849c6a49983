"""What composing costs: four mails from values to wire octets, beside the libraries people use for it.

`nox -s bench -- compose` (or `python benchmarks/compose.py [--rounds N] [--write] [--npm FOLDER]`); `--write` puts the
tables into docs/benchmarks.md. Contenders take turns within one run, and each output is parsed back and compared with
what was asked for before it counts. Figures are processor time, so that a busy machine spoils them less; look at the
ratios, which are medians of the rounds' own. Django 6 needs Python 3.12 or later; Nodemailer needs node, and
`npm install --prefix FOLDER nodemailer`.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Beside this file is one with the name of a standard module, and a script's own folder comes first.
_HERE = str(Path(__file__).parent)
sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

import argparse
import base64
import gc
import json
import os
import platform
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from composing.judge import fault
from composing.mails import FROM, Mail, fresh, mails
from composing.peers import Peer, ours, peers

from modernmail import Message

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
SLOT = 0.03  # seconds that a contender's turn takes, at least one mail
TARGETS = {"M1": 50, "M2": 18, "M3": 12, "M4": 9}


class Nodemailer:
    """MailComposer in a process of its own, which takes its turns like the others."""

    def __init__(self, folder: str) -> None:
        script = Path(__file__).parent / "composing" / "nodemailer.mjs"
        self._process = subprocess.Popen(
            ["node", str(script), str(Path(folder).resolve())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        hello = self._answer()
        self.version = f"{hello['version']} (node {hello['node'].lstrip('v')})"

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def compose(self, mail: Mail) -> bytes:
        """Return the mail as it composes it."""
        files = []
        if mail.inline is not None:
            files.append(
                {
                    "cid": "logo",
                    "contentType": "image/png",
                    "contentDisposition": "inline",
                    "content": _base64(mail.inline),
                }
            )
        if mail.file is not None:
            files.append(
                {"filename": mail.file[0], "contentType": mail.file[2], "content": _base64(mail.file[1])}
            )
        options = {
            "subject": mail.subject, "text": mail.text, "html": mail.html, "from": {"name": FROM[0], "address": FROM[1]},
            "to": [{"name": name, "address": spec} for name, spec in mail.to], "attachments": files,
        }  # fmt: skip
        return base64.b64decode(self._ask(name=mail.name, mail=options)["octets"])

    def seconds(self, mail: Mail, times: int) -> float:
        """Return the processor time of composing it so many times."""
        return float(self._ask(name=mail.name, times=times)["seconds"])


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def seconds(step: Callable[[], object], times: int) -> float:
    """Return the processor time of a step, done so many times."""
    gc.collect()
    before = time.process_time()
    for _ in range(times):
        step()
    return time.process_time() - before


def one_turn(peer: Peer, mail: Mail, times: int) -> float:
    """Return the processor time of composing a mail so many times, in new strings each time."""
    anew = iter([fresh(mail) for _ in range(times)])
    return seconds(lambda: peer.compose(next(anew)), times)


class Contest:
    """The rounds for one mail: who takes part, and how long each turn took."""

    def __init__(self, mail: Mail, contenders: list[Peer], node: Nodemailer | None) -> None:
        self.mail = mail
        self.faults: dict[str, str] = {}
        self.figures: dict[str, list[float]] = {}
        self._turns: dict[str, Callable[[int], float]] = {}
        for peer in contenders:
            if mail.name in peer.mails:
                self._enter(
                    peer.name,
                    peer.compose,
                    lambda times, peer=peer: one_turn(peer, mail, times),
                )
        if node is not None:
            self._enter("Nodemailer", node.compose, lambda times: node.seconds(mail, times))

    def _enter(self, name: str, compose: Callable[[Mail], bytes], turn: Callable[[int], float]) -> None:
        try:
            wrong = fault(compose(fresh(self.mail)), self.mail)
        except Exception as error:  # noqa: BLE001  # a peer that fails is shown as such
            wrong = f"{type(error).__name__}: {error}"[:60]
        if wrong is None:
            self._turns[name] = turn
            self.figures[name] = []
        else:
            self.faults[name] = wrong

    def run(self, rounds: int) -> None:
        """Let all take turns, in another order each time."""
        once = {name: min(turn(1) for _ in range(3)) for name, turn in self._turns.items()}
        times = {name: max(1, int(SLOT / max(taken, 1e-6))) for name, taken in once.items()}
        names = list(self._turns)
        for number in range(rounds):
            random.Random(number).shuffle(names)
            for name in names:
                self.figures[name].append(self._turns[name](times[name]) / times[name])

    def ratio(self, name: str) -> float | None:
        """Return how many times faster than Django it was, None without either."""
        if name not in self.figures or "Django" not in self.figures:
            return None
        return statistics.median(
            theirs / mine for mine, theirs in zip(self.figures[name], self.figures["Django"], strict=True)
        )


def merging(m3: Mail, django: float | None) -> list[tuple[str, float, float | None]]:
    """Return what a recipient costs when M3 is merged to a thousand people: all parts shared, and with a personal text."""
    rows = [{"to": f"Näme {n} <user{n}@example.com>", "name": f"Näme {n}"} for n in range(1000)]
    found = []
    for what, text in (
        ("all parts the same", m3.text),
        ("a personal text part", f"Dear {{name}},\n{m3.text}"),
    ):
        template = ours(m3._replace(text=text, to=[]))
        figures = []
        for _ in range(7):
            copies = template.merge(rows)
            figures.append(
                seconds(lambda copies=copies: [copy.parcel().content.size for copy in copies], 1) / len(rows)
            )
        figure = statistics.median(figures)
        found.append((what, figure, None if django is None else django / figure))
    return found


def memory(sizes: tuple[int, ...] = (10 << 20, 50 << 20)) -> list[tuple[int, int]]:
    """Return the extra memory at its peak when a file of each size is rendered to nowhere."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / "large.bin"
            with path.open("wb") as file:
                file.truncate(size)
            message = Message("s", "t", from_email="me@example.com", to=["you@example.com"]).attach_file(path)
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for _ in message.render():
                pass
            found.append((size, tracemalloc.get_traced_memory()[1] - before))
            tracemalloc.stop()
    return found


COMPOSE = "import modernmail; modernmail.Message('s', 't' * 1000, from_email='a@example.com', to='b@example.com').as_bytes()"
STARTS = {"bare": "pass", "modernmail": COMPOSE, "standard": "import email.message, smtplib"}


def starts(rounds: int) -> tuple[float, float]:
    """Return what importing modernmail and composing M1 costs beyond a bare Python, and importing the standard library's."""
    figures: dict[str, list[float]] = {name: [] for name in STARTS}
    with tempfile.TemporaryDirectory() as folder:
        # As installed: compiled once, in the first round, which does not count.
        env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        env["PYTHONPYCACHEPREFIX"] = folder
        for number in range(rounds + 1):
            for name, program in STARTS.items():
                before = resource.getrusage(resource.RUSAGE_CHILDREN)
                subprocess.run([sys.executable, "-c", program], check=True, cwd=folder, env=env)
                after = resource.getrusage(resource.RUSAGE_CHILDREN)
                if number:
                    figures[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    median = {name: statistics.median(values) for name, values in figures.items()}
    return median["modernmail"] - median["bare"], median["standard"] - median["bare"]


def time_of(taken: float) -> str:
    """Return a time in a unit that suits it."""
    return (
        f"{taken * 1e6:.1f} µs"
        if taken < 1e-3
        else f"{taken * 1e3:.2f} ms"
        if taken < 0.1
        else f"{taken * 1e3:.0f} ms"
    )


def report(contests: list[Contest], versions: dict[str, str]) -> list[str]:
    """Return the table of the contests as lines of Markdown, with the reasons of those that do not count below."""
    lines = [
        "| | " + " | ".join(contest.mail.name for contest in contests) + " |",
        "|---" * (len(contests) + 1) + "|",
    ]
    for name, version in versions.items():
        cells = []
        for contest in contests:
            if name in contest.figures:
                ratio = contest.ratio(name)
                cell = time_of(statistics.median(contest.figures[name]))
                cells.append(f"{cell} (×{ratio:.3g})" if ratio is not None and name != "Django" else cell)
            else:
                cells.append("wrong" if name in contest.faults else "")
        if any(cells):
            lines.append(f"| {name} {version} | " + " | ".join(cells) + " |")
    faults: dict[tuple[str, str], list[str]] = {}
    for contest in contests:
        for name, wrong in contest.faults.items():
            faults.setdefault((name, wrong), []).append(contest.mail.name)
    lines.append("")
    lines += [f"- {name}, {', '.join(where)}: {wrong}." for (name, wrong), where in faults.items()]
    return lines


def main() -> None:
    """Measure, print, and write the page when asked to."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--write", action="store_true")
    options.add_argument(
        "--npm", default=str(Path(__file__).parent), help="the folder that has node_modules/nodemailer"
    )
    chosen = options.parse_args()
    contenders, missing = peers()
    node = None
    if shutil.which("node") and (Path(chosen.npm) / "node_modules" / "nodemailer").is_dir():
        node = Nodemailer(chosen.npm)
    else:
        missing.append(f"npm install --prefix {chosen.npm} nodemailer")
    for hint in missing:
        print(f"left out: {hint}", file=sys.stderr)
    contests = []
    for mail in mails():
        contest = Contest(mail, contenders, node)
        contest.run(chosen.rounds)
        contests.append(contest)
    versions = {peer.name: peer.version for peer in contenders}
    if node is not None:
        versions["Nodemailer"] = node.version
    django = contests[2].figures.get("Django")
    lines = report(contests, versions)
    lines += [
        "",
        "## Mail merge: M3 to 1,000 people",
        "",
        "| | per recipient | times Django |",
        "|---|---|---|",
    ]
    for what, figure, ratio in merging(
        contests[2].mail, None if django is None else statistics.median(django)
    ):
        lines.append(f"| {what} | {time_of(figure)} | {'' if ratio is None else f'×{ratio:,.0f}'} |")
    lines += [
        "",
        "## Memory: a file from a path, rendered to nowhere",
        "",
        "| file | extra memory at its peak |",
        "|---|---|",
    ]
    lines += [f"| {size >> 20} MiB | {peak / 1e6:.2f} MB |" for size, peak in memory()]
    mine, theirs = starts(chosen.rounds)
    lines += ["", "## Start: processor time beyond a bare Python", ""]
    lines += [
        f"`import modernmail` and composing M1 takes {time_of(mine)}; `import email.message, smtplib` takes {time_of(theirs)}:"
        f" a ratio of {mine / theirs:.2f}."
    ]
    print("\n".join(lines))
    if chosen.write:
        write(lines)


HEAD = """# Benchmarks: composing

Written by `benchmarks/compose.py` on {date}: {rounds}, {machine}, Python {python}. Do not edit.

M1 is 1 kB of ASCII text; M2 is 4 kB of text and 16 kB of HTML in UTF-8 with accents, CJK and emoji, a CJK subject and ten
recipients with non-ASCII names; M3 is M2 with an inline PNG of 20 kB and a PDF of 1 MB with a non-ASCII name; M4 is a text
with 10 MB attached. Each is composed from plain values to the octets for the wire, in new strings each time. In brackets:
how many times faster than Django in the same run. Outputs are parsed back first; one that is not the mail that was asked
for does not count.

"""


def write(lines: list[str]) -> None:
    """Put the tables into the page."""
    head = HEAD.format(
        date=datetime.now(UTC).date(),
        rounds="medians of interleaved rounds of processor time",
        machine=f"{os.cpu_count()} cores of {platform.machine()}, {platform.system()}",
        python=platform.python_version(),
    )
    PAGE.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
