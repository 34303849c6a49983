"""Compares what servers delivered with what was sent: each recipient once, byte for byte below the trace."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from .mails import NUMBER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from services.maildir import Delivered

    from .mails import Letters


def problems(letters: Letters, delivered: Iterable[tuple[str, Delivered]]) -> list[str]:
    """Return what is wrong with these files, each with the recipient it was delivered for."""
    wrong = []
    found: Counter[tuple[int, str]] = Counter()
    for recipient, mail in delivered:
        match = NUMBER.search(mail.raw)
        if match is None:
            wrong.append(f"nobody sent {mail.path}: {mail.raw[:500]!r}")
            continue
        number = int(match[1])
        found[number, said(recipient)] += 1
        if mail.content != letters.content[number]:
            wrong.append(f"mail {number} to {recipient}: {difference(letters.content[number], mail.content)}")
    meant = Counter(
        (number, said(recipient)) for number, names in letters.recipients.items() for recipient in names
    )
    wrong += [f"mail {number} is missing for {recipient}" for number, recipient in (meant - found)]
    wrong += [f"mail {number} came once more to {recipient}" for number, recipient in (found - meant)]
    return wrong


def named(mails: Iterable[Delivered]) -> Iterable[tuple[str, Delivered]]:
    """Give each delivered mail with the recipient that its trace names."""
    return ((str(mail.recipient), mail) for mail in mails)


def said(addr_spec: str) -> str:
    """Return what an addr-spec says, whether its local part was quoted or not; domains are of any letter case."""
    local, _, domain = addr_spec.rpartition("@")
    if local.startswith('"') and local.endswith('"'):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    return f"{local}@{domain.lower()}"


def difference(sent: bytes, came: bytes) -> str:
    """Return where two contents differ, in words."""
    at = next(
        (at for at, (a, b) in enumerate(zip(sent, came, strict=False)) if a != b), min(len(sent), len(came))
    )
    start = max(0, at - 60)
    return f"differs at {at}: sent {sent[start : at + 60]!r}, came {came[start : at + 60]!r} ({len(sent)}, {len(came)})"


def check(what: str, wrong: list[str], log: Callable[[], str]) -> None:
    """Fail with the first problems and the end of the server's log."""
    assert not wrong, "\n".join([f"{what}: {len(wrong)} problems", *wrong[:10], log()[-1000:]])
