"""Messages for tests: one of the least, and one that has everything."""

from __future__ import annotations

from typing import Any

from modernmail import Message

PNG = b"\x89PNG\r\n\x1a\n..."


def mail(**arguments: Any) -> Message:
    """Return a message of the least, and these arguments."""
    return Message(
        **{
            "subject": "s",
            "text": "t\n",
            "from_email": "me@example.org",
            "to": ["to@example.com"],
            **arguments,
        }
    )


def full() -> Message:
    """Return a message that uses everything."""
    return Message(
        "Grüße {x}", "Text é\n", "<p>Text é</p>\n", from_email=["A <a@example.com>"],
        to=["Zoë <zoe@example.com>"], cc=['"X, Y" <c@example.com>'], bcc=["blind@example.com"], reply_to=["e@example.com"],
        sender="f@example.com", return_path="g@example.com", headers=[("X-A", "1"), ("X-A", "2")],
        attachments=[("a.csv", "a,b\n"), ("b.bin", bytes(range(256)), "application/x-b")],
        alternatives=[("BEGIN:VCALENDAR", "text/calendar; method=REQUEST"), (b"\xff", "text/csv")],
        body_encoding="base64",
    ).embed("logo", PNG, filename="lögo.png").dsn(notify="failure", ret="headers").require_tls()  # fmt: skip
