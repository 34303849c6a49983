"""Header fields that the author added, each laid out on the wire as its kind asks: `field`."""

from __future__ import annotations

from ..address import Address
from ..grammar import fields
from ..grammar.identifiers import uri_items
from ..grammar.mailbox import split_list
from .folding import folded, items, unstructured
from .mailboxes import mailboxes


def field(name: str, value: str) -> str:
    """Return an extra field, laid out as its kind asks: message-ids, URIs, mailboxes, or text."""
    kind = fields.kind_of(name)
    if kind == fields.TEXT:
        return unstructured(name, value)
    if kind in (fields.MESSAGE_ID, fields.MESSAGE_IDS):
        return items(name, value.split())
    if kind == fields.URIS:
        return items(name, uri_items(value), ",")
    if kind == fields.ADDRESSES:
        return mailboxes(name, [Address.of(one, name) for one in split_list(value)])
    if kind == fields.LIST_ID:
        # RFC 2919: words and the identifier, folded between them, never encoded
        return f"{name}: {folded(value, len(name) + 2)}\r\n"
    return f"{name}: {value}\r\n"
