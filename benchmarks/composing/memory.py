"""The extra memory of rendering a file from a path to nowhere."""

from __future__ import annotations

import tempfile
import tracemalloc
from pathlib import Path

from modernmail import Message


def peaks(sizes: tuple[int, ...]) -> list[int]:
    """Return the extra memory at its peak, in octets, for a file of each size."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for size in sizes:
            path = Path(folder) / "large.bin"
            with path.open("wb") as file:
                file.truncate(size)
            message = Message("s", "t", from_email="me@example.com", to=["you@example.com"]).attach_file(path)
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            octets = sum(map(len, message.render()))
            found.append(tracemalloc.get_traced_memory()[1] - before)
            tracemalloc.stop()
            assert octets > size * 4 / 3, octets
    return found
