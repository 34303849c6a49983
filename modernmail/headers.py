"""Headers: the header fields that a caller adds to a message, in order, whatever the case of their names.

Rules of the file: a field is checked when it is set, so nothing that is kept here can change the structure of
a mail; what the library writes itself (From, Content-Type …) is refused with the argument to use instead.
"""

from __future__ import annotations

from .address import Address
from .errors import InvalidAddress, InvalidHeader
from .grammar import fields
from .grammar.characters import BLANKS, describe, refusal, text_of
from .grammar.dates import date_fault, date_time
from .grammar.identifiers import (
    list_id_fault,
    message_id_fault,
    message_ids_fault,
    one_click_fault,
    uris_fault,
)
from .grammar.mailbox import split_list

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Final

_LONGEST_NAME: Final = 76  # with its colon and a first character the line stays within 78

_FAULTS: Final[dict[str, Callable[[str], str]]] = {
    fields.MESSAGE_ID: message_id_fault,
    fields.MESSAGE_IDS: message_ids_fault,
    fields.URIS: uris_fault,
    fields.LIST_ID: list_id_fault,
    fields.ONE_CLICK: one_click_fault,
    fields.DATE: date_fault,
}


class Headers:
    """Header fields in the order they were added; names are compared whatever their letter case.

    `entries` is a mapping, or pairs of name and value when a name stands more than once. Values are `str`;
    Date also takes an aware `datetime`, and address fields (Resent-To …) an `Address` or a list of them.
    White space at the ends of a value is dropped. Raises `InvalidHeader` for a field that cannot be written
    safely.

    >>> headers = Headers({"X-Campaign": "autumn"})
    >>> headers.add("Comments", "first")
    >>> headers.add("Comments", "second")
    >>> headers["x-campaign"], headers.get_all("comments"), headers.get("Date")
    ('autumn', ('first', 'second'), None)
    """

    __slots__ = ("_entries",)

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, entries: Mapping[str, object] | Iterable[tuple[str, object]] = ()) -> None:
        self._entries: list[tuple[str, str]] = []
        if entries:
            self._fill(entries)

    def _fill(self, entries: Mapping[str, object] | Iterable[tuple[str, object]]) -> None:
        if isinstance(entries, Headers):
            self._entries = entries._entries.copy()
            return
        items = getattr(entries, "items", None) or getattr(entries, "__iter__", None)
        if items is None or hasattr(entries, "isascii"):  # text is no list of pairs
            reason = f"expected a mapping or pairs of name and value, not {type(entries).__name__}"
            raise InvalidHeader("headers", entries, reason)
        for entry in items():
            if not isinstance(entry, (tuple, list)) or len(entry) != 2:
                raise InvalidHeader("headers", entry, "expected a pair of name and value")
            self.add(entry[0], entry[1])

    def set(self, name: str, value: object) -> None:
        """Put `value` in the place of the first field of this name and drop the others, or add it.

        >>> headers = Headers([("X-A", "1"), ("X-B", "2")])
        >>> headers.set("x-a", "3")
        >>> list(headers)
        [('x-a', '3'), ('X-B', '2')]
        """
        entry = _checked(name, value)
        low = entry[0].lower()
        kept: list[tuple[str, str]] = []
        placed = False
        for old in self._entries:
            if old[0].lower() != low:
                kept.append(old)
            elif not placed:
                kept.append(entry)
                placed = True
        if not placed:
            kept.append(entry)
        self._entries = kept

    def add(self, name: str, value: object) -> None:
        """Add a field after all others; refused when one of this name is there and may stand only once."""
        entry = _checked(name, value)
        if fields.stands_once(entry[0]) and entry[0] in self:
            raise InvalidHeader(
                f"headers[{entry[0]!r}]", value, "this field stands once: use set() to replace it"
            )
        self._entries.append(entry)

    def get(self, name: str, default: str | None = None) -> str | None:
        """Return the value of the first field of this name, `default` when there is none."""
        low = name.lower()
        for known, value in self._entries:
            if known.lower() == low:
                return value
        return default

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return the values of all fields of this name, in order."""
        low = name.lower()
        return tuple(value for known, value in self._entries if known.lower() == low)

    def remove(self, name: str) -> None:
        """Drop all fields of this name; nothing happens when there is none.

        >>> headers = Headers([("X-A", "1"), ("X-B", "2"), ("x-a", "3")])
        >>> headers.remove("X-A")
        >>> list(headers)
        [('X-B', '2')]
        """
        low = name.lower()
        self._entries = [entry for entry in self._entries if entry[0].lower() != low]

    def copy(self) -> Headers:
        """Return other headers with the same fields."""
        return Headers(self)

    __copy__ = copy

    def __getitem__(self, name: str) -> str:
        """Return the value of the first field of this name. Raises `KeyError`; `get` does not."""
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return [(n.lower(), v) for n, v in self._entries] == [(n.lower(), v) for n, v in other._entries]

    def __repr__(self) -> str:
        return f"Headers({self._entries!r})"


def _checked(name: object, value: object) -> tuple[str, str]:
    field = _checked_name(name)
    argument = f"headers[{field!r}]"
    kind = fields.kind_of(field)
    if kind == fields.ADDRESSES:
        return field, _addresses(value, argument)
    text = text_of(value)
    if text is None and kind == fields.DATE:
        text = _date_of(value, argument)
    if text is None:
        reason = (
            f"expected a str, not {type(value).__name__}: pass the text, it is encoded when it is written"
        )
        raise InvalidHeader(argument, value, reason)
    text = text.strip(BLANKS)
    fault = _FAULTS.get(kind)
    reason = refusal(text) or (fault(text) if fault else "")
    if reason:
        raise InvalidHeader(argument, value, reason)
    return field, text


def _checked_name(name: object) -> str:
    field = text_of(name)
    if field is None:
        raise InvalidHeader("headers", name, f"the name of a header is a str, not {type(name).__name__}")
    if not field:
        raise InvalidHeader("headers", field, "the name of a header is missing")
    if not fields.is_name(field):
        at = next(at for at, char in enumerate(field) if not "!" <= char <= "~" or char == ":")
        reason = f"{describe(field[at])} at position {at} cannot stand in the name of a header"
        raise InvalidHeader("headers", field, reason)
    if len(field) > _LONGEST_NAME:
        raise InvalidHeader("headers", field, f"the name of a header is over {_LONGEST_NAME} characters")
    reason = fields.why_not_by_hand(field)
    if reason:
        raise InvalidHeader(f"headers[{field!r}]", field, reason)
    return field


def _date_of(value: object, argument: str) -> str | None:
    from datetime import datetime

    if not isinstance(value, datetime):
        return None
    try:
        return date_time(value)
    except ValueError as error:
        raise InvalidHeader(argument, value, str(error)) from None


def _addresses(value: object, argument: str) -> str:
    text = text_of(value)
    try:
        given = value if text is None else split_list(text)
    except InvalidAddress as error:
        raise InvalidHeader(argument, value, error.reason) from None
    try:
        addresses = Address.many(given, argument)
    except InvalidAddress as error:
        raise InvalidHeader(error.argument, error.value, error.reason) from None
    if not addresses:
        raise InvalidHeader(argument, value, "there is no address")
    for address in addresses:
        if address.needs_smtputf8:
            raise InvalidHeader(argument, value, f"the local part of {address.addr_spec} is not ASCII")
    return ", ".join(
        str(Address(name=address.name, addr_spec=address.ascii_addr_spec)) for address in addresses
    )
