"""Finding the programs: a missing one skips the test with the line that installs it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

UNPACKED = Path(os.environ.get("MODERNMAIL_SERVICES") or "/var/cache/modernmail-services")
"""Where `.ci/services` unpacks the packages that cannot be installed beside Postfix."""

_FOLDERS = [
    *(Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder),
    *(Path(folder) for folder in ("/usr/sbin", "/sbin", "/usr/lib/postfix/sbin", "/usr/lib/dovecot")),
    UNPACKED / "usr/sbin",
]


def find(program: str) -> Path | None:
    """Return the program's path, or None; looks beyond PATH, where Debian keeps its daemons."""
    folders = [*_FOLDERS, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    found = shutil.which(program, path=os.pathsep.join(map(str, folders)))
    return Path(found) if found else None


def missing(reason: str) -> NoReturn:
    """Skip the running test, or fail it when all services are required."""
    if os.environ.get("MODERNMAIL_REQUIRE_SERVICES") == "1":
        pytest.fail(f"MODERNMAIL_REQUIRE_SERVICES=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def require(program: str, *, install: str, root: bool = False) -> Path:
    """Return the program's path; without it (or without `root`, if it needs that) the test is skipped.

    `install` is the command line that would bring the program.
    """
    path = find(program)
    if path is None:
        missing(f"{program} is not installed: {install}")
    if root and os.geteuid() != 0:
        missing(f"{program} can only be started by root")
    return path
