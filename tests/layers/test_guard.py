"""The staging guard through every backend, direct and queued: nobody outside the list is named in any envelope."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from backends.everyone import BACKENDS, Everyone

import modernmail
from modernmail import Mailer, Message, tasks
from modernmail.layers import Redirect, Retry
from modernmail.registry import mailers
from modernmail.tasks.sqlite import SQLiteBackend
from modernmail.tasks.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ALLOWED = ("dev@example.com", "qa+1@example.com", "zoe@staging.example")
GUARDS = {
    "to": lambda: Redirect(to=ALLOWED[:2]),
    "allow": lambda: Redirect(allow=["*@example.com", "zoe@staging.example"]),
    "nobody": lambda: Redirect(to=[]),
}
WAYS = ("sync", "async", "queued", "in a thread")


def people(dice: random.Random) -> list[str]:
    """Return up to three recipients, some of them allowed, others nearly so."""
    names = ("customer", "dev", "Zoe", "a.b")
    domains = ("example.com", "example.org", "EXAMPLE.com.evil.example", "staging.example", "sub.example.com")
    return [
        f"{dice.choice(names)}{dice.randrange(99)}@{dice.choice(domains)}" for _ in range(dice.randrange(4))
    ]


def letters(count: int, *, seed: int = 7) -> list[Message]:
    """Return mails with To, Cc and Bcc, some of them with one of these alone."""
    dice = random.Random(seed)
    found = []
    for number in range(count):
        to, cc, bcc = people(dice), people(dice), people(dice)
        if not (to or cc or bcc):
            bcc = ["customer@example.org"]
        found.append(Message(f"No {number}", "Text.\n", from_email="me@example.com", to=to, cc=cc, bcc=bcc))
    return found


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    """Leave no mailer and no task backend behind."""
    yield
    tasks.configure({})
    if "default" in mailers:
        mailers["default"].close()
    modernmail.configure({})


def send(way: str, messages: list[Message], folder: Path) -> None:
    """Give all to the default mailer, directly or by a queue."""
    mailer: Mailer = mailers["default"]
    if way == "sync":
        mailer.send_many(messages).finish()
    elif way == "async":

        async def work() -> None:
            await mailer.asend_many(messages).finish()
            await mailer.aclose()

        asyncio.run(work())
    elif way == "queued":
        tasks.configure(f"sqlite:////{folder}/queue.db?retry=0.01&synchronous=NORMAL")
        for message in messages:
            message.enqueue()
        backend = tasks.task_backends["default"]
        assert isinstance(backend, SQLiteBackend)
        Worker(backend, until_empty=True).run()
    else:
        tasks.configure("thread:?workers=2")
        for message in messages:
            message.enqueue()
        tasks.task_backends["default"].close()  # does what is queued


def guarded(name: str, guard: str, way: str, count: int, folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Send so many mails by one backend behind one guard, and judge every envelope it was given."""
    messages = letters(count)
    meant = Counter(address.lower() for message in messages for address in message.recipients)
    with Everyone(name, folder, patch) as backend:
        setting = {
            "url": backend.url,
            "from_email": "me@example.com",
            "layers": [GUARDS[guard](), Retry(2, delay=0.01)],
        }
        modernmail.configure({"default": setting})
        send(way, messages, folder)
        seen = Counter(address.lower() for address in backend.seen())
        mailers["default"].close()
    if guard == "to":
        assert seen == dict.fromkeys(ALLOWED[:2], count)
    elif guard == "nobody":
        assert not seen
    else:
        wanted = {
            name: many for name, many in meant.items() if name.endswith("@example.com") or name == ALLOWED[2]
        }
        assert seen == wanted
        assert sum(seen.values()) < sum(meant.values())


@pytest.mark.parametrize("count", [12, pytest.param(500, marks=pytest.mark.figures)])
@pytest.mark.parametrize("guard", GUARDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", BACKENDS)
def test_nobody_outside_the_list(
    name: str,
    way: str,
    guard: str,
    count: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """To, Cc and Bcc alike: those who may, get it, and nobody else is named to any backend."""
    guarded(name, guard, way, count, tmp_path, monkeypatch)
