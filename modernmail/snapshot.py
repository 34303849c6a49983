"""From a message to a parcel: the header laid out, the envelope computed, Date and Message-ID fixed.

`Message` and the mailer call `snapshot`; it reads a message and changes nothing of it but its cached tree.

Rules of the file: Bcc is in the envelope and nowhere else; the Message-ID has the From domain on its right side, never
this host's name.
"""

from __future__ import annotations

from os import urandom

from .envelope import envelope_of, once
from .errors import InvalidMessage
from .grammar.dates import date_now
from .mime.field import field
from .mime.folding import unstructured
from .mime.mailboxes import mailboxes
from .mime.render import VERSION, document, entity
from .mime.structure import alternative_leaf, arranged, attachment_leaf, text_leaf
from .parcel import parcel_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .address import Address
    from .content import Content
    from .envelope import Envelope
    from .message import Message
    from .mime.render import Entity
    from .mime.structure import Leaf, Multipart
    from .parcel import Parcel


def snapshot(message: Message, *, sender: Address | None = None, envelope: Envelope | None = None) -> Parcel:
    """Return the mail as it is now; `sender` stands in when the message has no From.

    Raises `InvalidMessage` when there is no sender, or nobody to send to.
    """
    froms = message._from or _stand_in(message, sender)
    if envelope is None:
        envelope = _envelope(message, froms)
    starts, fields, message_id, is_utf8 = header_of(message, froms, envelope.addresses)
    return parcel_of(envelope, document(fields, starts, body_of(message), is_utf8=is_utf8), message_id)


def content_of(message: Message, *, sender: Address | None = None) -> Content:
    """Return the content as it is now; it needs no recipients. Raises `InvalidMessage` when there is no sender."""
    starts, fields, _, is_utf8 = header_of(message, message._from or _stand_in(message, sender))
    return document(fields, starts, body_of(message), is_utf8=is_utf8)


def taken_apart(
    message: Message, *, sender: Address | None = None
) -> tuple[list[str], Leaf | Multipart | None, bool]:
    """Return the header fields as they stand on the wire, the tree of parts, and whether UTF-8 is needed."""
    _, fields, _, is_utf8 = header_of(message, message._from or _stand_in(message, sender))
    root, original = tree_of(message)[0], message._original
    fields.append(VERSION if original is None or root is not original.leaf else original.version)
    return fields, root, is_utf8


def header_of(
    message: Message, froms: tuple[Address, ...], recipients: tuple[Address, ...] | None = None
) -> tuple[list[str], list[str], str, bool]:
    """Return how each field begins (`Name:`), the fields, as they stand on the wire, the Message-ID, and whether it is UTF-8.

    `recipients` are those of the envelope, where there is one: it may say something else than the message.
    """
    utf8 = message._needs_utf8()
    headers = message._headers
    message_id = None
    has_date = False
    if message._original is not None:
        names, fields, message_id = message._original.laid_out(message, froms, utf8=utf8)
        has_date = any(name.lower() == "date" for name in names)
        starts = [f"{name}:" for name in names]
    else:
        to, cc = message._to, message._cc
        starts = ["From:"]
        fields = [mailboxes("From", froms, utf8=utf8)]
        if message._sender is not None:
            starts.append("Sender:")
            fields.append(mailboxes("Sender", (message._sender,), utf8=utf8))
        if message._reply_to:
            starts.append("Reply-To:")
            fields.append(mailboxes("Reply-To", message._reply_to, utf8=utf8))
        if to:
            starts.append("To:")
            fields.append(mailboxes("To", to, utf8=utf8))
        if cc:
            starts.append("Cc:")
            fields.append(mailboxes("Cc", cc, utf8=utf8))
        elif not to:
            starts.append("To:")
            fields.append("To: undisclosed-recipients:;\r\n")
        if message._subject:
            starts.append("Subject:")
            fields.append(unstructured("Subject", message._subject))
        if headers:
            for name, value in headers:
                starts.append(f"{name}:")
                fields.append(field(name, value))
            message_id = headers.get("Message-ID")
            has_date = "Date" in headers
    if message._unsubscribe is not None:
        if recipients is None:
            recipients = once(message._to + message._cc + message._bcc)
        for name, value in message._unsubscribe.fields_for(recipients):
            if headers is not None and name in headers:
                raise InvalidMessage(name, headers.get(name), "unsubscribe() writes this field: set it there")
            starts.append(f"{name}:")
            fields.append(field(name, value))
    if not has_date:
        starts.append("Date:")
        fields.append(f"Date: {date_now()}\r\n")
    if message_id is None:
        domain = froms[0].domain_ascii if froms else ""
        message_id = f"<{urandom(15).hex()}@{domain or 'localhost.invalid'}>"
        starts.append("Message-ID:")
        fields.append(f"Message-ID: {message_id}\r\n")
    return starts, fields, message_id, utf8


def tree_of(message: Message) -> tuple[Leaf | Multipart | None, bool]:
    """Return the tree of a message's parts, and whether a file was looked at for it."""
    original = message._original
    if original is not None and (as_it_came := original.body_of(message)) is not None:
        return as_it_came, False
    encoding = message._body_encoding
    text = None if message._text is None else text_leaf(message._text, "plain", encoding)
    html = None if message._html is None else text_leaf(message._html, "html", encoding)
    if not message._attachments and not message._alternatives:
        return (text if html is None else html if text is None else arranged(text, html, (), (), ())), False
    return arranged(text, html, *leaves_of(message)), is_pinned(message)


def leaves_of(message: Message) -> tuple[list[tuple[str, Leaf]], list[Leaf], list[Leaf]]:
    """Return the leaves beside text and html: further alternatives, with their essence, what is embedded, what is attached."""
    embedded: list[Leaf] = []
    attached: list[Leaf] = []
    for attachment in message._attachments:
        (embedded if attachment.is_embedded else attached).append(attachment_leaf(attachment))
    encoding = message._body_encoding
    alternatives = [
        (kind.essence, alternative_leaf(content, kind, encoding)) for content, kind in message._alternatives
    ]
    return alternatives, embedded, attached


def is_pinned(message: Message) -> bool:
    """Return whether a file must be looked at for its tree, each time anew."""
    return any(attachment.path is not None for attachment in message._attachments)


def body_of(message: Message) -> Entity:
    """Return the rendered tree of a message's parts, kept until a part changes."""
    body = message._entity
    if body is None or body.is_pinned:
        edition = message._edition
        root, looked_at_files = tree_of(message)
        body = message._entity = entity(root, is_pinned=looked_at_files)
        # Another thread may have changed a part meanwhile: the next mail has it.
        if message._edition is not edition:
            message._entity = None
    return body


def _stand_in(message: Message, sender: Address | None) -> tuple[Address, ...]:
    """Return who stands in the place of a missing From."""
    if message._original is not None and message._original.is_unread(message, "_from"):
        return ()
    if sender is None:
        reason = "there is no sender: pass from_email=…, or give the mailer a default (MODERNMAIL_FROM)"
        if message._sender is not None:
            reason += "; sender= names only who sends in the place of the author"
        raise InvalidMessage("from_email", None, reason)
    return (sender,)


def _envelope(message: Message, froms: tuple[Address, ...]) -> Envelope:
    if message._original is not None:
        message._original.check_recipients(message)
    recipients = message._to + message._cc + message._bcc
    if not recipients:
        raise InvalidMessage("to", [], "there is nobody to send to: to, cc and bcc are empty")
    if message._return_path is not None:
        path = message._return_path
        sender = None if isinstance(path, str) else path
    elif message._sender is not None:
        sender = message._sender
    elif len(froms) != 1:
        # RFC 5322 3.6.2: several authors need one who sends
        reason = (
            "several From addresses need sender="
            if froms
            else "the From field cannot be read: pass return_path="
        )
        raise InvalidMessage("from_email", [str(one) for one in froms], reason)
    else:
        sender = froms[0]
    return envelope_of(sender, once(recipients), message._dsn, require_tls=message._require_tls)
