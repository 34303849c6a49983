"""Mails with a file of 10 MB from a path, beside Django's attach_file."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from composing.peers import set_django_up
from report import in_turns, seconds, time_of

from modernmail import Mailer, Message

from .sink import HOST
from .spent import spent

if TYPE_CHECKING:
    from report import Section

    from .sink import Sink

SIZE = 10 << 20
WHO = {"from_email": "shop@example.com", "to": ["you@example.com"]}


def made(folder: str, size: int) -> Path:
    """Return a file of random octets."""
    path = Path(folder) / f"{size}.bin"
    path.write_bytes(random.Random(size).randbytes(size))
    return path


def racing(section: Section, server: Sink, rounds: int) -> None:
    """Add how long a mail takes."""
    section.add("### One mail with a file of 10 MiB from a path, built, rendered and sent")
    with tempfile.TemporaryDirectory() as folder:
        path = made(folder, SIZE)
        turns = {"modernmail": lambda: _ours(server.port, path)}
        began = server.processor_time()
        if set_django_up():
            turns["Django"] = lambda: _django(server.port, path)
        before = server.messages
        figures = in_turns(turns, rounds)
        mails = (rounds + 1) * len(turns)
        assert server.messages - before == mails
        share = (server.processor_time() - began) / mails
    table = section.table("", "time", "times faster than Django", "wanted")
    for name in turns:
        cells = (
            section.least(figures.ratio(name, "Django"), 8) if name != "Django" and "Django" in turns else ()
        )
        table.add(name, time_of(figures.median(name)), *cells)
    table.add("of which the sink's processor time", time_of(share))


def _ours(port: int, path: Path) -> float:
    def send() -> None:
        with Mailer(f"smtp://{HOST}:{port}") as mailer:
            mailer.send(Message("Your backup", "Attached.", **WHO).attach_file(path))

    return seconds(send, spent)


def _django(port: int, path: Path) -> float:
    from django.core.mail import EmailMessage, get_connection

    def send() -> None:
        message = EmailMessage("Your backup", "Attached.", **WHO)
        message.attach_file(path)
        connection = get_connection("django.core.mail.backends.smtp.EmailBackend", host=HOST, port=port)
        assert connection.send_messages([message]) == 1

    return seconds(send, spent)
