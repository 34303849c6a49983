"""The memory that sending takes, measured by the kernel in a process of its own: `growth.py PORT file PATH | many COUNT`.

Prints the octets by which the process's memory grew at its peak while it sent.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modernmail import Message

HOST = "127.0.0.1"


def growth(port: int, *task: str) -> int:
    """Return the growth of a new process that does a task."""
    command = [sys.executable, __file__, str(port), *task]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return int(done.stdout)


def grown(step: Callable[[], object]) -> int:
    """Return by how much the memory at its peak is above what it is before a step."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _kilobytes("VmRSS")
    step()
    return (_kilobytes("VmHWM") - before) * 1024


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def messages(count: int) -> Iterator[Message]:
    """Yield so many messages, each to somebody else."""
    from modernmail import Message

    for number in range(count):
        to = [f"user{number}@example.com"]
        yield Message(f"Your order {number}", "thank you\n" * 100, from_email="shop@example.com", to=to)


def main(port: str, task: str, what: str) -> int:
    """Do the task, once in small before it is measured."""
    from modernmail import Mailer, Message

    with Mailer(f"smtp://{HOST}:{port}") as mailer:
        if task == "many":
            # What an interpreter and its caches take for a while is no growth: address book, replies, free lists.
            mailer.send_many(messages(5000)).finish()
            return grown(lambda: mailer.send_many(messages(int(what))).finish())

        def send(path: str) -> object:
            message = Message("Your backup", "Attached.", from_email="me@example.com", to=["you@example.com"])
            return mailer.send(message.attach_file(path))

        send(__file__)
        return grown(lambda: send(what))


if __name__ == "__main__":
    print(main(*sys.argv[1:]))
