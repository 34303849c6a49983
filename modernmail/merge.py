"""Mail merge: `Merge`, one personal copy of a message for each row of a table.

`Message.merge` makes it; any sending takes it, since it is an iterable of messages.

Rules of the file: a template is text with holes, never code: a hole is `{column}`, what stands in it is the value's text,
and no attribute, index or format is ever looked up; every other brace stays. What is the same in all copies is encoded
once. A bad row is one error, and the rows behind it still come.
"""

from __future__ import annotations

import re
from html import escape
from urllib.parse import quote

from .address import Address
from .errors import InvalidMessage, InvalidValue
from .headers import Headers
from .mime.render import entity
from .mime.structure import arranged, text_leaf
from .snapshot import body_of, is_pinned, leaves_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from .message import Message
    from .mime.render import Entity

    Row: TypeAlias = Mapping[str, Any]
    Rows: TypeAlias = Iterable[Row]

_HOLE = re.compile(r"\{([^\W\d]\w*)\}")


def holes_in(text: str) -> list[str]:
    """Return the names of the columns that a template asks for, in order, each once.

    >>> holes_in("Dear {name}, your {item} is in town {town}; {name} stands for one, {} and { x } for none")
    ['name', 'item', 'town']
    """
    return list(dict.fromkeys(_HOLE.findall(text)))


class Merge:
    """The personal copies of a message for the rows of a table, made one by one as they are asked for.

    The message is copied when the merge is made: what is changed afterwards shows in no copy. A row is a mapping. Its
    `to` (required), `subject` and `headers` stand for the arguments of that name; `headers` are added to those of the
    message, or replace them. In text, html and subject `{column}` becomes the value of that column, None nothing; in
    html it is escaped unless it has `__html__`. Columns are the keys of the first row, and each row must have them.
    `change(copy, row)` is called with each copy before it is given away, and may return another message.

    Raises, at the row in question, `InvalidMessage`, `InvalidAddress` or `InvalidHeader` with the argument `rows[2]…`;
    the iteration can go on behind it, and a sending does.

    >>> from modernmail import Message
    >>> letter = Message(
    ...     "News for {name}", html="<p style='color: {red}'>Dear {name}</p>", from_email="me@example.com"
    ... )
    >>> first, = letter.merge([{"to": "zoe@example.com", "name": "Zoë & Co"}])
    >>> first.subject, first.html
    ('News for Zoë & Co', "<p style='color: {red}'>Dear Zoë &amp; Co</p>")
    """

    goes_on_after_errors = True

    def __init__(
        self, message: Message, rows: Rows, change: Callable[[Message, Row], Message | None] | None = None
    ) -> None:
        given: object = rows
        if not hasattr(given, "__iter__") or isinstance(given, (str, bytes)) or hasattr(given, "keys"):
            raise InvalidMessage("rows", rows, "must be an iterable of mappings")
        if change is not None and not callable(change):
            raise InvalidMessage("change", change, "must be a function of a copy and its row")
        self._template = message.copy()
        self._rows: Iterator[Row] = iter(rows)
        self._change = change
        self._position = -1
        self._columns: frozenset[str] | None = None
        self._holes: dict[str, _Holes] = {}
        self._shared: _Shared | None = None

    def __iter__(self) -> Iterator[Message]:
        return self

    def __next__(self) -> Message:
        row = next(self._rows)
        self._position += 1
        try:
            copy = self._copy(row)
            if self._change is None:
                return copy
            other = self._change(copy, row)
        except InvalidValue as error:
            argument = f".{error.argument}" if error.argument else ""
            raise error.within(f"rows[{self._position}]{argument}") from None
        return copy if other is None else other

    def _copy(self, row: Row) -> Message:
        if self._columns is None:
            self._begin(row)
        elif not hasattr(row, "keys") or row.keys() != self._columns:
            self._check(row)
        copy = self._template.copy()
        copy._to = Address.many(row["to"], "to")
        if "subject" in row:
            copy.subject = row["subject"]
        elif "subject" in self._holes:
            copy.subject = self._holes["subject"].filled(row, _as_text)
        if row.get("headers"):
            seen: set[str] = set()
            for name, value in Headers(row["headers"]):
                (copy.headers.add if name.lower() in seen else copy.headers.set)(name, value)
                seen.add(name.lower())
        text, html = self._holes.get("text"), self._holes.get("html")
        if text is not None:
            copy.text = text.filled(row, _as_text)
        if html is not None:
            copy.html = html.filled(row, _as_html)
        link = self._holes.get("unsubscribe")
        if link is not None and copy._unsubscribe is not None:
            copy.unsubscribe(link.filled(row, _as_link), copy._unsubscribe.mailto)
        if self._shared is not None:
            copy._entity = self._shared.entity_of(copy)
        return copy

    def _begin(self, row: Row) -> None:
        """Learn the columns from the first row, and encode what all copies have in common."""
        self._check(row, ("to",))
        template, self._columns = self._template, frozenset(row.keys())
        texts: dict[str, Any] = {name: getattr(template, name) for name in ("subject", "text", "html")}
        texts["unsubscribe"] = None if template._unsubscribe is None else template._unsubscribe.url
        for name, text in texts.items():
            holes = _Holes(text if isinstance(text, str) else "", self._columns)
            if holes.columns:
                self._holes[name] = holes
        if "text" in self._holes or "html" in self._holes:
            self._shared = None if is_pinned(template) else _Shared(template, self._holes)
        else:
            body_of(template)

    def _check(self, row: Row, columns: Iterable[str] = ()) -> None:
        if not hasattr(row, "keys"):
            raise InvalidMessage("", row, "a row must be a mapping")
        for column in self._columns or columns:
            if column not in row:
                reason = (
                    "is missing: each row needs its recipient"
                    if column == "to"
                    else "is missing: the first row has it"
                )
                raise InvalidMessage(column, dict(row), reason)


class _Holes:
    """A text cut at its holes: what stands before each, the columns, and the rest."""

    __slots__ = ("columns", "pieces", "rest")

    def __init__(self, text: str, columns: frozenset[str]) -> None:
        self.columns: list[str] = []
        self.pieces: list[str] = []
        at = 0
        for match in _HOLE.finditer(text):
            if match[1] in columns and match[1] != "headers":
                self.pieces.append(text[at : match.start()])
                self.columns.append(match[1])
                at = match.end()
        self.rest = text[at:]

    def filled(self, row: Row, written: Callable[[Any], str]) -> str:
        """Return the text with the values of a row."""
        out = [piece + written(row[column]) for piece, column in zip(self.pieces, self.columns, strict=True)]
        out.append(self.rest)
        return "".join(out)


def _as_text(value: Any) -> str:
    if type(value) is str:
        return value
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _as_link(value: Any) -> str:
    return quote(_as_text(value), safe="")


def _as_html(value: Any) -> str:
    markup = getattr(value, "__html__", None)  # what Django and Jinja call safe
    return escape(_as_text(value)) if markup is None else str(markup())


class _Shared:
    """The leaves that all copies have in common."""

    def __init__(self, template: Message, holes: Mapping[str, _Holes]) -> None:
        encoding = template._body_encoding
        self._encoding = encoding
        self._text = (
            None if template.text is None or "text" in holes else text_leaf(template.text, "plain", encoding)
        )
        self._html = (
            None if template.html is None or "html" in holes else text_leaf(template.html, "html", encoding)
        )
        self._others = leaves_of(template)

    def entity_of(self, copy: Message) -> Entity:
        """Return the tree of a copy with its personal text, html or both."""
        text, html = self._text, self._html
        if text is None and copy._text is not None:
            text = text_leaf(copy._text, "plain", self._encoding)
        if html is None and copy._html is not None:
            html = text_leaf(copy._html, "html", self._encoding)
        return entity(arranged(text, html, *self._others))
