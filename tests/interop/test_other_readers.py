"""What other people's programs read in our mails is what was meant: MIME::tools, GMime (by notmuch), and Dovecot's summaries.

`nox -s interop` shows them 1,000 mails each, the default run some.
"""

from __future__ import annotations

import hashlib
import imaplib
import json
import os
import random
import subprocess
from dataclasses import dataclass, field
from email.header import decode_header, make_header
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from corpus import attachment_bytes
from mail import alike
from services.dovecot import PASSWORDS
from services.programs import missing, require

from modernmail import Address, Attachment, Message

from .envelopes import envelopes
from .judge import said
from .mails import ATTACHMENTS, ENCODINGS, LOCALS, NAMES, PAGES, SUBJECTS, TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from services.dovecot import Dovecot

MANY = 1000
PEOPLE = {"From": "from_email", "To": "to", "Cc": "cc", "Reply-To": "reply_to"}
USER = "zoe@example.com"
MIME_TOOLS = "libmime-tools-perl"

in_both_runs = pytest.mark.parametrize(
    "count",
    [
        pytest.param(40, marks=pytest.mark.once, id="some"),
        pytest.param(MANY, marks=pytest.mark.interop, id="many"),
    ],
)


@dataclass
class Mail:
    """What a mail says: a person sees no more of it, and no less."""

    subject: str
    people: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    texts: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, ...]] = field(default_factory=list)


def usual(values: Iterable[str]) -> list[str]:
    """Return the values without those that hold what is no character at all, which Perl does not decode."""
    return [value for value in values if not any(ord(char) & 0xFFFE == 0xFFFE for char in value)]


SAID, WRITTEN, SHOWN = usual(SUBJECTS), usual(TEXTS), usual(PAGES)
CALLED = [name for name in usual(NAMES) if name == name.strip()]


def messages(count: int) -> list[Message]:
    """Return so many messages, drawn from the corpus."""
    dice = random.Random(count)

    def people(most: int) -> list[Address]:
        return [
            Address(name=dice.choice(CALLED), addr_spec=f"{dice.choice(LOCALS)}@example.com")
            for _ in range(dice.randint(0, most))
        ]

    made = []
    for _ in range(count):
        message = Message(
            dice.choice(SAID),
            dice.choice(WRITTEN),
            dice.choice([None, dice.choice(SHOWN)]),
            from_email=Address(name=dice.choice(CALLED), addr_spec="me@example.com"),
            to=["to@example.com", *people(4)],
            cc=people(2),
            reply_to=people(1),
            body_encoding=dice.choice(ENCODINGS),  # type: ignore[arg-type]  # words of BodyEncoding
        )
        for row in dice.sample(ATTACHMENTS, dice.choice([0, 1, 2])):
            if not (row["mimetype"] or "").startswith("message/"):
                message.attach(row["filename"], attachment_bytes(row), row["mimetype"])
        if message.html is not None and dice.random() < 0.5:
            message.embed("logo@example.com", b"\x89PNG\r\n\x1a\n", filename="Bild für alle.png")
        made.append(message)
    return made


def meant(message: Message) -> Mail:
    """Return what a message says."""
    bodies = (("text/plain", message.text), ("text/html", message.html))
    return Mail(
        message.subject.strip(" \t"),
        {name: boxes(getattr(message, argument)) for name, argument in PEOPLE.items()},
        [(kind, alike(text)) for kind, text in bodies if text is not None],
        sorted(named(part) for part in message.attachments),
    )


def boxes(value: Any) -> list[tuple[str, str]]:
    """Return names and addresses, with the local parts that their quotes spell."""
    found = value if isinstance(value, tuple) else (value,)
    return [(one.name, said(one.ascii_addr_spec)) for one in found]


def named(part: Attachment) -> tuple[str, ...]:
    """Return what is said of an attachment."""
    digest = hashlib.sha1(part.content, usedforsecurity=False).hexdigest()
    return part.kind.essence, part.filename or "", part.disposition, part.content_id or "", digest


def compare(
    count: int, folder: Path, seen: Callable[[Path], dict[int, Mail]], *, hidden: Iterable[str] = ()
) -> None:
    """Write so many mails into the folder, and hold what was seen of them against what was meant, but for what is hidden."""
    made = messages(count)
    for number, message in enumerate(made):
        (folder / f"{number}.eml").write_bytes(message.as_bytes())
    found = seen(folder)
    assert len(found) == count
    for number, message in enumerate(made):
        wanted = {name: value for name, value in vars(meant(message)).items() if name not in hidden}
        assert {name: getattr(found[number], name) for name in wanted} == wanted, message.as_bytes()


@in_both_runs
def test_mime_tools(count: int, tmp_path: Path) -> None:
    """Perl's MIME::tools reads subject, mailboxes, texts, files and octets."""
    perl = require("perl", install=f"apt-get install {MIME_TOOLS}")
    if subprocess.run([perl, "-MMIME::Parser", "-e1"], capture_output=True, check=False).returncode:
        missing(f"MIME::tools is not installed: apt-get install {MIME_TOOLS}")

    def seen(folder: Path) -> dict[int, Mail]:
        script = Path(__file__).with_name("mime_tools.pl")
        output = subprocess.run([perl, script, folder], capture_output=True, check=True).stdout
        return {int(row["number"]): _by_perl(row) for row in map(json.loads, output.splitlines())}

    compare(count, tmp_path, seen)


def _by_perl(row: dict[str, Any]) -> Mail:
    assert not row["problems"]
    leaves = row["leaves"]
    return Mail(
        row["subject"],
        {name: [(called, said(spec)) for called, spec in row["people"][name]] for name in PEOPLE},
        [(leaf["type"], alike(leaf["text"])) for leaf in leaves if not leaf["disposition"]],
        sorted(
            (leaf["type"], leaf["name"], leaf["disposition"], leaf["cid"].strip("<>"), leaf["sha1"])
            for leaf in leaves
            if leaf["disposition"]
        ),
    )


@in_both_runs
def test_notmuch(count: int, tmp_path: Path) -> None:
    """Notmuch, which reads with GMime as Geary and Balsa do, shows subject, texts and what is said of files."""
    program = require("notmuch", install="apt-get install notmuch")

    def seen(folder: Path) -> dict[int, Mail]:
        configuration = tmp_path / "notmuch.conf"
        configuration.write_text(
            f"[database]\npath={folder}\n[user]\nprimary_email={USER}\n[new]\ntags=new\n"
        )
        environment = {**os.environ, "NOTMUCH_CONFIG": str(configuration), "HOME": str(tmp_path)}
        show = ["show", "--format=json", "--entire-thread=false", "--include-html", "*"]
        output = b""
        for arguments in (["new", "--quiet"], show):
            output = subprocess.run(
                [program, *arguments], env=environment, capture_output=True, check=True
            ).stdout
        return dict(_by_notmuch(mail) for mail in _unthreaded(json.loads(output)))

    (tmp_path / "mail").mkdir()
    compare(count, tmp_path / "mail", seen, hidden=("people", "files"))


def _unthreaded(found: Any) -> Iterable[dict[str, Any]]:
    """Give the mails in the threads that notmuch makes of them."""
    if isinstance(found, dict):
        yield found
    else:
        for inner in found or ():
            yield from _unthreaded(inner)


def _by_notmuch(mail: dict[str, Any]) -> tuple[int, Mail]:
    parts = list(_leaves(mail["body"]))
    texts = [
        (part["content-type"], alike(part["content"]))
        for part in parts
        if not part.get("content-disposition")
    ]
    return int(Path(mail["filename"][0]).stem), Mail(mail["headers"].get("Subject", ""), texts=texts)


def _leaves(parts: Any) -> Iterable[dict[str, Any]]:
    for part in parts:
        if part["content-type"].startswith("multipart/"):
            yield from _leaves(part["content"])
        else:
            yield part


@in_both_runs
def test_dovecot_summaries(count: int, dovecot: Dovecot, tmp_path: Path) -> None:
    """Dovecot's ENVELOPE (RFC 9051 7.5.2), all that many programs read of a mail for their lists, has subject and mailboxes."""

    def seen(folder: Path) -> dict[int, Mail]:
        with imaplib.IMAP4("127.0.0.1", dovecot.imap_port, timeout=60) as client:
            client.login(USER, PASSWORDS[USER])
            for number in range(count):
                answer, _ = client.append("INBOX", "", "", (folder / f"{number}.eml").read_bytes())
                assert answer == "OK"
            client.select(readonly=True)
            _, data = client.fetch(f"1:{count}", "(ENVELOPE)")
        return {number - 1: _by_dovecot(envelope) for number, envelope in envelopes(data)}

    compare(count, tmp_path, seen, hidden=("texts", "files"))


def _by_dovecot(envelope: list[Any]) -> Mail:
    _, subject, sender, _, reply_to, to, cc, *_ = envelope
    reply_to = [] if reply_to == sender else reply_to  # said of every mail
    people = {"From": sender, "To": to, "Cc": cc, "Reply-To": reply_to}
    return Mail(
        _decoded(subject),
        {
            name: [(_decoded(called), f"{local}@{domain}") for called, _, local, domain in found or ()]
            for name, found in people.items()
        },
    )


def _decoded(text: str | None) -> str:
    return str(make_header(decode_header(text))) if text and "=?" in text else text or ""
