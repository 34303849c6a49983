"""A message that somebody else wrote, changes and all, as octets to be kept and read again."""

from __future__ import annotations

from ..content import Content
from ..snapshot import body_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..message import Message


def stored_original(message: Message) -> bytes:
    """Return the header as it would go out, without what is added at sending, and the body.

    A Bcc that could not be read is kept in it; those that could are the message's.
    """
    original = message._original
    assert original is not None
    _, fields, _ = original.laid_out(message, message._from, utf8=message.needs_smtputf8)
    if original.is_unread(message, "_bcc"):
        fields.append(f"Bcc: {original.unread['_bcc'][0]}\r\n")
    body = body_of(message)
    head = "".join([*fields, body.fields, "\r\n"]).encode()
    return head + bytes(Content(body.pieces))
