"""Address lists as other programs write them: shown, never sent to."""

from __future__ import annotations

import re
from typing import NamedTuple

from .words import decode_words

MOST_MAILBOXES = 5_000

# One may hold commas, though it must not (RFC 2047 5).
_WORD = re.compile(r"=\?[^?\s]{1,60}\?[bBqQ]\?[^?\s]*\?=")


class Mailbox(NamedTuple):
    """A display name (may be empty) and an address, as they were found."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address

    def __repr__(self) -> str:
        return str(self)


def read_mailboxes(value: str) -> tuple[Mailbox, ...]:
    """Return the mailboxes in a header value; groups are opened, comments become names where there is none.

    >>> read_mailboxes('"Doe, Zoë" <zoe@example.com>, list: a@example.com, b@example.com (Bee);')
    (Doe, Zoë <zoe@example.com>, a@example.com, Bee <b@example.com>)
    """
    found: list[Mailbox] = []
    name: list[str] = []
    address: str | None = None
    comment = ""
    position = 0
    while position < len(value) and len(found) < MOST_MAILBOXES:
        character = value[position]
        end = position + 1
        if character == '"':
            end, text = _quoted(value, position)
            is_name = address is None and _ends_word(value, end)
            name.append(text.replace("\t", " ") if is_name else value[position:end])
        elif character == "(":
            end, comment = _comment(value, position)
        elif character == "<":
            end = value.find(">", position)
            end = len(value) if end < 0 else end + 1
            address = _without_route(value[position + 1 : end].rstrip(">").strip())
        elif character == ":" and address is None and "@" not in "".join(name):
            name.clear()  # a group's name
        elif character in ",;":
            _finish(found, name, address, comment)
            name, address, comment = [], None, ""
        elif character == "=" and (word := _WORD.match(value, position)):
            end = word.end()
            name.append(word[0])
        elif not character.isspace():
            name.append(character)
        elif name and name[-1] != " ":
            name.append(" ")
        position = end
    _finish(found, name, address, comment)
    return tuple(found)


def _finish(found: list[Mailbox], name: list[str], address: str | None, comment: str) -> None:
    if name and name[-1] == " ":
        name.pop()
    text = "".join(name)
    if address is None:
        if text:
            found.append(Mailbox(decode_words(comment.strip()), _without_blanks(text)))
    else:
        found.append(Mailbox(decode_words(text or comment.strip()), address))


def _without_route(address: str) -> str:
    """Return an address without the relays in front of it (RFC 5322 4.4 obs-route)."""
    return address.partition(":")[2].strip() if address.startswith("@") and ":" in address else address


def _without_blanks(address: str) -> str:
    """Return an address without the blanks that its old form allows around the `@` (RFC 5322 4.4)."""
    return "@".join([part.strip() for part in address.split("@")]) if '"' not in address else address


def _ends_word(value: str, end: int) -> bool:
    """A quoted string right before `@` or `.` is a local part: its quotes belong to the address."""
    return end >= len(value) or value[end] not in "@."


def _quoted(value: str, start: int) -> tuple[int, str]:
    letters = []
    position = start + 1
    while position < len(value) and value[position] != '"':
        if value[position] == "\\" and position + 1 < len(value):
            position += 1
        letters.append(value[position])
        position += 1
    return position + 1, "".join(letters)


def _comment(value: str, start: int) -> tuple[int, str]:
    depth, position = 0, start
    while position < len(value):
        if value[position] == "\\":
            position += 1
        elif value[position] == "(":
            depth += 1
        elif value[position] == ")":
            depth -= 1
            if depth == 0:
                return position + 1, value[start + 1 : position]
        position += 1
    return len(value), value[start + 1 :]
