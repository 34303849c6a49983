"""Rows of tests/corpus/smtp_faults.jsonl; smtp_faults.md beside it says what each field means."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent.parent / "corpus" / "smtp_faults.jsonl"

STATUS = {
    "delivered": "accepted",
    "transient": "deferred",
    "not_sent": "deferred",
    "permanent": "rejected",
    "ambiguous": "unknown",
}
CLASSES = ("success", "partial", "transient", "permanent", "ambiguous", "security")
MUST_NOT = ("mail", "content", "commit", "plaintext_mail", "password_in_clear", "resend", "many_logins")


@dataclass(frozen=True, slots=True)
class Expected:
    """What may become of one message: the classes, and for each recipient the statuses, that are right."""

    classes: frozenset[str]
    statuses: dict[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One fault: what the server does, and what a client must make of it."""

    id: str
    name: str
    sends: tuple[Expected, ...]
    max_s: float
    script: list[dict[str, Any]]
    rcpts: tuple[str, ...]
    tls: str | None = None
    certificate: str = "trusted"
    client: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, str] | None = None
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    capabilities: tuple[str, ...] | None = None
    ehlo: tuple[str, ...] | None = None
    size: int = 0
    server: str = "scripted"
    must_not: tuple[str, ...] = ()
    is_transient: bool | None = None
    deliveries: tuple[str, ...] = ("whole", "line", "byte")
    faces: tuple[str, ...] = ("sync", "async", "sync-many", "async-many")
    server_lies: bool = False
    lenient: bool = False
    impatient: bool = False

    @property
    def actions(self) -> list[list[Any]]:
        """All actions of the script."""
        return [action for rule in self.script for action in rule["do"]]

    @property
    def waits(self) -> bool:
        """Whether the client's own timeout may have to end it."""
        kinds = {action[0] for action in self.actions}
        if self.impatient or kinds & {"hang", "stall"}:
            return True
        slow = kinds & {"drip", "flood"} or any(
            action[0] == "sleep" and action[1] > 2 for action in self.actions
        )
        fails = any(expected.classes != {"success"} for expected in self.sends)
        return bool(slow) and fails

    @property
    def waits_for_the_final_reply(self) -> bool:
        """Whether that is the reply that does not come: then the others need not be hurried."""
        return self.waits and any(
            {"unknown"} == right for one in self.sends for right in one.statuses.values()
        )


def row_of(data: dict[str, Any]) -> Row:
    """Return the row that a line of the corpus describes; a key nobody knows is a TypeError."""
    data = dict(data)
    data.pop("why", None)
    common = {key: data.pop(key) for key in ("cls_any", "per_rcpt_any") if key in data}
    first = {"class": data.pop("class"), "per_rcpt": data.pop("per_rcpt")}
    sends = tuple(_expected({**common, **send}) for send in data.pop("sends", [first]))
    if data.pop("verify", None) == "untrusted":
        data["certificate"] = "untrusted"
    for key in ("rcpts", "mechanisms", "capabilities", "must_not", "deliveries", "faces"):
        if data.get(key) is not None:
            data[key] = tuple(data[key])
    return Row(sends=sends, **data)


def _expected(data: dict[str, Any]) -> Expected:
    also = data.get("per_rcpt_any", ())
    return Expected(
        frozenset([data["class"], *data.get("cls_any", ())]),
        {
            address: frozenset(STATUS[word] for word in (truth, *also))
            for address, truth in data["per_rcpt"].items()
        },
    )


def rows() -> list[Row]:
    """Return the whole corpus."""
    return [row_of(json.loads(line)) for line in CORPUS.read_text("utf-8").splitlines()]
