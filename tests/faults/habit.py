"""Conversations of tests/corpus/smtp_habits.toml as rows that `play` plays; smtp_habits.md beside it says what each key means."""

from __future__ import annotations

import tomllib
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.judge import problems
from faults.row import Expected, Row
from modernmail.testing.scripted.authentication import MECHANISMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from faults.play import Played

CORPUS = Path(__file__).parent.parent / "corpus" / "smtp_habits.toml"
SECRET = "s3cret-0123456789"
_CODED = [
    b64encode(text.encode()).decode()
    for text in (SECRET, f"\0zoe\0{SECRET}", f"user=zoe\1auth=Bearer {SECRET}\1\1")
]
_CLASSES = {"accepted": "success", "deferred": "transient", "rejected": "permanent", "unknown": "ambiguous"}
_GREETED = ("scripted.test", "PIPELINING", "8BITMIME", "SIZE 67108864")


@dataclass(frozen=True, slots=True)
class Habit:
    """How some server speaks, what becomes of a mail there, and what the client says of it."""

    row: Row
    error: str | None = None
    told: tuple[str, ...] = ()
    queue_id: str | None = None
    logins: tuple[str, ...] | None = None
    connections: int | None = None
    enhanced: str | None = None

    @property
    def name(self) -> str:
        """What the conversation is called."""
        return self.row.name


def habit_of(data: dict[str, Any], number: int) -> Habit:
    """Return the habit that a table of the corpus describes; a key nobody knows is a TypeError."""
    data = dict(data)
    rest = {key: data.pop(key) for key in ("error", "queue_id", "connections", "enhanced") if key in data}
    for key in ("told", "logins"):
        if key in data:
            given = data.pop(key)
            rest[key] = (given,) if isinstance(given, str) else tuple(given)
    return Habit(_row(number, rest.get("error"), **data), **rest)


def habits() -> list[Habit]:
    """Return the whole corpus."""
    tables = tomllib.loads(CORPUS.read_text("utf-8"))["habit"]
    return [habit_of(data, number) for number, data in enumerate(tables, start=1)]


def wrong(habit: Habit, played: Played) -> list[str]:
    """Return what is wrong; nothing is the right answer."""
    found = problems(habit.row, played)
    errors = [sent.error for sent in played.sent if sent.error is not None]
    kind = type(errors[0]).__name__ if errors else None
    if kind != habit.error:
        found.append(f"the error is {kind}, not {habit.error}")
    words = "\n".join(map(str, errors))
    found += [f"the error does not say {text!r}: {words}" for text in habit.told if text not in words]
    receipts = [sent.receipt for sent in played.sent if sent.receipt is not None]
    if habit.queue_id is not None and [one.queue_id for one in receipts] != [habit.queue_id] * len(receipts):
        found.append(f"the queue id is {[one.queue_id for one in receipts]}, not {habit.queue_id!r}")
    steps = [step for session in played.sessions for step in session.steps]
    logins = tuple(step.line.split()[1].decode() for step in steps if step.name == "AUTH")
    if habit.logins is not None and logins != habit.logins:
        found.append(f"the logins are {logins}, not {habit.logins}")
    if habit.connections is not None and len(played.sessions) != habit.connections:
        found.append(f"{len(played.sessions)} connections, not {habit.connections}")
    if habit.enhanced is not None:
        reply = next(iter(receipts[0].recipients.values())).reply
        if reply is None or reply.enhanced != habit.enhanced:
            found.append(f"the enhanced code of {reply} is not {habit.enhanced}")
    shown = [words, *(line for one in receipts for line in one.conversation)]
    shown += [line for error in errors for line in getattr(error, "conversation", ())]
    secrets = [SECRET, *(text[8:-8] for text in _CODED)]
    if any(secret in line for secret in secrets for line in shown):
        found.append("a secret is shown")
    return found


def _row(
    number: int,
    error: str | None,
    *,
    name: str,
    why: str = "",
    server: str = "plain",
    login: str | None = None,
    ehlo: str | None = None,
    says: dict[str, str | list[str]] | None = None,
    octets: str = "utf-8",
    recipients: tuple[str, ...] = ("zoe@example.com",),
    mails: int = 1,
    becomes: str | dict[str, str] = "accepted",
    must_not: tuple[str, ...] = (),
    url: dict[str, str] | None = None,
    is_transient: bool | None = None,
    faces: tuple[str, ...] = ("sync", "async", "sync-many", "async-many"),
    sessions: list[int] | None = None,
) -> Row:
    lines = list(_GREETED) if ehlo is None else ehlo.strip("\n").split("\n")
    script: list[dict[str, Any]] = []
    for step, texts in (says or {}).items():
        many = [texts] if isinstance(texts, str) else texts
        for at, text in enumerate(many, start=1):
            rule = {"on": step, "do": _actions(text, octets)}
            if isinstance(texts, list):
                rule["nth"] = at
            if sessions is not None:
                rule["session"] = sessions
            if text:
                script.append(rule)
    offered = [
        word
        for line in lines
        if line.startswith(("AUTH", "auth"))
        for word in line.upper().replace("=", " ").split()
    ]
    ignored = (url or {}).get("ignore", "")  # not lived up to, so that a client which asks for it is seen
    client = {"tls": {"plain": "off", "starttls": "required", "implicit": "implicit"}[server], **(url or {})}
    if login is not None:
        client |= {"username": "zoe", login: SECRET}
    statuses = dict.fromkeys(recipients, becomes) if isinstance(becomes, str) else becomes
    classes = {_CLASSES[status] for status in statuses.values()}
    kind = "security" if error == "SecurityFailed" else classes.pop() if len(classes) == 1 else "partial"
    expected = Expected(frozenset([kind]), {who: frozenset([status]) for who, status in statuses.items()})
    return Row(
        id=f"H{number:02d}",
        name=name,
        sends=(expected,) * mails,
        max_s=10,
        script=script,
        rcpts=tuple(recipients),
        tls=None if server == "plain" else server,
        client=client,
        credentials=None if login is None else {"zoe": SECRET},
        mechanisms=tuple(dict.fromkeys(name for name in MECHANISMS if name in offered)),
        capabilities=tuple(
            line.strip() for line in lines[1:] if line.strip() and line.split()[0].upper() != ignored.upper()
        ),
        ehlo=None if ehlo is None else tuple(lines),
        must_not=tuple(must_not),
        faces=tuple(faces),
        is_transient=is_transient,
    )


def _actions(text: str, octets: str) -> list[list[Any]]:
    """Return what the server does: it says each line, and `<close>` closes."""
    actions: list[list[Any]] = []
    lines = text.strip("\n").split("\n")
    said = [line for line in lines if line != "<close>"]
    if said:
        data = "\r\n".join(said).encode(octets)
        actions.append(["reply", data.decode("utf-8", "surrogateescape")])
    return [*actions, ["close"]] if "<close>" in lines else actions
