"""The policy of the `EmailMessage` objects that we give away: fields are folded by us, and safe by construction.

Rules of the file: what is stored is the field as it stands on the wire (`str`, folds included), so that writing it costs
next to nothing; what is fetched is a header object of the standard library; what is set is checked like any field.
"""

from __future__ import annotations

from email.errors import MessageError
from email.headerregistry import BaseHeader, UnstructuredHeader
from email.policy import EmailPolicy

from ...address import Address
from ...errors import InvalidAddress, InvalidHeader
from ...grammar import fields
from ...grammar.characters import refusal, text_of
from ...grammar.mailbox import split_list
from ...grammar.wireform import LONGEST_LINE
from ...headers import Headers
from ..carried import (
    BLIND,
    address_field,
    carried_field,
    is_field_name,
    is_utf8,
    laid_out,
    mime_field,
    without_controls,
)
from ..field import field as extra_field
from ..mailboxlist import MailboxList

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PARSED: dict[tuple[str, str], Any] = {}  # Content-Type is asked for again and again while a mail is written
_PARSED_MOST = 64
_LONGEST_NAME = 76
# What the standard library's parser raises for values that it cannot read (it means to raise nothing).
_PARSER_FAULTS = (MessageError, IndexError, KeyError, ValueError, TypeError, AttributeError, RecursionError)


class WirePolicy(EmailPolicy):
    """`email.policy.EmailPolicy` with the folder of this library.

    Lines have at most 78 characters where a legal fold exists and never more than 998, quotes survive, structured
    values are no encoded-words, and Bcc is kept in the object but never written.

    >>> from email.message import EmailMessage
    >>> mail = EmailMessage(policy=WirePolicy())
    >>> mail["Subject"] = "=?utf-8?q?=0ABcc:x?="
    >>> mail["X-Note"] = "a\\nBcc: b"
    Traceback (most recent call last):
    modernmail.errors.InvalidHeader: headers['X-Note']: 'a\\nBcc: b': a line feed (U+000A) at position 1 is not allowed
    >>> mail["Subject"]
    '=?utf-8?q?=0ABcc:x?='
    """

    linesep = "\r\n"
    verify_generated_headers = False  # ours are right, and a Bcc that leaves nothing would be called wrong

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        """Return what to keep for a field that is set: its form on the wire. Raises `InvalidHeader` or `InvalidAddress`."""
        if not is_field_name(name) or len(name) > _LONGEST_NAME:
            raise InvalidHeader("headers", name, "cannot be the name of a header field")
        return name, _checked_field(name, value)[len(name) + 2 : -2]

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        """Return name and value of a field that was read, as it stood."""
        name, _, value = "".join(sourcelines).partition(":")
        return name, value.strip(" \t\r\n")

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        """Return a header object of the standard library."""
        if hasattr(value, "name"):
            return value
        text = str(value).replace("\r", "").replace("\n", "")
        key = (name, text)
        found = _PARSED.get(key)
        if found is None:
            try:
                found = self.header_factory(name, text)
            except _PARSER_FAULTS:
                found = _Unread(name, text)
            if name.lower() == "content-type":
                if len(_PARSED) >= _PARSED_MOST:
                    _PARSED.clear()
                _PARSED[key] = found
        return found

    def fold(self, name: str, value: Any) -> str:
        """Return the whole field as it stands on the wire, "" for what was read as a field and has no right name.

        Raises `InvalidHeader` when an address takes `utf8=True`.
        """
        if not is_field_name(name):
            return ""
        if type(value) is str:
            if not (value.isascii() and value.isprintable() and len(name) + len(value) <= LONGEST_LINE - 2):
                raw = value.encode("utf-8", "surrogateescape")
                field = carried_field(name, b" " + raw, utf8=is_utf8(raw))
            elif name.lower() in BLIND:
                field = ""
            else:
                field = f"{name}: {value}\r\n"
        else:
            field = _field_of(name, value, utf8=self.utf8)
        if not self.utf8 and not field.isascii():
            raise InvalidHeader(
                name, str(value), "holds an address that needs SMTPUTF8: use policy.clone(utf8=True)"
            )
        return field if self.linesep == "\r\n" else field.replace("\r\n", self.linesep)

    def fold_binary(self, name: str, value: Any) -> bytes:
        """Return the whole field as octets."""
        return self.fold(name, value).encode("utf-8")


class _Unread(UnstructuredHeader, BaseHeader):
    """A value that the standard library's own parser fails on, as plain text."""

    max_count = None

    @classmethod
    def parse(cls, value: str, kwds: dict[str, Any]) -> None:
        kwds["parse_tree"] = cls.value_parser("")
        kwds["decoded"] = value


def _checked_field(name: str, value: Any) -> str:
    """Return the field that a value makes, checked as `Message` checks it."""
    low = name.lower()
    if hasattr(value, "name") and hasattr(value, "defects"):
        return _field_of(name, value, utf8=True)
    if low in BLIND or fields.kind_of(low) == fields.ADDRESSES:
        return address_field(name, _mailboxes(name, value), utf8=True)
    if not fields.why_not_by_hand(low):
        ((_, text),) = Headers([(name, value)])
        return extra_field(name, text)
    written = text_of(value)
    if written is None:
        raise InvalidHeader(f"headers[{name!r}]", value, "must be a str")
    reason = refusal(written)
    if reason:
        raise InvalidHeader(f"headers[{name!r}]", value, reason)
    return laid_out(name, written, is_decoded=True)


def _mailboxes(name: str, value: Any) -> list[Address | tuple[str, list[Address]]]:
    """Return the mailboxes and groups that are set: text, or addresses and groups of the standard library."""
    written = text_of(value)
    if written is None:
        given = [value] if hasattr(value, "addr_spec") or hasattr(value, "addresses") else list(value)
        return [
            (one.display_name or "", [Address.of(each, name) for each in one.addresses])
            if hasattr(one, "addresses")
            else Address.of(one, name)
            for one in given
        ]
    try:
        return list(Address.many([one for one in split_list(written) if one.strip()], name))
    except InvalidAddress:
        found = MailboxList(written)
        is_grouped = any(isinstance(item, tuple) for item in found.items)
        if refusal(written) or found.fault or not is_grouped:
            raise
        return found.items


def _field_of(name: str, value: Any, *, utf8: bool) -> str:
    """Return the field that a header object of the standard library says."""
    if name.lower() in BLIND:
        return ""
    groups, params = getattr(value, "groups", None), getattr(value, "params", None)
    if groups is not None:
        try:
            return address_field(name, _of_groups(groups), utf8=utf8)
        except InvalidAddress:  # an old form that it took: carried as text
            return laid_out(name, str(value), is_decoded=True)
    if params is not None:
        word = getattr(value, "content_type", None) or getattr(value, "content_disposition", None) or ""
        return mime_field(name, word, params)
    return laid_out(name, str(value), is_decoded=True)


def _of_groups(groups: Any) -> list[Address | tuple[str, list[Address]]]:
    items: list[Address | tuple[str, list[Address]]] = []
    for group in groups:
        inside = [
            Address(name=without_controls(one.display_name or ""), addr_spec=one.addr_spec)
            for one in group.addresses
        ]
        if group.display_name is None:
            items.extend(inside)
        else:
            items.append((without_controls(group.display_name), inside))
    return items
