"""From octets to a `Message`: the header field by field, then the body.

Rules of the file: a field is read into the slot of `Message` that says the same, else into `Headers` when these take it,
else it is only carried; of a field that may stand once, the first counts, as for nearly all readers.
"""

from __future__ import annotations

from ..errors import InvalidHeader, InvalidMessage
from ..grammar import fields
from ..headers import Headers
from ..message import Message
from ..mime.carried import BLIND, as_it_stood, carried_field, is_utf8, unfolded, without_controls
from ..mime.mailboxlist import MailboxList
from ..mime.render import VERSION, entity
from ..reading import read
from ..reading.words import decode_words
from .body import expressed, shown
from .clean import verbatim_leaf
from .header import header_fields
from .original import SLOTS, Original

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..address import Address
    from .original import Source

_OF_THE_BODY = ("content-type", "content-transfer-encoding", "content-disposition", "content-id")


def read_message(data: bytes, *, is_as_sent: bool = True) -> Message:
    """Return a message that says what these octets say. Raises `InvalidMessage` when they are no octets.

    `is_as_sent` when they are what somebody sent, and perhaps signed, rather than what a standard object was written as:
    then a body in 8 bits is kept, and nothing is added for recipients that no field names.
    """
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise InvalidMessage("data", data, f"must be bytes, not {type(data).__name__}")
    mail = read(bytes(data))
    message = Message()
    header = _Header(header_fields(mail.content[: mail.root.start]), message)
    found = expressed(mail)
    leaf = verbatim_leaf(mail, header.of_the_body)
    if isinstance(found, str):
        message._text, message._html = mail.text, mail.html
        message._attachments = shown(mail)
    else:
        message._text, message._html = found.text, found.html
        message._attachments, message._alternatives = found.attachments, found.alternatives
    reason = found if isinstance(found, str) else None
    if is_as_sent or reason is not None or leaf.body.encoding == "7bit":
        # As long as no part changes, the body goes out as it came, and a signature over it holds.
        message._entity = entity(leaf, version=header.version)
    message._original = Original(
        header.fields,
        header.read,
        header.unread,
        leaf,
        reason,
        message._entity,
        header.version,
        is_as_sent=is_as_sent,
    )
    return message


class _Header:
    """Reads fields into a message and keeps how each stood."""

    def __init__(self, found: list[tuple[str, bytes]], message: Message) -> None:
        self.fields: list[tuple[str, str, Source]] = []
        self.read: dict[str, Any] = {}
        self.unread: dict[str, tuple[str, str]] = {}
        self.of_the_body: list[tuple[str, bytes]] = []
        self.version = VERSION
        self._found: dict[str, list[Address]] = {}  # the mailboxes of each slot, field by field
        self._message = message
        self._headers = message._headers = Headers()
        seen: set[str] = set()
        for name, raw in found:
            low = name.lower()
            if low in seen and fields.stands_once(low) and low not in _LISTS:
                continue
            seen.add(low)
            if low == "mime-version":
                self.version = as_it_stood(name, raw) or VERSION
                continue
            if low in _OF_THE_BODY:
                self.of_the_body.append((name, raw))
                continue
            # A field that Message reads may need UTF-8; no other may have it, since nothing would tell the server.
            text = carried_field(name, raw, utf8=low in SLOTS and is_utf8(raw))
            if low in BLIND:
                self._found.setdefault("_bcc", []).extend(self._mailboxes("_bcc", raw))
            elif not text:
                continue
            elif low in SLOTS:
                self.fields.append((name, text, self._slot(low, SLOTS[low], raw)))
            else:
                self.fields.append((name, text, self._entry(name, raw)))
        for slot, addresses in self._found.items():
            setattr(message, slot, next(iter(addresses), None) if slot == "_sender" else tuple(addresses))
        for slot in (*SLOTS.values(), "_bcc"):
            self.read[slot] = getattr(message, slot)

    def _slot(self, low: str, slot: str, raw: bytes) -> str:
        if low == "subject":
            self._message._subject = without_controls(decode_words(unfolded(raw))).strip(" \t")
        else:
            self._found.setdefault(slot, []).extend(self._mailboxes(slot, raw))
        return slot

    def _mailboxes(self, slot: str, raw: bytes) -> tuple[Address, ...]:
        text = unfolded(raw)
        found = MailboxList(text)
        fault = found.fault
        is_sure = is_utf8(raw)
        if not fault and not is_sure and not all(address.addr_spec.isascii() for address in found.addresses):
            fault = "an address of octets that are not UTF-8"
        if fault:
            self.unread.setdefault(slot, (text, fault))
            return tuple(
                address
                for address in found.addresses
                if not address.needs_smtputf8 and (is_sure or address.addr_spec.isascii())
            )
        return found.addresses

    def _entry(self, name: str, raw: bytes) -> tuple[str, str] | None:
        """Put a field into the headers, when these take it, and return its entry."""
        text = unfolded(raw)
        kind = fields.kind_of(name)
        value: object = text
        if kind == fields.ADDRESSES:
            found = MailboxList(text)
            is_sure = is_utf8(raw) or all(address.addr_spec.isascii() for address in found.addresses)
            if found.fault or not is_sure:
                return None
            value = found.addresses
        elif kind == fields.TEXT:
            value = decode_words(text)
        else:
            value = " ".join(text.split())
        try:
            self._headers.add(name, value)
        except InvalidHeader:
            return None
        return self._headers._entries[-1]


# Twice the same field of mailboxes is read as one (RFC 5322 4.5).
_LISTS = ("to", "cc", "bcc", "from", "reply-to")
