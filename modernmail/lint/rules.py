"""The rules: each looks at the mail and gives findings. `lint` runs them all.

Rules of the file: a rule is a generator over one `Subject`; it never raises, whatever the mail is; it names
the place when there is one.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from modernmail.reading import ReadMail, read
from modernmail.reading.markup import read_tags
from modernmail.reading.references import find_links, find_remote

from .finding import SEVERITIES, Finding
from .support import html_support

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from modernmail.reading.markup import Tag

    from .finding import Severity
    from .support import Support

GMAIL_CLIPS_AT = 102 * 1024  # octets of HTML; Gmail shows "[Message clipped]" after that
LONGEST_LINE = 998  # octets, RFC 5322 2.1.1
_MOST_DETAILS = 20
_LOCAL_NAMES = re.compile(
    r"(?:localhost|127(?:\.\d+){1,3}|\[?::1\]?|0\.0\.0\.0|.*\.(?:local|localhost|test|internal))"
)
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
_CID = re.compile(r"""\bcid:([^"'\s<>)]+)""", re.IGNORECASE)
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def lint(
    content: bytes | ReadMail,
    *,
    return_path: str | None = None,
    recipients: Iterable[str] = (),
    clients: bool = True,
) -> list[Finding]:
    """Return the findings about a mail, the gravest first, in a fixed order.

    `content` is a whole mail in wire form, or one already read. `return_path` and `recipients` are its
    envelope, if it is known: then they are compared with the header. Without `clients`, what mail clients
    make of HTML and CSS is left out.
    """
    subject = Subject(
        content if isinstance(content, ReadMail) else read(content), return_path, tuple(recipients)
    )
    findings = [finding for rule in RULES if clients or rule is not _clients for finding in rule(subject)]
    return sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), finding.check))


class Subject:
    """What the rules look at: the mail, its envelope if known, and its HTML taken apart once."""

    def __init__(self, mail: ReadMail, return_path: str | None, recipients: tuple[str, ...]) -> None:
        self.mail = mail
        self.return_path = return_path
        self.recipients = recipients
        self.html = mail.html or ""

    @cached_property
    def tags(self) -> list[Tag]:
        """The tags of the HTML."""
        return [tag for tag in read_tags(self.html) if not tag.is_end]

    @cached_property
    def links(self) -> list[str]:
        """The links of text and HTML."""
        return find_links(self.mail)

    @cached_property
    def support(self) -> Support:
        """What mail clients make of the HTML."""
        return html_support(self.html)


def _header(subject: Subject) -> Iterator[Finding]:
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
        yield Finding("raw-8bit-header", "warning", text, _listed(raw))


def _alignment(subject: Subject) -> Iterator[Finding]:
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


def _lines(subject: Subject) -> Iterator[Finding]:
    content = subject.mail.content
    if found := _long_line(content):
        start, length = found
        number = content.count(b"\n", 0, start) + 1
        text = f"Line {number} has {length:,} octets; more than {LONGEST_LINE} break in transit."
        yield Finding("long-line", "error", text)
    ends = content.count(b"\r\n")
    if content.count(b"\n") > ends or content.count(b"\r") > ends:
        position = next(match.start() for match in _BARE.finditer(content))
        number = content.count(b"\n", 0, position) + 1
        text = f"Line {number} ends in a bare CR or LF: servers refuse such mail, or change it."
        yield Finding("bare-line-end", "error", text)
    if (position := content.find(b"\0")) >= 0:
        yield Finding("nul", "error", f"There is a NUL octet at position {position}.")


def _long_line(content: bytes) -> tuple[int, int] | None:
    """Return start and length of the first line that is too long, looking once at every thousand octets."""
    start = 0
    while start + LONGEST_LINE < len(content):
        end = content.rfind(b"\n", start, start + LONGEST_LINE + 2)
        if end < 0:
            newline = content.find(b"\n", start)
            line = content[start : len(content) if newline < 0 else newline].removesuffix(b"\r")
            return start, len(line)
        start = end + 1
    return None


def _structure(subject: Subject) -> Iterator[Finding]:
    mail = subject.mail
    for part in mail.leaves:
        if part.media_type.startswith("text/"):
            _ = part.text  # problems are found by decoding
        elif part.field("Content-Transfer-Encoding"):
            _ = part.content
    if mail.problems:
        text = "The MIME structure is broken; readers differ in what they show."
        yield Finding("broken-mime", "error", text, _listed(mail.problems))
    if mail.html is not None and not (mail.text or "").strip():
        text = "There is HTML and no text part: filters count it, and text readers see nothing good."
        yield Finding("no-text", "warning", text)


def _size(subject: Subject) -> Iterator[Finding]:
    size = len(subject.mail.html_part.content) if subject.mail.html_part else 0
    if size > GMAIL_CLIPS_AT:
        text = f"The HTML has {size / 1024:.0f} kB; Gmail cuts it off at 102 kB."
        yield Finding("html-size", "warning", text)
    elif size > 0.8 * GMAIL_CLIPS_AT:
        yield Finding("html-size", "info", f"The HTML has {size / 1024:.0f} of the 102 kB that Gmail shows.")


def _inline_images(subject: Subject) -> Iterator[Finding]:
    if not subject.html:
        return
    there = {part.content_id for part in subject.mail.files if part.content_id}
    used = {unquote(match) for match in _CID.findall(subject.html)}
    if missing := sorted(used - there):
        text = "The HTML shows inline images that are not in the mail."
        yield Finding("broken-cid", "error", text, _listed(f"cid:{name}" for name in missing))
    if unused := sorted(there - used):
        text = (
            "Inline parts are in the mail and the HTML does not show them: some readers list them as files."
        )
        yield Finding("unused-cid", "info", text, _listed(f"cid:{name}" for name in unused))


def _addresses(subject: Subject) -> Iterator[Finding]:
    remote = [reference.url for reference in find_remote(subject.html)]
    addresses = list(dict.fromkeys((*subject.links, *remote)))
    local = [url for url in addresses if _LOCAL_NAMES.fullmatch(_host(url))]
    if local:
        text = "Links or images point to this machine or a test name: nobody else can open them."
        yield Finding("localhost", "error", text, _listed(local))
    plain = [url for url in addresses if url.lower().startswith("http://") and url not in local]
    if plain:
        yield Finding("plain-http", "warning", "Links or images go over plain http.", _listed(plain))
    empty = [
        tag.attributes["href"] for tag in subject.tags if tag.attributes.get("href", "x").strip() in {"", "#"}
    ]
    if empty:
        text = "A link leads" if len(empty) == 1 else f"{len(empty)} links lead"
        yield Finding("empty-link", "warning", f"{text} nowhere (an empty href, or #).")


def _images(subject: Subject) -> Iterator[Finding]:
    bare = [tag for tag in subject.tags if tag.name == "img" and "alt" not in tag.attributes]
    if bare:
        text = "An image has" if len(bare) == 1 else f"{len(bare)} images have"
        text += " no alt text: with images blocked, as is common, nothing is there."
        yield Finding("no-alt", "warning", text, _listed(tag.attributes.get("src", "")[:200] for tag in bare))


def _bulk(subject: Subject) -> Iterator[Finding]:
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


def _clients(subject: Subject) -> Iterator[Finding]:
    for feature in subject.support.features:
        if feature.lacking:
            text = (
                f"{feature.title} is not supported by {len(feature.lacking)} of {feature.known} mail clients."
            )
            severity: Severity = "warning" if feature.share < 0.5 else "info"
            yield Finding(f"support-{feature.slug}", severity, text, _listed(feature.lacking))


RULES: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    *(_header, _alignment, _lines, _structure, _size, _inline_images, _addresses, _images, _bulk, _clients),
)


def _listed(details: Iterable[str]) -> tuple[str, ...]:
    listed = list(details)
    if len(listed) <= _MOST_DETAILS:
        return tuple(listed)
    return (*listed[: _MOST_DETAILS - 1], f"and {len(listed) - _MOST_DETAILS + 1} more")


def _domain(address: str) -> str:
    return address.rpartition("@")[2].strip("<> ").lower() if "@" in address else ""


def _related(one: str, other: str) -> bool:
    """Relaxed alignment, roughly: one is the other, or within it, or both share their last two labels."""
    return one == other or one.rsplit(".", 2)[-2:] == other.rsplit(".", 2)[-2:]


def _host(url: str) -> str:
    try:
        return (urlsplit(url.strip()).hostname or "").lower()
    except ValueError:
        return ""
