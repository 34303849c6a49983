"""What travels: `Parcel`, an envelope with its content, frozen.

A snapshot of a message makes it; retries, failover, threads and queues see nothing else, so that a message changed
afterwards changes nothing that was sent. Date and Message-ID are in the content: a retry is the same mail.
"""

from __future__ import annotations

from .content import Content
from .envelope import Envelope
from .errors import InvalidValue, PayloadRejected
from .frozen import IS_FREE, Frozen, refrozen, thawed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from typing import Any


class Parcel(Frozen):
    """One mail, ready to go: `envelope`, `content`, and the `message_id` that the content holds."""

    __slots__ = ("content", "envelope", "message_id")
    envelope: Envelope
    content: Content
    message_id: str

    def __init__(self, envelope: Envelope, content: Content, message_id: str) -> None:
        put = object.__setattr__
        put(self, "envelope", envelope)
        put(self, "content", content)
        put(self, "message_id", message_id)

    @property
    def needs_smtputf8(self) -> bool:
        """True when an address of the envelope or the header needs SMTPUTF8 (RFC 6531)."""
        return self.content.is_utf8 or self.envelope.needs_smtputf8

    def narrowed(self, recipients: Container[str]) -> Parcel:
        """Return the same mail for only these of its recipients (addr-specs)."""
        return Parcel(self.envelope.narrowed(recipients), self.content, self.message_id)

    def replace(self, *, envelope: Envelope | None = None, content: Content | None = None) -> Parcel:
        """Return a copy with another envelope or other content: what a layer does before a delivery."""
        return Parcel(envelope or self.envelope, content or self.content, self.message_id)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive JSON; the content as base64."""
        from binascii import b2a_base64

        content = self.content
        return {
            "version": 1,
            "message_id": self.message_id,
            "envelope": self.envelope.to_dict(),
            "content": b2a_base64(bytes(content), newline=False).decode("ascii"),
            "is_8bit": content.is_8bit,
            "is_utf8": content.is_utf8,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Parcel:
        """Return the parcel that `to_dict` described.

        Raises `PayloadRejected` for another version and for what is no parcel, `InvalidAddress` for an address in it.
        """
        from binascii import a2b_base64

        version = data.get("version") if hasattr(data, "get") else None
        if version != 1:
            raise PayloadRejected(f"parcel of version {version!r}; this release reads version 1")
        try:
            octets = a2b_base64(data["content"], strict_mode=True)
            content = Content.of(octets, is_8bit=bool(data["is_8bit"]), is_utf8=bool(data["is_utf8"]))
            return cls(Envelope.from_dict(data["envelope"]), content, str(data["message_id"]))
        except InvalidValue:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise PayloadRejected(f"this is no parcel: {type(error).__name__}: {error}") from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Parcel):
            return NotImplemented
        return self.envelope == other.envelope and self.content == other.content

    def __hash__(self) -> int:
        return hash((self.message_id, self.envelope))

    def __repr__(self) -> str:
        return f"<Parcel {self.message_id}: {self.content.size} octets to {len(self.envelope.addresses)}>"

    def __reduce__(self) -> tuple[object, ...]:
        return Parcel, (self.envelope, self.content, self.message_id)


_Open = thawed(Parcel)


def parcel_of(envelope: Envelope, content: Content, message_id: str) -> Parcel:
    """Return a parcel, quickly: what the snapshot of a message calls."""
    parcel = _Open()
    parcel.envelope = envelope
    parcel.content = content
    parcel.message_id = message_id
    if IS_FREE:
        return refrozen(parcel, Parcel)
    parcel.__class__ = Parcel
    frozen: Parcel = parcel
    return frozen
