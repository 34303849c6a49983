"""The processor time that clients and sinks have spent: what sending costs, whoever else uses the machine meanwhile."""

from __future__ import annotations

import resource
import time
from pathlib import Path

watched: set[int] = set()  # processes, besides this one and those that it waits for, that take part


def spent() -> float:
    """Return the seconds that all who take part have spent so far."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime + sum(map(spent_by, watched))


def spent_by(process: int) -> float:
    """Return the seconds that a running process has spent, in all its threads."""
    threads = Path(f"/proc/{process}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9
