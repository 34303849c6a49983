"""Address lists that somebody else wrote: groups, comments, routes and encoded-words taken, guesses not.

Called for mail that is read and carried on. What an author passes to `Message` goes through `Address` alone.

Rules of the file: each mailbox is an `Address` in the end, so the one grammar has the last word; what it refuses, or what
could be read in two ways, is named and never becomes a recipient; time is linear.
"""

from __future__ import annotations

from itertools import pairwise

from ..address import Address
from ..errors import InvalidAddress
from ..grammar.characters import read_quoted
from ..reading.words import decode_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeAlias

    # what it is, what it says, how it was written, and whether a blank stands before it
    Token: TypeAlias = tuple[str, str, str, bool]

_BLANKS = " \t\r\n"
_SPECIALS = frozenset('<>:;@\\,)]"[(')  # all but the dot: an atom may hold dots, as names and local parts do


class MailboxList:
    """What was read: `items` are mailboxes and groups in order, `fault` says what could not be read, "" when all was.

    >>> found = MailboxList('Friends: zoe@example.com, "A, B" <b@example.com>;, c@example.com (Cee)')
    >>> [str(address) for address in found.addresses], found.fault
    (['zoe@example.com', '"A, B" <b@example.com>', 'Cee <c@example.com>'], '')
    >>> MailboxList("alice@example.org <bob@example.org>").fault
    "'@' stands before the '<' in alice@example.org <bob@example.org>"
    """

    __slots__ = ("_group", "fault", "items")

    def __init__(self, text: str) -> None:
        self.items: list[Address | tuple[str, list[Address]]] = []
        self.fault = ""
        self._group: list[Address] | None = None
        tokens: list[Token] = []
        is_open = is_route = False  # within <…>, and before the colon of an old route there
        for token in _tokens(text):
            kind = token[0]
            if kind == "<":
                is_open = True
            elif kind == ">":
                is_open = is_route = False
            elif kind == "@" and is_open and tokens[-1][0] == "<":
                is_route = True
            if kind == ":" and not is_open:
                self._open_group(tokens)
                tokens = []
            elif (kind == "," and not is_route) or (kind == ";" and not is_open):
                self._take(tokens)
                tokens, is_open = [], False
                if kind == ";":
                    self._close_group()
            else:
                tokens.append(token)
        self._take(tokens)
        self._end()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The mailboxes, those of groups among them."""
        found: list[Address] = []
        for item in self.items:
            if isinstance(item, Address):
                found.append(item)
            else:
                found.extend(item[1])
        return tuple(found)

    def _open_group(self, tokens: list[Token]) -> None:
        if self._group is not None or not tokens or not all(token[0] in _NAMES for token in tokens):
            self._blame(f"a colon stands behind {_written(tokens) or 'nothing'}")
            return
        self._group = []
        self.items.append((_phrase(tokens), self._group))

    def _close_group(self) -> None:
        if self._group is None:
            self._blame("a semicolon closes no group")
        self._group = None

    def _end(self) -> None:
        if self._group is not None:
            self._blame("a group is not closed")

    def _take(self, tokens: list[Token]) -> None:
        """Read the tokens of one mailbox; none at all, or comments alone, is nothing (RFC 5322 4.4)."""
        if all(token[0] == "comment" for token in tokens):
            return
        try:
            address = _mailbox(tokens)
        except InvalidAddress as error:
            self._blame(f"{error.reason} in {_written(tokens)}")
            return
        if self._group is None:
            self.items.append(address)
        else:
            self._group.append(address)

    def _blame(self, reason: str) -> None:
        self.fault = self.fault or reason


_NAMES = ("atom", "quoted", "comment")


def _mailbox(tokens: list[Token]) -> Address:
    # Before there were display names, a comment behind the address was one.
    comment = _said(tokens[-1][1]) if tokens[-1][0] == "comment" else ""
    tokens = [token for token in tokens if token[0] != "comment"]
    kinds = [token[0] for token in tokens]
    if "<" not in kinds:
        return Address(name=comment, addr_spec=_addr_spec(tokens))
    opening = kinds.index("<")
    before, inside = tokens[:opening], tokens[opening + 1 :]
    for token in before:
        if token[0] not in _NAMES:
            raise InvalidAddress("address", "", f"{token[2]!r} stands before the '<'")
    if kinds[-1] != ">" or kinds.count(">") != 1:
        raise InvalidAddress("address", "", "the '>' is not the end")
    inside = inside[:-1]
    if inside and inside[0][0] == "@":  # RFC 5322 4.4 obs-route: the relays that nobody uses any more
        colon = kinds.index(":") - opening if ":" in kinds else 0
        inside = inside[colon:] if colon else inside
    return Address(name=_phrase(before) or comment, addr_spec=_addr_spec(inside))


def _addr_spec(tokens: list[Token]) -> str:
    """Return the addr-spec without the blanks that its old form allows around dots and the `@`."""
    for before, token in pairwise(tokens):
        is_joined = "@" in (before[0], token[0]) or before[2][-1:] == "." or token[2][:1] == "."
        if token[3] and not is_joined:
            raise InvalidAddress("address", "", "white space stands in the addr-spec")
    return "".join([token[2] for token in tokens])


def _phrase(tokens: list[Token]) -> str:
    words = [token for token in tokens if token[0] != "comment"]
    return _said("".join([(" " if token[3] and at else "") + token[1] for at, token in enumerate(words)]))


def _said(words: str) -> str:
    """Return what words of a name say, decoded once: what then looks like an encoded-word is text."""
    return decode_words(words).replace("\t", " ")


def _written(tokens: list[Token]) -> str:
    return "".join([(" " if token[3] else "") + token[2] for token in tokens[:20]]).strip()[:80]


def _tokens(text: str) -> Iterator[Token]:
    at, end = 0, len(text)
    is_apart = False
    while at < end:
        char = text[at]
        if char in _BLANKS:
            is_apart = True
            at += 1
            continue
        start = at
        if char == '"':
            said, at = read_quoted(text, at)
            at = end if at < 0 else at  # one that is not closed ends with the text
            yield "quoted", said, text[start:at], is_apart
        elif char == "(":
            at = _past_comment(text, at)
            if at < 0:
                yield "(", text[start:], text[start:], is_apart
                return
            yield "comment", text[start + 1 : at - 1].strip(), text[start:at], is_apart
        elif char == "[":
            close = text.find("]", at)
            at = end if close < 0 else close + 1
            yield "literal", text[start:at], text[start:at], is_apart
        elif char in _SPECIALS:
            at += 1
            yield char, char, char, is_apart
        else:
            while at < end and text[at] not in _SPECIALS and text[at] not in _BLANKS:
                at += 1
            yield "atom", text[start:at], text[start:at], is_apart
        is_apart = False


def _past_comment(text: str, at: int) -> int:
    """Return the place behind the comment at `at`, comments in it included; -1 when it is not closed."""
    depth = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if not depth:
                return at + 1
        at += 1
    return -1
