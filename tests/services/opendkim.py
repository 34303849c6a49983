"""OpenDKIM as a judge of signatures: it reads mails from files, and public keys from a file instead of the DNS."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from .process import service_folder
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

INSTALL = "apt-get install opendkim"

_RESULT = re.compile(r"dkim=(\w+)[^;]*?header\.a=([\w-]+) header\.s=([\w.-]+)", re.DOTALL)
_AT_ONCE = 200  # files in one run


def verdicts(mails: Sequence[bytes], records: Mapping[str, str]) -> list[list[tuple[str, str]]]:
    """Return what OpenDKIM says of each mail: for each signature its algorithm and `pass`, `fail` or another result.

    `records` maps `selector._domainkey.domain` to the text of the DNS record.
    """
    program = require("opendkim", install=INSTALL)
    found: list[list[tuple[str, str]]] = []
    with service_folder("opendkim") as folder:
        keys = folder / "keys"
        keys.write_text("".join(f"{name} {record}\n" for name, record in records.items()))
        (folder / "conf").write_text(f"Mode v\nTestPublicKeys {keys}\nSyslog no\n")
        paths = []
        for number, mail in enumerate(mails):
            paths.append(folder / f"{number}.eml")
            paths[-1].write_bytes(mail)
        for at in range(0, len(paths), _AT_ONCE):
            names = ",".join(map(str, paths[at : at + _AT_ONCE]))
            run = subprocess.run(
                [program, "-f", "-vv", "-x", folder / "conf", "-t", names],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=120,
                check=True,
            )
            told = run.stdout.split("### INSHEADER")[1:]
            assert len(told) == len(paths[at : at + _AT_ONCE]), (
                f"{len(told)} answers: {run.stdout}{run.stderr}"
            )
            found += [
                [(algorithm, result) for result, algorithm, _ in _RESULT.findall(text)] for text in told
            ]
    return found
