"""Whole messages, and parts of the standard library, as attachments."""

from __future__ import annotations

from ..attachment import Attachment, carried_attachment
from ..media_type import MediaType
from ..mime.carried import without_controls
from ..reading import read
from .body import attachment_of
from .clean import seven_bit, verbatim_leaf
from .header import header_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from email.message import MIMEPart

_OF_A_MESSAGE = ("From", "To", "Subject", "Date", "Message-ID")


def enclosed_message(name: str | None, octets: bytes, media_type: str | None = None) -> Attachment:
    """Return a whole mail as an attachment: message/rfc822, or message/global when its header needs UTF-8 (RFC 6532)."""
    head = octets.partition(b"\r\n\r\n")[0]
    if not head.isascii():
        return Attachment(name, octets, "message/global")
    return Attachment(name, seven_bit(octets), media_type or "message/rfc822")


def enclosed_mime_part(name: str | None, part: MIMEPart) -> Attachment:
    """Return a MIME part of the standard library as an attachment; one with a mail's header is a mail of its own."""
    from ..mime.interop import octets_of

    is_message = any(part[field] is not None for field in _OF_A_MESSAGE)
    return enclosed_part(name, octets_of(part), is_message=is_message)


def enclosed_part(name: str | None, octets: bytes, *, is_message: bool) -> Attachment:
    """Return a MIME part, written as octets, as an attachment with the same content.

    A multipart is carried verbatim. `is_message` says that the part is a mail of its own.
    """
    if is_message:
        return enclosed_message(name, octets)
    mail = read(octets)
    part = mail.root
    if part.media_type == "message/rfc822":
        return enclosed_message(name or without_controls(part.filename).strip() or None, part.content)
    if part.media_type.startswith("multipart/"):
        fields = header_fields(octets[: part.start])
        return carried_attachment(name, MediaType(part.media_type), verbatim_leaf(mail, fields))
    found = attachment_of(part)
    if name is None or name == found.filename:
        return found
    return Attachment(
        name, found.content, found.media_type, disposition=found.disposition, content_id=found.content_id
    )
