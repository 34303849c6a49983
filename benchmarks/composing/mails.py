"""The four mails, as plain values that every contender gets alike."""

from __future__ import annotations

import random
from typing import NamedTuple

NAMES = [
    *("Zoë Müller", "Łukasz Żółw", "山田 太郎", "Ольга Иванова", "José Núñez"),
    *("Søren Ærø", "김철수", "Çağla Öz", "Μαρία Παππά", "Ngô Bảo"),
]
FROM = ("Shop", "shop@example.com")


class Mail(NamedTuple):
    """One mail: files are triples of name, octets and media type, `inline` is shown by the html as cid:logo."""

    name: str
    subject: str
    to: list[tuple[str, str]]
    people: list[str]  # the same, as one writes them
    text: str
    html: str | None
    inline: bytes | None
    file: tuple[str, bytes, str] | None


def _filled(words: list[str], size: int, line: str, seed: int) -> str:
    """Return `size` octets of UTF-8 text made of these words."""
    pick = random.Random(seed)
    pieces: list[str] = []
    length = 0
    while length < size:
        piece = line.format(" ".join(pick.choice(words) for _ in range(9)))
        pieces.append(piece)
        length += len(piece.encode())
    return "".join(pieces)


def mails() -> list[Mail]:
    """Return M1 to M4; the same octets at each call."""
    octets = random.Random(4).randbytes
    plain = ["order", "shipped", "today", "thank", "you", "for", "your", "trust", "in", "us"]
    words = [
        *plain,
        *("naïve", "Grüße", "žluťoučký", "Привет", "日本語", "メール", "😀", "Größe", "où", "été"),
    ]
    text = _filled(words, 4096, "{}.\n", 1)
    html = _filled(words, 16384, '<p style="margin:0">{} &amp; more</p>\n', 2)
    to = [(name, f"user{number}@example.com") for number, name in enumerate(NAMES)]
    people = [f"{name} <{spec}>" for name, spec in to]
    you = [("", "you@example.com")], ["you@example.com"]
    subject = "ご注文の確認: 注文番号 42 が発送されました"
    png = b"\x89PNG\r\n\x1a\n" + octets(20_000)
    pdf = b"%PDF-1.7\n" + octets(1 << 20)
    return [
        Mail("M1", "Your order 42", *you, _filled(plain, 1024, "{}.\n", 3), None, None, None),
        Mail("M2", subject, to, people, text, html, None, None),
        Mail(
            "M3", subject, to, people, text, f'{html}<img src="cid:logo">\n', png,
            ("Übersicht 2026.pdf", pdf, "application/pdf"),
        ),
        Mail(
            "M4", "Your backup", *you, "See the attachment.\n", None, None,
            ("backup.bin", octets(10 << 20), "application/octet-stream"),
        ),
    ]  # fmt: skip


def fresh(mail: Mail) -> Mail:
    """Return the same mail in new strings, so that nobody finds a text that was encoded before."""
    return mail._replace(
        text=f" {mail.text}"[1:],
        html=None if mail.html is None else f" {mail.html}"[1:],
        subject=f" {mail.subject}"[1:],
    )
