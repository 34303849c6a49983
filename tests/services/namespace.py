"""A program with users and folders that only it sees: for servers whose paths and accounts are compiled in.

The system is left as it is: a private mount namespace holds other copies of /etc/passwd and /etc/group, empty
folders over fixed ones, and unpacked files where the program looks for them.
"""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .programs import missing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FIRST_ID = 64_100  # of the private users: an id that Debian leaves to nobody else


def in_namespace(
    command: Sequence[str | Path],
    folder: Path,
    *,
    users: Sequence[str] = (),
    empty: Sequence[Path] = (),
    create: Sequence[Path] = (),
    over: Mapping[Path, Path] | None = None,
) -> list[str]:
    """Return a command that runs `command` with private mounts, in the same process.

    `users` exist inside, each with a group of its own; the folders of `empty` are empty inside but for
    those of `create`; each key of `over` is mounted over its value. `folder` keeps the private account files.
    """
    _require_namespaces()
    mounts = [("--bind", source, target) for source, target in (over or {}).items()]
    for name, line in (
        ("passwd", "{user}:x:{id}:{id}::/nonexistent:/bin/false\n"),
        ("group", "{user}:x:{id}:\n"),
    ):
        system = Path("/etc") / name
        private = folder / name
        lines = [line.format(user=user, id=_FIRST_ID + number) for number, user in enumerate(users)]
        private.write_text(system.read_text() + "".join(lines))
        mounts.append(("--bind", private, system))
    script = [
        *(f"mount -t tmpfs -o mode=755 none {shlex.quote(str(path))}" for path in empty),
        *(f"mkdir -p {shlex.quote(str(path))}" for path in create),
        *(f"mount {option} {shlex.quote(str(src))} {shlex.quote(str(dst))}" for option, src, dst in mounts),
        "exec " + shlex.join(str(word) for word in command),
    ]
    return ["unshare", "--mount", "--propagation", "private", "--", "sh", "-ec", "\n".join(script)]


def private_id(position: int) -> int:
    """Return the user and group id of the private user at that position of `users`."""
    return _FIRST_ID + position


def _require_namespaces() -> None:
    """Skip the test where mount namespaces are not allowed (most containers without SYS_ADMIN)."""
    if os.geteuid() != 0:
        missing("private mounts need root")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        missing("private mounts (unshare --mount) are not allowed here: they need CAP_SYS_ADMIN")
