"""What the header says: fields that are missing or doubled, domains that differ, bulk mail without a way out.

Rules of the file, as of its neighbours: a rule is a generator over one `Subject`; it never raises, whatever
the mail is; it names the place when there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .finding import Finding
from .subject import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .subject import Subject

_ONCE = (
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Subject",
    "Date",
)


def header(subject: Subject) -> Iterator[Finding]:
    """Find fields that are missing, doubled, or raw 8-bit."""
    mail = subject.mail
    if not mail.mailboxes("From"):
        yield Finding("no-from", "error", "There is no From address: servers refuse such mail.")
    if mail.date is None:
        said = mail.value("Date")
        reason = f"The Date {said[:80]!r} cannot be read." if said else "There is no Date."
        yield Finding("no-date", "error", f"{reason} Servers add the moment they see it, or refuse.")
    if not mail.message_id:
        yield Finding(
            "no-message-id", "warning", "There is no Message-ID: threads break and filters count it."
        )
    if not mail.subject.strip():
        yield Finding("no-subject", "warning", "The subject is empty.")
    for name in _ONCE:
        if (count := len(mail.values(name))) > 1:
            yield Finding("repeated-field", "error", f"{name} stands {count} times; RFC 5322 3.6 allows one.")
    raw = [field.name for field in mail.fields if not field.raw.isascii()]
    if raw:
        text = "Header fields hold raw 8-bit text: only servers with SMTPUTF8 take them."
        yield Finding("raw-8bit-header", "warning", text, listed(raw))


def alignment(subject: Subject) -> Iterator[Finding]:
    """Find domains of From, Message-ID and return path that are not related."""
    sender = subject.mail.sender
    domain = _domain(sender.address) if sender else ""
    if not domain:
        return
    message_id = _domain(subject.mail.message_id)
    if message_id and not _related(message_id, domain):
        text = f"The Message-ID is of {message_id}, the From of {domain}: filters prefer them alike."
        yield Finding("message-id-domain", "info", text)
    if subject.return_path and not _related(_domain(subject.return_path), domain):
        bounces = _domain(subject.return_path)
        text = f"Bounces go to {bounces}, the From is of {domain}: SPF cannot align for DMARC."
        yield Finding("return-path-domain", "warning", text)


def bulk(subject: Subject) -> Iterator[Finding]:
    """Find bulk mail that nobody can unsubscribe from."""
    mail = subject.mail
    marks = [name for name in ("List-Id", "Feedback-ID", "X-Campaign", "X-Campaign-ID") if mail.value(name)]
    if mail.value("Precedence").lower() in {"bulk", "list", "junk"}:
        marks.append("Precedence")
    unsubscribe = mail.value("List-Unsubscribe")
    if marks and not unsubscribe:
        text = f"{' and '.join(marks)} says bulk mail; without List-Unsubscribe Gmail and Yahoo refuse it."
        yield Finding("no-list-unsubscribe", "error", text)
    elif unsubscribe and "https:" in unsubscribe and not mail.value("List-Unsubscribe-Post"):
        text = "List-Unsubscribe has no List-Unsubscribe-Post beside it: one click does not work (RFC 8058)."
        yield Finding("no-one-click", "warning", text)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].strip("<> ").lower() if "@" in address else ""


def _related(one: str, other: str) -> bool:
    """Relaxed alignment, roughly: one is the other, or within it, or both share their last two labels."""
    return one == other or one.rsplit(".", 2)[-2:] == other.rsplit(".", 2)[-2:]
