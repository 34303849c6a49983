"""What a message was read from: its header fields as they stood, and its body when that is carried verbatim.

`reader` makes it and a message holds it; the snapshot asks it for the header.

Rules of the file: a field goes out as it stood while the message still says what was read from it; once that is changed,
the field is laid out anew. It is shared by copies of the message and never changes.
"""

from __future__ import annotations

from ..errors import InvalidMessage
from ..grammar import fields
from ..mime.field import field
from ..mime.folding import unstructured
from ..mime.mailboxes import mailboxes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    from ..address import Address
    from ..message import Message
    from ..mime.render import Entity
    from ..mime.structure import Leaf

    # a slot of the message, an entry of its headers, or None for what can only be carried
    Source: TypeAlias = str | tuple[str, str] | None

SLOTS = {
    "from": "_from",
    "sender": "_sender",
    "reply-to": "_reply_to",
    "to": "_to",
    "cc": "_cc",
    "subject": "_subject",
}
_NAMES = {
    "_from": "From",
    "_sender": "Sender",
    "_reply_to": "Reply-To",
    "_to": "To",
    "_cc": "Cc",
    "_subject": "Subject",
}
_ARGUMENTS = {
    "_from": "from_email",
    "_sender": "sender",
    "_reply_to": "reply_to",
    "_to": "to",
    "_cc": "cc",
    "_bcc": "bcc",
}


class Original:
    """The fields of a header in their order, what was read from them, what could not be read, and a verbatim body.

    `fields` are triples of name, the field as it may go out, and its source; `read` holds the values of slots as they
    were read; `unread` says, for a slot, which text could not be read and why; `leaf` is the body as it came, `reason`
    why it is carried verbatim, and `entity` the body rendered, which stands for it until a part changes; `version` is its
    MIME-Version field. `is_as_sent` when all this is what somebody sent, and not what a standard object was written as.
    """

    __slots__ = ("entity", "fields", "is_as_sent", "leaf", "read", "reason", "unread", "version")

    def __init__(
        self,
        fields: Sequence[tuple[str, str, Source]],
        read: dict[str, object],
        unread: dict[str, tuple[str, str]],
        leaf: Leaf,
        reason: str | None,
        entity: Entity | None,
        version: str,
        *,
        is_as_sent: bool,
    ) -> None:
        self.fields = tuple(fields)
        self.read = read
        self.unread = unread
        self.leaf = leaf
        self.reason = reason
        self.entity = entity
        self.version = version
        self.is_as_sent = is_as_sent

    @property
    def carried(self) -> tuple[object, ...] | None:
        """What no field of `Message` says, to compare by; None when there is nothing of the kind."""
        fields = tuple(text for _, text, source in self.fields if source is None or source in self.unread)
        body = None if self.reason is None else (self.leaf.head, self.leaf.body.data)  # type: ignore[union-attr]
        return (fields, body) if fields or body else None

    def body_of(self, message: Message) -> Leaf | None:
        """Return the body as it came, None once it is another."""
        is_same = self.entity is not None and message._entity is self.entity
        return self.leaf if is_same or self.reason is not None else None

    def is_unread(self, message: Message, slot: str) -> bool:
        """Return whether the message still has, in this slot, only what could be read of a field."""
        return slot in self.unread and getattr(message, slot) == self.read[slot]

    def check_recipients(self, message: Message) -> None:
        """Raise `InvalidMessage` when a field names recipients that cannot be read."""
        for slot in ("_to", "_cc", "_bcc"):
            if self.is_unread(message, slot):
                text, why = self.unread[slot]
                argument = _ARGUMENTS[slot]
                raise InvalidMessage(
                    argument, text, f"cannot be read ({why}): set {argument}, or pass an envelope"
                )

    def _had_no_recipients(self, same: set[str]) -> bool:
        """Return whether it was sent like this, and a To may be what its signature rules out; a draft has a Bcc."""
        is_draft = "_bcc" in self.unread or bool(self.read["_bcc"])
        return self.is_as_sent and not is_draft and {"_to", "_cc"} <= same

    def laid_out(
        self, message: Message, froms: Sequence[Address], *, utf8: bool
    ) -> tuple[list[str], list[str], str | None]:
        """Return the names of the fields, the fields, and the Message-ID if there is one."""
        headers = message.headers
        left: dict[tuple[str, str], int] = {}
        for entry in headers:
            left[entry] = left.get(entry, 0) + 1
        names: list[str] = []
        out: list[str] = []
        seen: set[str] = set()
        same = {slot for slot in _NAMES if getattr(message, slot) == self.read[slot]}
        message_id: str | None = None
        for name, text, source in self.fields:
            if isinstance(source, str):
                if source in same:
                    names.append(name)
                    out.append(text)
                elif source not in seen:
                    _add(names, out, message, source, froms, utf8=utf8)
                seen.add(source)
                continue
            if source is None:
                if fields.stands_once(name) and name in headers:
                    continue
            elif left.get(source):
                left[source] -= 1
            else:
                continue
            names.append(name)
            out.append(text)
            if name.lower() == "message-id":
                message_id = message_id or text[len(name) + 1 :].strip()
        for slot in _NAMES:
            if slot not in seen:
                _add(names, out, message, slot, froms, utf8=utf8)
        if not any(name.lower() in ("to", "cc") for name in names) and not self._had_no_recipients(same):
            names.append("To")
            out.append("To: undisclosed-recipients:;\r\n")
        # RFC 5322 3.6.6: a new set of Resent fields stands together, before all that was there
        resent: tuple[list[str], list[str]] = ([], [])
        for entry in headers:
            if left[entry]:
                left[entry] -= 1
                low = entry[0].lower()
                where, what = resent if low.startswith("resent-") else (names, out)
                where.append(entry[0])
                what.append(field(*entry))
                if low == "message-id":
                    message_id = entry[1]
        return resent[0] + names, resent[1] + out, message_id


def _add(
    names: list[str], out: list[str], message: Message, slot: str, froms: Sequence[Address], *, utf8: bool
) -> None:
    """Add the field that says what a slot of the message holds, if it holds anything."""
    value: object = froms if slot == "_from" else getattr(message, slot)
    if not value:
        return
    name = _NAMES[slot]
    names.append(name)
    if slot == "_subject":
        out.append(unstructured(name, message.subject))
    else:
        addresses: Sequence[Address] = (value,) if slot == "_sender" else value  # type: ignore[assignment]
        out.append(mailboxes(name, addresses, utf8=utf8))
