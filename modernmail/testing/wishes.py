"""Wishes: what a test asks of a mail, whether a mail meets it, and how to say that it does not."""

from __future__ import annotations

import re

from modernmail.address import Address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .sent_mail import SentMail

    Who = str | Address | None
    What = str | re.Pattern[str] | None


def wishes_of(to: Who, subject: What, from_email: Who) -> dict[str, object]:
    """Return what is asked for, by name; raises `InvalidAddress` for what is no address."""
    given: dict[str, object] = {
        "to": None if to is None else Address.of(to, "to"),
        "subject": subject,
        "from_email": None if from_email is None else Address.of(from_email, "from_email"),
    }
    return {name: wish for name, wish in given.items() if wish is not None}


def unmet(mail: SentMail, wishes: dict[str, object]) -> list[str]:
    """Return a line for each wish that `mail` does not fulfil."""
    lines = []
    for name, wish in wishes.items():
        if name == "subject":
            meets = wish.search(mail.subject) if isinstance(wish, re.Pattern) else wish == mail.subject
            found = mail.subject
        elif name == "to":
            meets = any(address.key == _key(wish) for address in mail.envelope.addresses)
            found = ", ".join(mail.recipients)
        else:
            author = mail.from_email
            meets = author is not None and author.key == _key(wish)
            found = str(author or "nobody")
        if not meets:
            lines.append(f"{name}: expected {_shown(wish)}, found {found!r}")
    return lines


def _key(wish: object) -> object:
    return wish.key if isinstance(wish, Address) else wish


def said(wishes: dict[str, object]) -> str:
    """Return ` with to=… and subject=…`, or nothing."""
    words = " and ".join(f"{name}={_shown(wish)}" for name, wish in wishes.items())
    return f" with {words}" if words else ""


def _shown(wish: object) -> str:
    return f"re.compile({wish.pattern!r})" if isinstance(wish, re.Pattern) else repr(str(wish))
