"""The MIME tree: bytes cut at their boundaries, to a bounded depth and number of parts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .fields import read_fields
from .part import Part

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_PARTS = 1_000
DEEPEST = 30

_REST_OF_LINE = re.compile(rb"(--)?[ \t]*(?:\r?\n|\Z)")
_CR, _LF = 13, 10


def read_tree(content: bytes) -> tuple[Part, list[str]]:
    """Return the mail's own part with everything below it, and the problems of the structure.

    An attached message is a leaf: what is inside it is its own mail, so messages nested in messages cost
    nothing.
    """
    fields, body, problems = read_fields(content)
    root = Part(content, body, len(content), fields, "")
    waiting = [(root, 0)]
    count = 1
    while waiting:
        part, depth = waiting.pop()
        if not part.media_type.startswith("multipart/"):
            continue
        if depth >= DEEPEST:
            problems.append(f"{part}: nested more than {DEEPEST} deep; shown as it is")
            continue
        boundary = part.parameters.get("boundary", "")
        if not boundary:
            problems.append(f"{part}: no boundary; its parts cannot be found")
            continue
        for number, (start, end, is_closed) in enumerate(_cut(content, part, boundary), 1):
            if count >= MOST_PARTS:
                problems.append(f"more than {MOST_PARTS:,} parts; the rest is left out")
                return root, problems
            count += 1
            inner, inner_body, inner_problems = read_fields(content, start, end)
            child = Part(content, inner_body, end, inner, f"{part.path}.{number}".lstrip("."))
            problems.extend(f"{child}: {problem}" for problem in inner_problems)
            if not is_closed:
                problems.append(f"{part}: the closing boundary is missing")
            part.children.append(child)
            waiting.append((child, depth + 1))
        if not part.children:
            problems.append(f"{part}: its boundary {boundary[:70]!r} does not occur")
    return root, problems


def _cut(content: bytes, part: Part, boundary: str) -> Iterator[tuple[int, int, bool]]:
    """Give start and end of each part, and whether a boundary closed it (RFC 2046 5.1.1)."""
    delimiter = b"--" + boundary.encode("utf-8", "replace")
    start: int | None = None
    position = part.start
    while (found := content.find(delimiter, position, part.end)) >= 0:
        position = found + len(delimiter)
        rest = _REST_OF_LINE.match(content, position, part.end)
        if rest is None or (found and content[found - 1] != _LF):
            continue
        if start is not None:
            end = found - (found > start)  # the line end before a boundary belongs to the boundary
            yield start, end - (end > start and content[end - 1] == _CR), True
        if rest[1]:
            return
        start = position = rest.end()
    if start is not None:
        yield start, part.end, False
