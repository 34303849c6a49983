"""Failover under fire: real servers that die, revive, defer and refuse at random; their own logs are the judge."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from faces import faces

from modernmail import Mailer, Message, Receipt
from modernmail.layers import Retry
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PEOPLE = [f"p{number}@example.com" for number in range(3)]
_MANY = 4000  # sessions and steps that a script speaks of
_KINDS = 20  # of sessions, each with a script of its own


def some(dice: random.Random, share: float) -> tuple[int, ...]:
    """Return that share of the numbers from 1, at random."""
    return tuple(number for number in range(1, _MANY) if dice.random() < share)


def fire(dice: random.Random) -> list[Rule]:
    """Return what a bad server does: whole stretches of sessions dead, and anything else now and then."""
    dead: list[int] = []
    at = 1
    while at < _MANY:
        at += dice.randrange(2, 8)
        length = dice.randrange(1, 10)
        dead += range(at, at + length)
        at += length
    rules = [Rule("CONNECT", session=tuple(dead)).close()]
    for kind in range(_KINDS):
        sessions = tuple(range(kind, _MANY, _KINDS))

        def on(step: str, share: float, sessions: tuple[int, ...] = sessions) -> Rule:
            return Rule(step, nth=some(dice, share), session=sessions)

        rules += [
            on("MAIL", 0.01).reset(),
            on("MAIL", 0.02).reply("451 4.3.0 later"),
            on("MAIL", 0.01).reply("421 4.3.2 closing").close(),
            on("RCPT", 0.06).reply("450 4.2.1 later"),
            on("RCPT", 0.04).reply("550 5.1.1 no such user"),
            on("DATA", 0.01).close(),
            on("BODY", 0.02).reply("452 4.3.1 full"),
            on("BODY", 0.02).reply("554 5.7.1 not this one"),
            on("BODY", 0.01).commit().close(),
            on("BODY", 0.01).close(),
        ]
    return rules


def judge(receipts: Sequence[Receipt], servers: Sequence[ScriptedSMTPServer], count: int) -> Counter[str]:
    """Hold every receipt against what the servers took; return how many recipients ended how."""
    assert sorted(receipt.position for receipt in receipts) == list(range(count)), (
        "a mail without its receipt"
    )
    taken: Counter[tuple[bytes, str]] = Counter()
    for server in servers:
        for commit in server.commits:
            number = commit.content.partition(b"Subject: ")[2].partition(b"\r\n")[0]
            taken.update((number, recipient) for recipient in commit.recipients)
    assert max(taken.values()) == 1, "somebody got a mail twice"
    tally: Counter[str] = Counter()
    for receipt in receipts:
        for name, outcome in receipt.recipients.items():
            tally[outcome.status] += 1
            is_there = bool(taken.pop((b"%d" % receipt.position, name), 0))
            if outcome.status != "unknown":
                assert is_there == (outcome.status == "accepted"), (
                    f"{name} is {outcome}, and there: {is_there}"
                )
    assert not taken, "a mail that nobody sent"
    return tally


def under_fire(count: int, seed: int, *, is_async: bool, url: str) -> Counter[str]:
    """Send so many mails by a bad server and a worse one; return the tally."""
    dice = random.Random(seed)
    letters = [
        Message(str(number), "Text.\n", from_email="me@example.com", to=PEOPLE[: 1 + number % 3])
        for number in range(count)
    ]
    with ScriptedSMTPServer(fire(dice)) as one, ScriptedSMTPServer(fire(dice)) as two:
        mailer = Mailer(
            url.format(one.url(pool=2), two.url(pool=2)), layers=[Retry(8, delay=0.02, max_delay=0.2)]
        )

        async def asend() -> list[Receipt]:
            async with mailer:
                return [receipt async for receipt in mailer.asend_many(letters)]

        if is_async:
            receipts = asyncio.run(asend())
        else:
            with mailer:
                receipts = list(mailer.send_many(letters))
        return judge(receipts, [one, two], count)


URLS = ["failover({} {})?retry_period=0.02", "roundrobin({} {})?retry_period=0.02"]


@pytest.mark.parametrize("url", URLS, ids=["failover", "roundrobin"])
@faces
def test_under_fire(url: str, is_async: bool) -> None:
    """Each recipient gets a mail once or its receipt says why not, and nothing that it says is untrue."""
    tally = under_fire(250, 7, is_async=is_async, url=url)
    assert tally["accepted"] > tally.total() * 0.5


@pytest.mark.figures
@pytest.mark.parametrize("url", URLS, ids=["failover", "roundrobin"])
@faces
def test_five_thousand_mails_under_fire(
    url: str, is_async: bool, record_property: Callable[[str, object], None]
) -> None:
    """5,000 mails: every one delivered exactly once or reported, none lost."""
    tally = under_fire(5000, 11, is_async=is_async, url=url)
    record_property("recipients", dict(tally))
    assert tally["accepted"] > tally.total() * 0.5
    assert set(tally) >= {"accepted", "rejected", "unknown"}, "the script was too kind"
