"""What a DKIM signature costs, beside the bare signature of `cryptography` and beside dkimpy.

`nox -s bench -- dkim`, or `python benchmarks/dkim.py [--quick | --write]`.
"""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = str(Path(__file__).parent)
sys.path[:] = [*(folder for folder in sys.path if folder != _HERE), _HERE]

import time
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

import dkim as dkimpy
from composing.mails import mails
from composing.peers import ours
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from report import Section, chosen, in_turns, time_of, timed

from modernmail.layers import DKIM
from modernmail.layers.dkim.keys import new_key

if TYPE_CHECKING:
    from collections.abc import Callable

ABOUT = """Processor time to sign one mail, composed before: canonical form, hash, signature and field. *Bare* is the private
key's `sign` of `cryptography` over as many octets as DKIM signs of a header, and nothing else. dkimpy signs the same mail with
the same key, in Python alone."""

MOST = 1.5  # times the bare signature
ROUNDS = {True: 3, False: 60}  # by --quick
COUNT = 10  # signatures in a turn


def repeated(step: Callable[[], object], count: int = COUNT) -> Callable[[], float]:
    """Return a turn of so many steps."""

    def steps() -> None:
        for _ in range(count):
            step()

    return timed(steps, count, time.process_time)


def main() -> int:
    """Measure, tell, and return the exit status."""
    options = chosen(__doc__)
    pem, ed25519 = new_key(), new_key("ed25519")
    private = load_pem_private_key(pem, None)
    header, padding, digest = bytes(600), PKCS1v15(), SHA256()
    rsa = DKIM("example.com", "rsa", pem)
    two = rsa.also("example.com", "ed", ed25519)
    section = Section("dkim", "DKIM", ABOUT)
    table = section.table("", "M1", "M2", "M3", "M1, times the bare signature", "wanted")
    found = []
    for mail in mails()[:3]:
        content = ours(mail).parcel().content
        octets = bytes(content)
        turns = {
            "the bare signature, RSA of 2048 bits": repeated(lambda: private.sign(header, padding, digest)),
            "DKIM, RSA of 2048 bits": repeated(partial(rsa.fields_for, content)),
            "DKIM, RSA and Ed25519": repeated(partial(two.fields_for, content)),
            "dkimpy, RSA of 2048 bits": repeated(
                partial(dkimpy.sign, octets, b"rsa", b"example.com", pem), 1
            ),
        }
        found.append(in_turns(turns, rounds=ROUNDS[options.quick]))
    bare, ours_is = list(turns)[:2]
    for name in turns:
        times = [time_of(figures.median(name)) for figures in found]
        if name == ours_is:
            table.add(name, *times, *section.most(1 / found[0].ratio(name, bare), MOST))
        else:
            table.add(name, *times, f"{1 / found[0].ratio(name, bare):.3g}")
    section.versions(cryptography=version("cryptography"), dkimpy=version("dkimpy"))
    return section.end(options)


if __name__ == "__main__":
    sys.exit(main())
