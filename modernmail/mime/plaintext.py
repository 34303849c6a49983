"""HTML as plain text, for readers that show no HTML: headings, lists, tables, quotes and links keep their sense.

`Message.text_from_html` calls it.

Rules of the file: what a person would not see stays out (scripts, styles, what is hidden, preheaders); nothing is
wrapped, since readers wrap as they like; nothing fails, whatever the input, and time is linear in it.
"""

from __future__ import annotations

from urllib.parse import unquote

from ..reading.entities import decode_entities
from ..reading.markup import end_of_oddity, read_tags
from .elements import BLOCKS, CELLS, ENDED_BY, LISTS, UNSHOWN, VOID, is_hidden
from .textflow import Flow, Table, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..reading.markup import Tag

_DEEPEST_TABLE = 6
_LONGEST_RULE = 72


def plain_text(html: str) -> str:
    """Return HTML as plain text that ends with a line feed; "" when nothing can be seen.

    >>> print(plain_text("<h1>News</h1><ul><li>one<li>two</ul><p>See <a href='https://example.com/a'>more</a>."), end="")
    News
    ====
    <BLANKLINE>
    - one
    - two
    <BLANKLINE>
    See more [1].
    <BLANKLINE>
    [1] https://example.com/a
    """
    return _Walk(html).result()


class _Walk:
    """One pass over the tags, with what is open."""

    def __init__(self, html: str) -> None:
        self._flow = Flow()
        self._above: list[tuple[Flow, Table]] = []  # the flows that tables stand in
        self._open: list[str] = []
        self._count: dict[str, int] = {}
        self._unseen: int | None = None  # the depth of the element that hides all in it
        self._preformatted = 0
        self._numbers: list[int] = []  # of the lists that are open; -1 without numbers
        self._link = ""
        self._link_text: list[str] = []
        self._notes: dict[str, int] = {}
        self._heading: list[str] | None = None
        at = 0
        for tag in read_tags(html):
            self._words(html[at : tag.start])
            at = tag.stop + len(tag.text)
            if tag.is_end:
                self._close(tag.name)
            else:
                self._start(tag)
        self._words(html[at:])
        while self._open:
            self._end_top()

    def result(self) -> str:
        """Return the text with its notes."""
        lines = self._flow.lines()
        if self._notes:
            lines += ["", *(f"[{number}] {url}" for url, number in self._notes.items())]
        return "\n".join([*lines, ""]) if lines else ""

    def _words(self, source: str) -> None:
        """Add the text between two tags, without the comments in it."""
        if not source or self._unseen is not None:
            return
        at = source.find("<")
        if at >= 0:
            pieces, start = [], 0
            while at >= 0:
                end = end_of_oddity(source, at)
                if end > at + 1:  # a comment or a declaration; a lone `<` is text
                    pieces.append(source[start:at])
                    start = end
                at = source.find("<", end)
            source = "".join([*pieces, source[start:]])
        text = decode_entities(source)
        if self._preformatted:
            self._flow.preformatted(text.replace("\r\n", "\n"))
        else:
            self._flow.text(text)
        self._note(text)

    def _note(self, text: str) -> None:
        if self._link:
            self._link_text.append(text)
        if self._heading is not None:
            self._heading.append(text)

    def _start(self, tag: Tag) -> None:
        name = tag.name
        while self._open and name in ENDED_BY.get(self._open[-1], ()):
            self._end_top()
        if name in VOID:
            if self._unseen is None:
                self._void(tag)
            return
        self._open.append(name)
        self._count[name] = self._count.get(name, 0) + 1
        if self._unseen is not None:
            return
        if name in UNSHOWN or is_hidden(tag.attributes):
            self._unseen = len(self._open)
            return
        self._element(tag)

    def _void(self, tag: Tag) -> None:
        flow = self._flow
        if tag.name == "br":
            flow.line_break()
        elif tag.name == "hr":
            flow.apart(2)
            flow.text("-" * 40)
            flow.apart(2)
        elif tag.name == "img" and not is_hidden(tag.attributes):
            alt = tag.attributes.get("alt", "")
            flow.text(alt)
            self._note(alt)
        elif tag.name == "input" and tag.attributes.get("type", "").lower() in ("button", "submit"):
            flow.text(tag.attributes.get("value", ""))

    def _element(self, tag: Tag) -> None:
        """Begin an element that is seen."""
        name, flow = tag.name, self._flow
        if name in BLOCKS:
            flow.apart(BLOCKS[name])
            if name in ("h1", "h2"):
                self._heading = []
        elif name == "a":
            self._end_link()
            self._link = tag.attributes.get("href", "").strip()
        elif name in LISTS:
            flow.apart(1 if self._numbers else 2)
            start = tag.attributes.get("start", "1")
            number = int(start) if start.isdecimal() and len(start) < 6 else 1
            self._numbers.append(number if name == "ol" else -1)
        elif name == "li":
            self._item()
        elif name == "dd":
            flow.push("  ", "  ")
        elif name == "blockquote":
            flow.apart(2)
            flow.push("> ", "> ")
        elif name == "pre":
            flow.apart(2)
            self._preformatted += 1
        elif name == "q":
            flow.text("\N{LEFT DOUBLE QUOTATION MARK}")
        elif name == "table":
            flow.apart(2)
            if len(self._above) < _DEEPEST_TABLE:
                self._above.append((flow, Table()))
        elif name == "tr" and self._above:
            self._above[-1][1].row()
        elif name in CELLS:
            if self._is_in_table:
                self._flow = self._above[-1][1].cell(is_head=name == "th")
            else:
                flow.apart(1)

    def _item(self) -> None:
        number = self._numbers[-1] if self._numbers else -1
        mark = "- "
        if number >= 0:
            mark = f"{number}. "
            self._numbers[-1] = number + 1
        self._flow.push(mark, " " * len(mark))

    def _close(self, name: str) -> None:
        """Take an end tag: it closes the last element of this name and all within; one that closes nothing is nothing."""
        if name == "p" and not self._count.get("p") and self._unseen is None:
            self._flow.apart(2)
        if name == "br" and self._unseen is None:
            self._flow.line_break()
        while self._count.get(name):
            if self._end_top() == name:
                break

    def _end_top(self) -> str:
        """End the element that was opened last."""
        depth = len(self._open)
        name = self._open.pop()
        self._count[name] -= 1
        if self._unseen is not None:
            if depth == self._unseen:
                self._unseen = None
            return name
        flow = self._flow
        if name in BLOCKS:
            if self._heading is not None and name in ("h1", "h2"):
                self._underline("=" if name == "h1" else "-")
            flow.apart(BLOCKS[name])
        elif name == "a":
            self._end_link()
        elif name in LISTS:
            self._numbers.pop()
            flow.apart(1 if self._numbers else 2)
        elif name in ("li", "dd"):
            flow.pop()
        elif name == "blockquote":
            flow.pop()
            flow.apart(2)
        elif name == "pre":
            self._preformatted -= 1
            flow.apart(2)
        elif name == "q":
            flow.text("\N{RIGHT DOUBLE QUOTATION MARK}")
        elif name in CELLS and self._is_in_table:
            self._flow = self._above[-1][0]
        elif name == "table":
            if len(self._above) > self._count["table"]:
                self._flow, table = self._above.pop()
                self._flow.apart(2)
                self._flow.preformatted("\n".join(table.lines()))
            self._flow.apart(2)
        return name

    @property
    def _is_in_table(self) -> bool:
        """Whether the innermost table is one that is collected: those nested too deep are not."""
        return bool(self._above) and self._count["table"] == len(self._above)

    def _underline(self, mark: str) -> None:
        heading = " ".join("".join(self._heading or ()).split())
        self._heading = None
        if heading:
            self._flow.apart(1)
            self._flow.text(mark * min(width(heading), _LONGEST_RULE))

    def _end_link(self) -> None:
        """Put the number of the note behind the words of a link, unless they are the address themselves."""
        text, url = " ".join("".join(self._link_text).split()), "".join(self._link.split())
        self._link, self._link_text = "", []
        scheme, _, rest = url.partition(":")
        scheme = scheme.lower()
        if not text or not url or url[0] == "#" or scheme in ("javascript", "data", "cid", "about", "tel"):
            return
        if url.rstrip("/") == text.rstrip("/") or (
            scheme == "mailto" and unquote(rest.partition("?")[0]) in text
        ):
            return
        number = self._notes.setdefault(url, len(self._notes) + 1)
        if self._preformatted:
            self._flow.preformatted(f" [{number}]")
        else:
            self._flow.text(f" [{number}]")
