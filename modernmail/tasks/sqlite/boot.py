"""Which boot of the machine this is: a lease counts in seconds since boot, so it means nothing after the next
one."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

_LINUX = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """Return a name for this boot: the kernel's own where it has one, else the minute in which its clock
    began.

    The second form may change when the wall clock is set by minutes; leases then end early, which costs a
    repeated claim or a mail reported as unknown, never one sent twice.
    """
    try:
        return _LINUX.read_text(encoding="ascii").strip()
    except OSError:
        return f"minute-{round((time.time() - time.monotonic()) / 60)}"
