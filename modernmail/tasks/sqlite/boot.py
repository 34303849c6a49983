"""Which boot of the machine this is: a lease counts in seconds since boot, so it means nothing after the next
one."""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path

_LINUX = Path("/proc/sys/kernel/random/boot_id")
_MACOS = b"kern.bootsessionuuid"


@cache
def boot_id() -> str:
    """Return a name for this boot: the kernel's own on Linux and macOS, elsewhere the minute in which its clock
    began.

    The second form may change when the wall clock is set by minutes; leases then end early, which costs a
    repeated claim or a mail reported as unknown, never one sent twice.
    """
    try:
        if sys.platform == "darwin":
            # Its clock stands still while it sleeps: the minute would be another afterwards.
            return _of_macos()
        return _LINUX.read_text(encoding="ascii").strip()
    except OSError:
        return f"minute-{round((time.time() - time.monotonic()) / 60)}"


def _of_macos() -> str:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    found = ctypes.create_string_buffer(64)
    size = ctypes.c_size_t(len(found))
    if libc.sysctlbyname(_MACOS, found, ctypes.byref(size), None, ctypes.c_size_t(0)):
        raise OSError(ctypes.get_errno(), "kern.bootsessionuuid cannot be read")
    return found.value.decode("ascii")
