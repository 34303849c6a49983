"""Messages of every kind that mail is made of, drawn by seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from modernmail import Address, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = (
    "mail Grüße 今日は Привет 🎉 naïve tab\there  two   three. . .. =20 =?utf-8?q?x?= From <b>&amp; {x} $1 %s "
    "https://example.com/a?b=c&d=e a-very-long-word-" + "x" * 90
).split(" ")


def letters(count: int, *, seed: int = 1, to: str = "zoe@example.com") -> Iterator[Message]:
    """Yield so many messages, all different."""
    dice = random.Random(seed)
    for number in range(count):
        yield letter(dice, number, to)


def letter(dice: random.Random, number: int, to: str) -> Message:
    """Return one message."""
    message = Message(
        f"{number} {text(dice, 0, 14)}",
        lines(dice) if dice.random() < 0.9 else None,
        f"<html><p>{lines(dice)}</p></html>" if dice.random() < 0.4 else None,
        from_email=Address(name=text(dice, 0, 3), addr_spec="me@example.com"),
        to=to,
        body_encoding=dice.choice(["auto", "auto", "base64", "quoted-printable"]),
    )
    if dice.random() < 0.3:
        message.cc = [f"Person {other} <cc{other}@example.com>" for other in range(dice.randrange(1, 9))]
    if dice.random() < 0.3:
        message.reply_to = "answers@example.com"
    if dice.random() < 0.3:
        message.header(
            "List-Unsubscribe", f"<https://example.com/u/{'x' * dice.randrange(120)}>, <mailto:u@example.com>"
        )
        message.header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
        message.header("List-Id", "News <news.example.com>")
    if dice.random() < 0.3:
        message.header(
            "References", " ".join(f"<{dice.random()}@example.com>" for _ in range(dice.randrange(1, 12)))
        )
    if dice.random() < 0.3:
        message.header("X-Long", "  ".join(text(dice, 1, 30).split()))
    if dice.random() < 0.2:
        message.attach(
            f"{text(dice, 1, 2)}.bin", dice.randbytes(dice.randrange(40_000)), "application/octet-stream"
        )
    if dice.random() < 0.1 and message.html is not None:
        message.embed("logo", dice.randbytes(3000), "image/png")
    return message


def text(dice: random.Random, least: int, most: int) -> str:
    """Return some words on one line."""
    return " ".join(dice.choices(_WORDS, k=dice.randrange(least, most + 1))).strip().replace("\t", " ")


def lines(dice: random.Random) -> str:
    """Return lines with all that a canonical form has to deal with: blanks, tabs, dots and empty lines anywhere."""
    pieces = []
    for _ in range(dice.randrange(12)):
        line = "".join(
            word + dice.choice([" ", " ", "  ", "\t", " \t "])
            for word in dice.choices(_WORDS, k=dice.randrange(10))
        )
        pieces.append(line + dice.choice(["", "", " ", "\t"]) + "\n" * dice.choice([1, 1, 1, 2, 3]))
    return "".join(pieces) + dice.choice(["", "\n\n\n", " \n \n", ".", ".\n"])
