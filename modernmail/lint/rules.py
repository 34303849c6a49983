"""All the rules, and `lint`, which runs them over one mail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from modernmail.reading import ReadMail, read

from .content_rules import lines, size, structure
from .finding import SEVERITIES, Finding
from .header_rules import alignment, bulk, header
from .html_rules import addresses, client_support, images, inline_images
from .subject import Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RULES: tuple[Callable[[Subject], Iterator[Finding]], ...] = (
    *(header, alignment, lines, structure, size, inline_images, addresses, images, bulk, client_support),
)


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
    make of HTML and CSS is left out. Of HTML, the first million characters are looked at.
    """
    subject = Subject(
        content if isinstance(content, ReadMail) else read(content), return_path, tuple(recipients)
    )
    findings = [
        finding for rule in RULES if clients or rule is not client_support for finding in rule(subject)
    ]
    return sorted(findings, key=lambda finding: (SEVERITIES.index(finding.severity), finding.check))
