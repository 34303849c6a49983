"""What is enqueued: a task that does nothing, so that the queue alone is measured, and the mail M1."""

from __future__ import annotations

from typing import Any

from modernmail import Message
from modernmail.tasks import task

BODY = ("The quick brown fox jumps over the lazy dog. " * 24)[:1000]
ARGUMENTS: dict[str, Any] = {
    "emails": ["you@example.com"],
    "subject": "You have a message",
    "message": "Hello there!",
}
STORED = '{"v":1,"args":[],"kwargs":{"emails":["you@example.com"],"subject":"You have a message"}}'


@task
def email_users(emails: list[str], subject: str, message: str) -> int:
    """Do nothing."""
    return len(emails)


def mail(number: int = 0) -> Message:
    """Return an M1: 1 kB of text to one person."""
    return Message("Hello", BODY, from_email="me@example.com", to=[f"u{number}@example.com"])
