"""The answers to an IMAP FETCH of envelopes as lists: RFC 9051 4, as far as they need it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TOKEN = re.compile(rb'\s*(?:([()])|"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n|([^\s()"]+))', re.DOTALL)


def envelopes(data: Iterable[Any]) -> Iterator[tuple[int, list[Any]]]:
    """Give the number of each mail and its envelope; `data` is what imaplib returns."""
    # imaplib cuts at literals: a pair of what stands before one, and what it holds
    text = b"".join([piece if isinstance(piece, bytes) else b"\r\n".join(piece) for piece in data])
    tokens = _tokens(text)
    for number in tokens:
        assert next(tokens) == "("
        name, envelope = _list(tokens)
        assert name == "ENVELOPE"
        yield int(number), envelope


def _tokens(text: bytes) -> Iterator[Any]:
    at = 0
    while match := _TOKEN.match(text, at):
        at = match.end()
        bracket, quoted, size, atom = match.groups()
        if quoted is not None:
            yield [re.sub(rb"\\(.)", rb"\1", quoted, flags=re.DOTALL).decode()]
        elif size is not None:
            at += int(size)
            yield [text[match.end() : at].decode()]
        else:
            yield (bracket or atom).decode()


def _list(tokens: Iterator[Any]) -> list[Any]:
    found: list[Any] = []
    for token in tokens:
        if token == ")":
            return found
        if token == "(":
            found.append(_list(tokens))
        elif isinstance(token, list):  # a string
            found.append(token[0])
        else:
            found.append(None if token == "NIL" else token)
    raise ValueError("a list is not closed")
