"""The inbox: how many mails a second it catches, and how long its pages take with ten thousand of them.

`nox -s bench -- inbox`, or `python benchmarks/inbox.py [--quick | --write]`. The inbox is `modernmail inbox` in a
process of its own, with a folder; the client is `Mailer.send_many`, pipelined, in this one. As a measure of the
machine, the same mails go to aiosmtpd's own server with a handler that keeps nothing, and are written to as many files.
"""

from __future__ import annotations

import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

_HERE = str(Path(__file__).parent)
sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

from report import Section, chosen

from modernmail import Mailer, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

ABOUT = (
    "`modernmail inbox` keeps mails of a kilobyte (M1) in a folder; a pipelined client beside it sends them, five times"
    " in turns with a server that keeps nothing. Times of pages are of the whole request, on loopback, the median of"
    " nine."
)
PARTS = 5
TEXT = "Hello world, this is a line of about sixty characters of text.\n" * 16
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


def pages(count: int) -> dict[str, tuple[str, float]]:
    """What is asked for, and how many milliseconds it may take."""
    return {
        "list page": ("/", 100),
        "list page, the last one": (f"/?start={count - 50}", 100),
        "search for a word in every mail": ("/?q=shipped", 200),
        "search for a phrase in one mail": ("/?q=%22Order+42+shipped%22", 200),
        "search by recipient": ("/?q=to:user42@", 200),
        "search by date and attachment": ("/?q=after:2020-01-01+has:attachment", 200),
        "search by recipient over the API": ("/api/mails?to=user42@", 200),
    }


def measure(section: Section, count: int) -> None:
    """Run it all, and fill the section."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as scratch:
        sink = Program("-c", SINK)
        inbox = Program(
            *("-m", "modernmail", "inbox", "--smtp-port", "0", "--http-port", "0"),
            *("--dir", folder, "--limit", str(2 * count)),
        )
        try:
            before, part = inbox.memory(), count // PARTS
            rates = [(rate(inbox, part), rate(sink, part)) for _ in range(PARTS)]  # in turns
            after = inbox.memory()
            caught, swallowed, cost = (
                statistics.median(values)
                for values in zip(*((ours[0], sinks[0], ours[1]) for ours, sinks in rates), strict=True)
            )
            table = section.table("", "", "wanted")
            table.add("mails caught a second, kept on disk", *section.least(caught, 1000, ",.0f"))
            table.add("the same into aiosmtpd's own server, which keeps nothing", f"{swallowed:,.0f}")
            table.add("files of that size written a second, nothing else", f"{files(scratch, part):,.0f}")
            table.add("processor time of the inbox a mail", f"{cost:,.0f} µs")
            section.add(f"With {count:,} mails:")
            table = section.table("", "ms", "wanted")
            for name, (path, most) in pages(count).items():
                table.add(name, *section.most(milliseconds(inbox.http + path), most, ".0f"))
            section.add(
                f"Memory: {before:.0f} MB before the first mail, {after:.0f} MB after {count:,},"
                f" {inbox.memory():.0f} MB after those pages."
            )
        finally:
            sink.end()
            inbox.end()


def main() -> int:
    """Measure, tell, and return the exit status."""
    options = chosen(__doc__)
    section = Section("inbox", "The inbox", ABOUT)
    measure(section, 500 if options.quick else 10_000)
    section.versions(aiosmtpd=version("aiosmtpd"), SQLite=sqlite3.sqlite_version)
    return section.end(options)


if __name__ == "__main__":
    sys.exit(main())
