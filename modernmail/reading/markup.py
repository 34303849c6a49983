"""HTML cut into tags, as browsers cut it (WHATWG 13.2.5), in linear time and whatever it is.

No tree is built: who strips, lists links or checks needs the tags in order, with their attributes decoded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .entities import decode_entities

if TYPE_CHECKING:
    from collections.abc import Iterator

# The content of these is text up to their end tag (13.1.2); noscript is markup where scripts do not run.
RAW_TEXT = frozenset({"iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp"})
MOST_ATTRIBUTES = 200

_END_OF_COMMENT = re.compile("--!?>")
_TAG_NAME = re.compile(r"<(/?)([A-Za-z][^\t\n\f\r />]*)")
_ATTRIBUTE = re.compile(
    r"""[\t\n\f\r /]*
        (?: (>) | ( =?[^\t\n\f\r />=]* ) (?: [\t\n\f\r ]*=[\t\n\f\r ]* (?: "([^"]*)("?) | '([^']*)('?) |
        ([^\t\n\f\r >]*) ) )? )
    """,
    re.VERBOSE,
)


class Tag(NamedTuple):
    """A start or end tag: `name` in lower case, `attributes` decoded (the first of each name), and its place.

    `text` is the content of a raw text element (style, script, title …), `""` for the others; `stop` is where
    the tag itself ends.
    """

    name: str
    is_end: bool
    attributes: dict[str, str]
    start: int
    stop: int
    text: str


def read_tags(html: str) -> Iterator[Tag]:
    """Give the tags of `html` in order; comments, declarations and text between are passed over.

    >>> [(tag.name, tag.is_end, tag.attributes) for tag in read_tags('<A href="?a&amp;b">x</a><!-- <b> -->')]
    [('a', False, {'href': '?a&b'}), ('a', True, {})]
    """
    position = 0
    while (position := html.find("<", position)) >= 0:
        match = _TAG_NAME.match(html, position)
        if match is None:
            position = end_of_oddity(html, position)
            continue
        start, is_end, name = position, bool(match[1]), match[2].lower()
        position, attributes = _read_attributes(html, match.end())
        stop, text = position, ""
        if not is_end and name in RAW_TEXT:
            position = _end_of_raw_text(html, name, position)
            text = html[stop:position]
        yield Tag(name, is_end, attributes, start, stop, text)
        if name == "plaintext" and not is_end:
            return


def _read_attributes(html: str, position: int) -> tuple[int, dict[str, str]]:
    attributes: dict[str, str] = {}
    while position < len(html):
        match = _ATTRIBUTE.match(html, position)
        if match is None or match.end() == position:  # pragma: no cover - the pattern takes any character
            return position + 1, attributes
        position = match.end()
        if match[1]:
            break
        value = match[3] if match[3] is not None else match[5] if match[5] is not None else match[7]
        if match[2] and len(attributes) < MOST_ATTRIBUTES:
            attributes.setdefault(match[2].lower(), decode_entities(value or ""))
    return position, attributes


def _end_of_raw_text(html: str, name: str, position: int) -> int:
    end = re.compile(rf"</{name}(?=[\t\n\f\r />])", re.IGNORECASE).search(html, position)
    return end.start() if end else len(html)


def end_of_oddity(html: str, position: int) -> int:
    """Return where a comment, a declaration or a lone `<` ends."""
    if html.startswith("<!--", position):
        if html.startswith((">", "->"), position + 4):
            return html.index(">", position + 4) + 1
        end = _END_OF_COMMENT.search(html, position + 4)
        return end.end() if end else len(html)
    if html.startswith(("<!", "<?", "</"), position):
        close = html.find(">", position)
        return close + 1 if close >= 0 else len(html)
    return position + 1
