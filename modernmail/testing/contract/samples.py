"""Mails of many kinds, and receipts of every outcome, for the checks."""

from __future__ import annotations

import tempfile
from pathlib import Path

from modernmail.content import Content
from modernmail.message import Message
from modernmail.outcome import STATUSES, Outcome
from modernmail.receipt import Receipt
from modernmail.reply import Reply

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from modernmail.errors import MailError
    from modernmail.outcome import Status
    from modernmail.parcel import Parcel

PEOPLE = ("ann@example.com", "bob@example.com", "zoe@example.com")


def mails(people: Sequence[str] = PEOPLE) -> dict[str, Parcel]:
    """Return parcels by what is special about them; `people` are the recipients to draw on, at least one."""
    one, everybody = people[:1], list(people)
    sender = "Sender <sender@example.com>"
    return {
        "plain": Message("Plain", "Text.\n", from_email=sender, to=one).parcel(),
        "to everybody, one of them blind": Message(
            "Many", "Text.\n", from_email=sender, to=everybody[:-1] or one, bcc=everybody[-1:]
        ).parcel(),
        "8-bit": Message("Grüße", "Grüße\n", from_email=sender, to=one, body_encoding="8bit").parcel(),
        "with dots": Message("Dots", ".\n..\n.x\n\n.", from_email=sender, to=one, html="<p>.").parcel(),
        "with long fields": Message(
            "word " * 60, "Text  with \t blanks \n\n\n", from_email=sender, to=one,
            headers={"References": " ".join(f"<{n}@example.com>" for n in range(20)), "X-Many": "value " * 30},
        ).parcel(),
        "empty": Message("", "", from_email=sender, to=one).parcel(),
        "without a return path": Message("Null", "Text.\n", from_email=sender, to=one, return_path="").parcel(),
        "with a large part": Message("Large", "Text.\n", from_email=sender, to=one)
        .attach("large.bin", bytes(range(256)) * 1024, "application/octet-stream")
        .parcel(),
    }  # fmt: skip


class StreamedMail:
    """A mail with a part that is streamed from a file; `passes` counts how often that part was read."""

    def __init__(self, folder: str, people: Sequence[str] = PEOPLE) -> None:
        path = Path(folder) / "streamed.bin"
        path.write_bytes(b"0123456789abcdef" * 131_072)
        message = Message("Streamed", "Text.\n", from_email="sender@example.com", to=list(people))
        message.attach_file(path)
        plain = message.parcel()
        self.passes = 0
        pieces = [
            piece if hasattr(piece, "data") else _Counted(self, piece) for piece in plain.content.pieces
        ]
        self.parcel = plain.replace(content=Content(pieces))


class _Counted:
    """A streamed piece that tells when it is read."""

    def __init__(self, mail: StreamedMail, piece: object) -> None:
        self._mail = mail
        self._piece = piece

    @property
    def size(self) -> int:
        size: int = self._piece.size  # type: ignore[attr-defined]
        return size

    def blocks(self) -> Iterator[bytes]:
        self._mail.passes += 1
        blocks: Iterator[bytes] = self._piece.blocks()  # type: ignore[attr-defined]
        return blocks


def folder() -> tempfile.TemporaryDirectory[str]:
    """Return a temporary folder, removed at the end of its `with`."""
    return tempfile.TemporaryDirectory(prefix="modernmail-contract-")


_REPLIES: dict[Status, tuple[int, str, str]] = {
    "accepted": (250, "2.0.0 Ok: queued as 4ZXq", "done"),
    "deferred": (451, "4.3.0 later", "rcpt"),
    "rejected": (550, "5.1.1 no such user", "rcpt"),
}


def outcome(status: Status) -> Outcome:
    """Return an outcome of this status as a server gives it."""
    if status == "unknown":
        return Outcome(
            "unknown", reason="the connection broke before the reply to the content", phase="content"
        )
    code, text, phase = _REPLIES[status]
    return Outcome(status, reply=Reply(code, (text,)), phase=phase)


def receipts(parcel: Parcel) -> dict[str, Receipt]:
    """Return receipts for this parcel, by what became of it."""
    names = parcel.envelope.recipients
    found: dict[str, dict[str, Outcome]] = {
        f"all {status}": dict.fromkeys(names, outcome(status)) for status in STATUSES
    }
    lost = Outcome("deferred", reason="the connection broke before the content was sent", phase="connect")
    found["never connected"] = dict.fromkeys(names, lost)
    for at, status in enumerate(STATUSES[1:]):
        if len(names) > 1:
            mixed = dict.fromkeys(names, outcome("accepted"))
            mixed[names[(at + 1) % len(names)]] = outcome(status)
            found[f"one {status}, the others accepted"] = mixed
    return {what: receipt_of(parcel, outcomes) for what, outcomes in found.items()}


def receipt_of(parcel: Parcel, outcomes: dict[str, Outcome]) -> Receipt:
    """Return the receipt that a backend gives for these outcomes."""
    from modernmail.smtp.delivery import error_for

    error: MailError | None = None
    if not any(found.status == "accepted" for found in outcomes.values()):
        error = error_for(outcomes)
    return Receipt(parcel.message_id, parcel.envelope, outcomes, error=error)
