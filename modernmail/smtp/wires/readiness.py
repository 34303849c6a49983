"""Waiting until a socket can be read or written: `poll`, or `select` where there is no poll, as on Windows.

`blocking.py` and `tls_socket.py` wait so.
"""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Wait = Callable[[float], list[tuple[int, int]]]

READ: int = getattr(select, "POLLIN", 1)
WRITE: int = getattr(select, "POLLOUT", 4)


def readiness(descriptor: int, events: int) -> Wait:
    """Return a function that waits for a socket so many milliseconds at most, and returns what `poll` does."""
    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(descriptor, events)
        return poll.poll
    reading = [descriptor] if events & READ else []
    writing = [descriptor] if events & WRITE else []

    def wait(milliseconds: float) -> list[tuple[int, int]]:
        can_read, can_write, _ = select.select(reading, writing, [], milliseconds / 1000)
        found = READ * bool(can_read) | WRITE * bool(can_write)
        return [(descriptor, found)] if found else []

    return wait
