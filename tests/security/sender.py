"""Sends one mail with a password by either face, and gives the error that comes of it."""

from __future__ import annotations

import traceback
from base64 import b64encode

import faces

from modernmail import Mailer, Message
from modernmail.errors import MailError

FACES = ("sync", "async")
USER, PASSWORD = "zoe@example.com", "correct horse"
SECRETS = tuple(
    secret
    for word in (PASSWORD, f"\0{USER}\0{PASSWORD}")
    for secret in (word, b64encode(word.encode()).decode(), repr(word)[1:-1])
)
TO = "you@example.com"


def letter() -> Message:
    """Return a small mail."""
    return Message("Subject", "text", from_email="me@example.com", to=TO)


def send(mailer: Mailer, face: str, message: Message | None = None) -> MailError | None:
    """Send and close; return the error, None when the mail was accepted."""
    try:
        faces.send(mailer, message or letter(), is_async=face == "async")
    except MailError as error:
        return error
    return None


def shown(error: BaseException) -> str:
    """Return all that anybody may print of an error: its text, its repr, its whole traceback."""
    return "\n".join([str(error), repr(error), *traceback.format_exception(error), repr(vars(error))])
