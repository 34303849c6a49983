"""What the HTML holds: images that are not there, links that lead nowhere, and what mail clients lack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from modernmail.reading.references import find_remote

from .finding import Finding
from .subject import host_of, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .finding import Severity
    from .subject import Subject

_LOCAL_NAMES = re.compile(
    r"(?:localhost|127(?:\.\d+){1,3}|\[?::1\]?|0\.0\.0\.0|.*\.(?:local|localhost|test|internal))"
)
_CID = re.compile(r"""\bcid:([^"'\s<>)]+)""", re.IGNORECASE)


def inline_images(subject: Subject) -> Iterator[Finding]:
    """Find inline images that are missing, or that nothing shows."""
    if not subject.html:
        return
    there = {part.content_id for part in subject.mail.files if part.content_id}
    used = {unquote(match) for match in _CID.findall(subject.html)}
    if missing := sorted(used - there):
        text = "The HTML shows inline images that are not in the mail."
        yield Finding("broken-cid", "error", text, listed(f"cid:{name}" for name in missing))
    if unused := sorted(there - used):
        text = (
            "Inline parts are in the mail and the HTML does not show them: some readers list them as files."
        )
        yield Finding("unused-cid", "info", text, listed(f"cid:{name}" for name in unused))


def addresses(subject: Subject) -> Iterator[Finding]:
    """Find addresses that only work here, go over plain http, or lead nowhere."""
    remote = [reference.url for reference in find_remote(subject.html)]
    addresses = list(dict.fromkeys((*subject.links, *remote)))
    local = [url for url in addresses if _LOCAL_NAMES.fullmatch(host_of(url))]
    if local:
        text = "Links or images point to this machine or a test name: nobody else can open them."
        yield Finding("localhost", "error", text, listed(local))
    plain = [url for url in addresses if url.lower().startswith("http://") and url not in local]
    if plain:
        yield Finding("plain-http", "warning", "Links or images go over plain http.", listed(plain))
    empty = [
        tag.attributes["href"] for tag in subject.tags if tag.attributes.get("href", "x").strip() in {"", "#"}
    ]
    if empty:
        text = "A link leads" if len(empty) == 1 else f"{len(empty)} links lead"
        yield Finding("empty-link", "warning", f"{text} nowhere (an empty href, or #).")


def images(subject: Subject) -> Iterator[Finding]:
    """Find images without a word for who does not see them."""
    bare = [tag for tag in subject.tags if tag.name == "img" and "alt" not in tag.attributes]
    if bare:
        text = "An image has" if len(bare) == 1 else f"{len(bare)} images have"
        text += " no alt text: with images blocked, as is common, nothing is there."
        yield Finding("no-alt", "warning", text, listed(tag.attributes.get("src", "")[:200] for tag in bare))


def client_support(subject: Subject) -> Iterator[Finding]:
    """Find features that mail clients lack."""
    for feature in subject.support.features:
        if feature.lacking:
            text = (
                f"{feature.title} is not supported by {len(feature.lacking)} of {feature.known} mail clients."
            )
            severity: Severity = "warning" if feature.share < 0.5 else "info"
            yield Finding(f"support-{feature.slug}", severity, text, listed(feature.lacking))
