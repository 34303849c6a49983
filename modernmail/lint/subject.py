"""Subject: a mail as the rules look at it, taken apart once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from modernmail.reading.markup import read_tags
from modernmail.reading.references import find_links

from .support import html_support

if TYPE_CHECKING:
    from collections.abc import Iterable

    from modernmail.reading import ReadMail
    from modernmail.reading.markup import Tag

    from .support import Support

LONGEST_CHECKED = 1_000_000  # characters of HTML that are looked at: ten times what Gmail shows
_MOST_DETAILS = 20


class Subject:
    """What the rules look at: the mail, its envelope if known, and its HTML (`is_cut`: the beginning of it)."""

    def __init__(self, mail: ReadMail, return_path: str | None, recipients: tuple[str, ...]) -> None:
        self.mail = mail
        self.return_path = return_path
        self.recipients = recipients
        html = mail.html or ""
        self.html = html[:LONGEST_CHECKED]
        self.is_cut = len(html) > LONGEST_CHECKED

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


def listed(details: Iterable[str]) -> tuple[str, ...]:
    """Return the details of a finding: the first of them, and how many more there are."""
    found = list(details)
    if len(found) <= _MOST_DETAILS:
        return tuple(found)
    return (*found[: _MOST_DETAILS - 1], f"and {len(found) - _MOST_DETAILS + 1} more")


def host_of(url: str) -> str:
    """Return the host of an address of the web, or `""`."""
    try:
        return (urlsplit(url.strip()).hostname or "").lower()
    except ValueError:
        return ""
