"""The inbox: how many mails a second it catches, and how long its pages take with ten thousand of them.

`nox -s bench -- inbox` (or `python benchmarks/inbox.py [--mails N] [--write]`); `--write` puts the table into
docs/explanation/inbox-figures.md. The inbox is `modernmail inbox` in a process of its own, with a folder; the client is
`Mailer.send_many`, pipelined, in this one. As a measure of the machine, the same mails go to aiosmtpd's own server
with a handler that keeps nothing, and are written to as many files.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from modernmail import Mailer, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = "Hello world, this is a line of about sixty characters of text.\n" * 16
PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "inbox-figures.md"
SINK = """
import asyncio
from aiosmtpd.smtp import SMTP
class Sink:
    async def handle_EHLO(self, server, session, envelope, hostname, responses):
        session.host_name = hostname
        return responses[:-1] + ["250-PIPELINING", responses[-1]]
    async def handle_DATA(self, server, session, envelope):
        return "250 OK"
async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Sink(), loop=loop, hostname="sink.localhost"), "127.0.0.1", 0)
    print(f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]} Ctrl-C", flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


def messages(count: int) -> Iterator[Message]:
    """M1: a kilobyte of text to one recipient."""
    for number in range(count):
        yield Message(
            f"Order {number} shipped", TEXT, from_email="shop@example.com", to=[f"user{number}@example.com"]
        )


class Program:
    """A server in a process of its own."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True)
        said = ""
        for line in self.process.stdout or ():
            said += line
            if "Ctrl-C" in line:
                break
        self.smtp = (re.search(r"smtp://\S+", said) or [""])[0]
        self.http = (re.search(r"http://[\d.:]+", said) or [""])[0]

    def memory(self) -> float:
        """Megabytes of memory in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024

    def cpu(self) -> float:
        """Seconds of processor time used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait()


def rate(server: Program, count: int) -> tuple[float, float]:
    """Mails a second, and microseconds of the server's processor time a mail."""
    cpu, start = server.cpu(), time.perf_counter()
    with Mailer(server.smtp) as mailer:
        tally = mailer.send_many(messages(count)).finish()
    assert tally.accepted == count, tally
    return count / (time.perf_counter() - start), (server.cpu() - cpu) / count * 1e6


def milliseconds(address: str) -> float:
    """The median time of a request."""
    taken = []
    for _ in range(9):
        start = time.perf_counter()
        with urlopen(address) as answer:
            answer.read()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def files(folder: str, count: int) -> float:
    """Files of a mail's size a second: what the disk allows at most."""
    content = bytes(next(messages(1)).as_bytes())
    start = time.perf_counter()
    for number in range(count):
        (Path(folder) / f"{number}.eml").write_bytes(content)
    return count / (time.perf_counter() - start)


def measure(count: int) -> list[tuple[str, str]]:
    """Run it all; give the rows of the table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
        sink = Program("-c", SINK)
        inbox = Program(
            *("-m", "modernmail", "inbox", "--smtp-port", "0", "--http-port", "0"),
            *("--dir", folder, "--limit", str(2 * count)),
        )
        try:
            before = inbox.memory()
            part = count // 5
            rates = [(rate(inbox, part), rate(sink, part)) for _ in range(5)]  # interleaved
            caught = statistics.median(ours[0] for ours, _ in rates)
            swallowed = statistics.median(sinks[0] for _, sinks in rates)
            cost = statistics.median(ours[1] for ours, _ in rates)
            rows += [
                ("mails caught a second (M1, pipelined, kept on disk)", f"{caught:,.0f}"),
                ("the same into aiosmtpd's own server, which keeps nothing", f"{swallowed:,.0f}"),
                ("files of that size written a second, nothing else", f"{files(scratch, part):,.0f}"),
                ("processor time of the inbox a mail", f"{cost:,.0f} µs"),
                ("memory before the first mail", f"{before:.0f} MB"),
                (f"memory after {count:,}", f"{inbox.memory():.0f} MB"),
            ]
            for name, path in (
                ("list page", "/"),
                ("list page, the last one", f"/?start={count - 50}"),
                ("search for a word in every mail", "/?q=shipped"),
                ("search for a phrase in one mail", "/?q=%22Order+42+shipped%22"),
                ("search by recipient", "/?q=to:user42@"),
                ("the same over the API", "/api/mails?to=user42@"),
            ):
                rows.append((f"{name}, with {count:,} mails", f"{milliseconds(inbox.http + path):.0f} ms"))
            rows.append(("memory after that", f"{inbox.memory():.0f} MB"))
        finally:
            sink.end()
            inbox.end()
    return rows


def table(rows: list[tuple[str, str]]) -> str:
    """The rows as Markdown."""
    lines = ["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)]
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write when asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    rows = measure(given.mails)
    print(table(rows))
    if given.write:
        machine = f"{os.cpu_count()} cores, {platform.system()}, CPython {platform.python_version()}"
        PAGE.write_text(
            "# The inbox in figures\n\n"
            f"Measured by `benchmarks/inbox.py` on {datetime.now(UTC):%Y-%m-%d} ({machine}); times are of the whole request,"
            " on loopback.\n\n" + table(rows) + "\n"
        )


if __name__ == "__main__":
    main()
