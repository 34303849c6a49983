"""The search language: words and `field:value` terms in, conditions of SQL out.

Terms are joined by *and*; a leading `-` (before a field also `!`, as Mailpit has it) negates one; quotes keep blanks. A word
without a field is looked for everywhere. Rules of the file: values go into parameters, never into the SQL; what is not
understood is an error that says what is.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from modernmail.errors import InvalidSearch

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_TERMS = 50
LONGEST_TERM = 1_000  # characters; SQLite compares no pattern of 50,000

_TERM = re.compile(r"""(-|!(?=[A-Za-z-]+:))?(?:([A-Za-z-]+):)?(?:"([^"]*)"?|(\S+))""")
_SIZE = re.compile(r"(\d{1,12}(?:\.\d{1,3})?)([km]?)b?", re.IGNORECASE | re.ASCII)
_WORD_LETTER = re.compile(r"\w")
_NO_SPACES_BETWEEN_WORDS = re.compile("[\u2e80-\U0003ffff]")  # scripts that FTS5 cannot cut into words


class Condition(NamedTuple):
    """A piece of SQL over the table `mails`, and its parameters."""

    sql: str
    parameters: tuple[str | float, ...] = ()

    @property
    def has_words(self) -> bool:
        """Whether it looks into the index of words."""
        return "FROM words" in self.sql


def parse_search(query: str, *, has_fts: bool = True) -> Condition:
    """Return the condition that `query` means; an empty query means every mail. Raises `InvalidSearch`.

    >>> parse_search('from:zoe -has:attachment')
    Condition(sql="(sender LIKE ? ESCAPE '\\\\') AND NOT (attachments > 0)", parameters=('%zoe%',))
    """
    conditions: list[Condition] = []
    # SQLite takes neither NUL in a MATCH nor half a surrogate pair.
    readable = query.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    for match in _TERM.finditer(readable):
        minus, field, quoted, word = match.groups()
        value = quoted if quoted is not None else word
        if field and field.lower() not in _FIELDS:
            if quoted is not None or not value.startswith("//"):
                raise InvalidSearch("search", f"{field}:", f"unknown; there are {', '.join(_FIELDS)}")
            field, value = "", f"{field}:{value}"  # an address of the web
        if not value and not field:
            continue
        if len(value) > LONGEST_TERM:
            raise InvalidSearch(
                "search", f"{value[:40]}…", f"a term of more than {LONGEST_TERM:,} characters"
            )
        condition = _FIELDS[field.lower()](value) if field else _anywhere(value, has_fts=has_fts)
        conditions.append(Condition(f"{'NOT ' if minus else ''}({condition.sql})", condition.parameters))
        if len(conditions) > MOST_TERMS:
            raise InvalidSearch("search", query, f"more than {MOST_TERMS} terms")
    if not conditions:
        return Condition("1")
    sql = " AND ".join(condition.sql for condition in conditions)
    return Condition(sql, tuple(value for condition in conditions for value in condition.parameters))


def term(field: str, value: str) -> str:
    """Return a term of the search language that looks for `value`, whatever is in it.

    >>> term("to", 'zoe "z" <zoe@example.com>')
    'to:"zoe  z  <zoe@example.com>"'
    """
    return '{}:"{}"'.format(field, value.replace('"', " "))


def fold(text: str) -> str:
    """Return `text` as it is compared: case does not matter."""
    return text.casefold()


def _like(column: str, value: str) -> Condition:
    escaped = fold(value).replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return Condition(f"{column} LIKE ? ESCAPE '\\'", (f"%{escaped}%",))


def _column(column: str) -> Callable[[str], Condition]:
    return lambda value: _like(column, value)


def _anywhere(value: str, *, has_fts: bool) -> Condition:
    if not has_fts:
        return _like("body", value)
    if _WORD_LETTER.search(value) and not _NO_SPACES_BETWEEN_WORDS.search(value):
        quoted = value.replace('"', '""')
        return Condition("seq IN (SELECT rowid FROM words WHERE words MATCH ?)", (f'"{quoted}"*',))
    like, parameters = _like("text", value)
    return Condition(f"seq IN (SELECT rowid FROM words WHERE {like})", parameters)  # noqa: S608 - a constant


def _has(value: str) -> Condition:
    if value.lower() not in {"attachment", "attachments"}:
        raise InvalidSearch("search", f"has:{value}", "has:attachment is what there is")
    return Condition("attachments > 0")


def _is(value: str) -> Condition:
    if value.lower() not in {"read", "unread"}:
        raise InvalidSearch("search", f"is:{value}", "is:read and is:unread are what there is")
    return Condition("seen = 1" if value.lower() == "read" else "seen = 0")


def _moment(operator: str) -> Callable[[str], Condition]:
    def compare(value: str) -> Condition:
        try:
            moment = datetime.fromisoformat(value).timestamp()  # a naive one is local time
        except (ValueError, OverflowError, OSError) as error:  # the latter for years that no clock has
            raise InvalidSearch(
                "search", value, "a date is written 2026-11-03 or 2026-11-03T10:00"
            ) from error
        return Condition(f"received_at {operator} ?", (moment,))

    return compare


def _size(operator: str) -> Callable[[str], Condition]:
    def compare(value: str) -> Condition:
        match = _SIZE.fullmatch(value)
        if match is None:
            raise InvalidSearch("search", value, "a size is written 500, 20k or 1.5MB")
        octets = float(match[1]) * {"": 1, "k": 1_000, "m": 1_000_000}[match[2].lower()]
        return Condition(f"size {operator} ?", (octets,))

    return compare


_FIELDS: dict[str, Callable[[str], Condition]] = {
    "from": _column("sender"),
    "to": _column("addressees"),
    "cc": _column("addressees"),
    "bcc": _column("addressees"),
    "addressed": lambda value: Condition(
        f"{(sender := _like('sender', value)).sql} OR {(to := _like('addressees', value)).sql}",
        sender.parameters + to.parameters,
    ),
    "subject": _column("subject_folded"),
    "tag": lambda value: Condition("tags LIKE ?", (f'%"{fold(value)}"%',)),
    "message-id": _column("message_id"),
    "id": lambda value: Condition("id = ?", (value,)),
    "has": _has,
    "is": _is,
    "before": _moment("<"),
    "after": _moment(">="),
    "larger": _size(">"),
    "smaller": _size("<"),
}
