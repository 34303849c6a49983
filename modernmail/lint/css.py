"""CSS cut into selectors, at-rules and declarations: enough to know which features a mail uses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
# A string may be cut off at the end of its line: were its closing quote demanded, each of a million opening ones
# would be followed to the end in vain.
_MARK = re.compile(r"""[{};]|"(?:[^"\\\n]|\\.)*"?|'(?:[^'\\\n]|\\.)*'?|\((?:[^()"']{0,4000})\)""", re.DOTALL)


class Rule(NamedTuple):
    """A piece of CSS: its `kind` (`selector`, `at`, `declaration`), `name` if it has one, and `text`."""

    kind: str
    name: str
    text: str


def read_css(css: str) -> Iterator[Rule]:
    """Give the pieces of a style sheet, or of a style attribute, in order.

    >>> [tuple(rule) for rule in read_css("@media print { p > a { Color: red } }")]
    [('at', 'media', 'print'), ('selector', '', 'p > a'), ('declaration', 'color', 'red')]
    """
    css = _COMMENT.sub(" ", css)
    start = 0
    for match in _MARK.finditer(css):
        if match[0] not in "{};":
            continue
        text = css[start : match.start()].strip()
        start = match.end()
        if text:
            yield _rule(text, opens=match[0] == "{")
    if rest := css[start:].strip():
        yield _rule(rest, opens=False)


def _rule(text: str, *, opens: bool) -> Rule:
    if text.startswith("@"):
        name, _, rest = text[1:].partition(" ")
        return Rule("at", name.partition("(")[0].lower(), rest.strip())
    if opens:
        return Rule("selector", "", text)
    name, _, value = text.partition(":")
    return Rule("declaration", name.strip().lower(), value.strip().lower())
