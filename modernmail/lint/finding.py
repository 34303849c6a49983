"""Finding: one thing about a mail that somebody should know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class Finding:
    """What `check` found: `error` breaks the mail for someone, `warning` costs readers, `info` tells.

    `message` is one sentence; `details` are the places (links, file names, clients …), at most twenty of
    them.
    """

    check: str
    severity: Severity
    message: str
    details: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, object]:
        """Return plain values, for JSON."""
        return {
            "check": self.check,
            "severity": self.severity,
            "message": self.message,
            "details": list(self.details),
        }
