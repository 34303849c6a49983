"""Refusals: which recipients the inbox turns away, as `--refuse` says it, so that a program can be seen to cope."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

_WITH_REPLY = re.compile(r"(.+)=([45]\d\d)(?:[ ](.+))?")


class Refusals:
    """What `--refuse` was given: `PATTERN`, `PATTERN=CODE` or `PATTERN=CODE TEXT`; the first that fits counts.

    Called with a recipient it returns what a `CaptureServer` wants to know: False to take it, else the reply.

    >>> refusals = Refusals(["nobody@example.com", "*@slow.example=451 4.7.1 Come back later"])
    >>> refusals("zoe@example.com"), refusals("nobody@example.com"), refusals("a@slow.example")
    (False, True, '451 4.7.1 Come back later')
    """

    def __init__(self, given: tuple[str, ...] | list[str]) -> None:
        self._replies: list[tuple[str, bool | str]] = []
        for each in given:
            match = _WITH_REPLY.fullmatch(each)
            if match is None:
                self._replies.append((each.lower(), True))
            else:
                pattern, code, text = match.groups()
                self._replies.append(
                    (pattern.lower(), f"{code} {text or f'{code[0]}.0.0 this recipient is refused here'}")
                )

    def __call__(self, recipient: str) -> bool | str:
        """Return whether, or how, `recipient` is turned away."""
        name = recipient.lower()
        return next((reply for pattern, reply in self._replies if fnmatchcase(name, pattern)), False)
