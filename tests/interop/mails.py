"""Mails as varied as the corpus, drawn by seed: each a parcel with its number in an `X-Number` field.

Bodies, fields and attachments are the corpus's; recipients are 1 to 200; sizes go from nothing to 5 MB, from memory and
from files that are streamed. What a server can't take (SMTPUTF8, unusual local parts) is left out by `Taste`.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from corpus import attachment_bytes, body_text, rows

from modernmail import Address, Envelope, Message
from modernmail.errors import InvalidValue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from modernmail import Parcel

DOMAINS = ("example.com", "example.net", "example.org")
MOST = 200  # recipients
LARGEST = 5_000_000  # octets, about
NUMBER = re.compile(rb"(?m)^X-Number: ([0-9]+)\r?$")

BODIES = [row for row in rows("bodies") if row["expect"] == "roundtrip"]
TEXTS = [body_text(row) for row in BODIES if row["subtype"] == "plain"]
PAGES = [body_text(row) for row in BODIES if row["subtype"] == "html"]
FIELDS = [row for row in rows("headers") if row["expect"] == "roundtrip" and row["name"] != "Subject"]
SUBJECTS = [
    row["value"] for row in rows("headers") if "roundtrip" in row["expect"] and row["name"] == "Subject"
]
ATTACHMENTS = [row for row in rows("attachments") if row["expect"] == "roundtrip"]
NAMES = sorted({row["display_name"] for row in rows("addresses") if row["verdict"] == "accept"})
# Postfix reads `!`, `%` and a quoted `@` as routes to other servers, and takes no name that begins with `-`.
LOCALS = sorted(
    {
        row["local"]
        for row in rows("addresses")
        if row["verdict"] == "accept" and row["local"][:1] not in ("", "-") and not {*"!%@"} & {*row["local"]}
    }
)
ENCODINGS = ("auto", "auto", "8bit", "8bit", "quoted-printable", "base64")

DOTS = [
    ".", ".\n", "..", "..\n", "...\n", ".\n.\n.\n", "\n.\n", "\n\n.\n\n", ".a\n", "a\n.", "a\n.\n", "a\n..\n.b\n...",
    ".\r\n.\r\n", " .\n", ".\t\n", ". \n", ".\nQUIT\n", ".\nMAIL FROM:<x@example.com>\n", "From \n", ">From \n.",
    "é\n.\né", ".é\n", "a" * 997 + "\n.\n", "." * 998, "." * 997 + "\n.",
]  # fmt: skip
RAW_BODIES = [
    b"", b".", b".\r\n", b"..\r\n.\r\n", b"no end", b"\r\n", b"\r\n.\r\n\r\n", b"8bit \xe9\xff\r\n.\xe9\r\n.", b" \r\n\t\r\n",
    b"--q\r\n\r\n.\r\n--q--", b"--q\r\nContent-Type: text/plain\r\n\r\n..\r\n--q--\r\nepilogue\r\n.\r\n",
    b"a\n.\nb\n", b"x" * 998 + b"\r\n." + b"y" * 997,
]  # fmt: skip


@dataclass(frozen=True)
class Taste:
    """What a server takes: SMTPUTF8, `unusual` local parts, `most` recipients; or only the mailboxes it has."""

    smtputf8: bool = True
    unusual: bool = True
    most: int = MOST
    mailboxes: tuple[str, ...] = ()


@dataclass
class Letters:
    """The mails of one run: iterate over it once; `content` and `recipients` then tell what must arrive."""

    count: int
    seed: int
    taste: Taste
    folder: Path
    content: dict[int, bytes] = field(default_factory=dict)
    recipients: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Parcel]:
        """Yield the parcels."""
        dice = random.Random(self.seed)
        for number in range(self.count):
            recipients = self._recipients(dice, number)
            message = self._message(dice, number)
            sender = "" if dice.random() < 0.1 else f"sender{dice.randrange(9)}@example.com"
            if self.taste.smtputf8 and dice.random() < 0.05:
                sender = "sénder@example.com"
            envelope = Envelope(sender, recipients)
            shown = message.copy(to=recipients[: dice.randrange(4)], bcc=recipients)
            parcel = shown.parcel().replace(envelope=envelope)
            self.content[number], self.recipients[number] = bytes(parcel.content), envelope.recipients
            yield parcel

    # -- to whom

    def _recipients(self, dice: random.Random, number: int) -> tuple[str, ...]:
        """Return 1 to 200 addresses, mostly a few; now and then as many as fill a transaction, one more, and the most."""
        most = len(self.taste.mailboxes) or self.taste.most
        many = {0: most, 1: most // 2, 2: most // 2 + 1}
        count = many.get((number + self.seed) % 25) or _few(dice, most)
        if self.taste.mailboxes:
            return tuple(dice.sample(self.taste.mailboxes, count))
        chosen = [f"person{other}@{dice.choice(DOMAINS)}" for other in dice.sample(range(10_000), count)]
        if self.taste.unusual and dice.random() < 0.3:
            chosen[0] = f"{dice.choice(LOCALS)}@example.com"
        if self.taste.smtputf8 and dice.random() < 0.1:
            chosen[-1] = f"zoë{number}@example.net"
        return tuple(chosen)

    # -- what

    def _message(self, dice: random.Random, number: int) -> Message:
        message = _foreign(dice) if dice.random() < 0.15 else self._composed(dice)
        message.header("X-Number", str(number))
        if number % 20 == 7:
            self._enlarge(message, dice, number)
        return message

    def _composed(self, dice: random.Random) -> Message:
        message = Message(
            dice.choice(SUBJECTS),
            dice.choice(dice.choice([DOTS, TEXTS])) if dice.random() < 0.9 else None,
            dice.choice(PAGES) if dice.random() < 0.3 else None,
            from_email=Address(name=dice.choice(NAMES), addr_spec="me@example.com"),
            body_encoding=dice.choice(ENCODINGS),  # type: ignore[arg-type]  # words of BodyEncoding
        )
        for row in dice.sample(FIELDS, dice.choice([0, 0, 1, 2, 5])):
            if row["name"] not in message.headers:
                message.header(row["name"], row["value"])
        for row in dice.sample(ATTACHMENTS, dice.choice([0, 0, 0, 1, 3])):
            message.attach(row["filename"], attachment_bytes(row), row["mimetype"])
        return message

    def _enlarge(self, message: Message, dice: random.Random, number: int) -> None:
        """Make a mail large, one in ten of them as large as they get; from a file that is streamed, or from memory."""
        if message.verbatim is not None:
            return
        octets = dice.choice([20_000, 200_000, 1_200_000]) if number % 200 != 7 else int(LARGEST / 1.4)
        if dice.random() < 0.5:
            path = self.folder / f"{number}.bin"
            path.write_bytes(dice.randbytes(octets))
            message.attach_file(path)
        else:
            message.attach("large.bin", dice.randbytes(octets))


def _few(dice: random.Random, most: int) -> int:
    return min(most, dice.choice([1, 1, 1, 1, 1, 2, 2, 3, 4, 5, 8, 13, 30]))


def _foreign(dice: random.Random) -> Message:
    """Return somebody else's mail, passed on with the octets it had where `Message` can't say them."""
    body = dice.choice(RAW_BODIES)
    head = (
        b"From: Somebody <somebody@example.com>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nX-Folded: one\r\n two\r\n\tthree\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n"
        % (
            dice.choice(
                [b"text/plain; charset=iso-8859-1", b"multipart/digest; boundary=q", b"text/x-unknown"]
            ),
            b"7bit" if body.isascii() else b"8bit",
        )
    )
    return Message.from_bytes(head + body)


def without(values: Sequence[str], is_taken: Callable[[str], object]) -> list[str]:
    """Return the values that `is_taken` does not refuse."""
    found = []
    for value in values:
        try:
            is_taken(value)
        except InvalidValue:
            continue
        found.append(value)
    return found


SUBJECTS = without(SUBJECTS, lambda value: Message(value))
