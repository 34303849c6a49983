"""Text whose paragraphs were cut into lines by the program that sent it (`format=flowed`, RFC 3676)."""

from __future__ import annotations

_SIGNATURE = "-- "


def unflowed(text: str, *, delsp: bool = False) -> str:
    """Return the text with its paragraphs in one line each, quoted ones behind their `>`; lines end with a line feed.

    `delsp` when the blank at which a line was cut was put there for that (`delsp=yes`).

    >>> unflowed("a long \\nline\\n From me\\n> quoted \\n> too\\n-- \\nZoë\\n")
    'a long line\\nFrom me\\n> quoted too\\n-- \\nZoë\\n'
    """
    out: list[str] = []
    paragraph: list[str] = []
    depth = 0
    end = "\n" if text.endswith("\n") else ""
    for line in text.removesuffix("\n").split("\n"):
        level = len(line) - len(line.lstrip(">"))
        said = line[level:].removeprefix(" ")
        is_signature = said == _SIGNATURE
        if paragraph and (level != depth or is_signature):  # RFC 3676 4.5: the paragraph ends there
            out.append(_quoted(paragraph, depth))
            paragraph = []
        depth = level
        is_cut = said.endswith(" ") and not is_signature
        paragraph.append(said[:-1] if is_cut and delsp else said)
        if not is_cut:
            out.append(_quoted(paragraph, depth))
            paragraph = []
    if paragraph:
        out.append(_quoted(paragraph, depth))
    return "\n".join(out) + end


def _quoted(paragraph: list[str], depth: int) -> str:
    text = "".join(paragraph)
    return f"{'>' * depth} {text}" if depth and text else ">" * depth + text
