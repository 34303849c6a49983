"""What the author means: `Message`, a mutable builder.

Application code builds it; `snapshot` freezes it into the parcel that travels.

Rules of the file: each argument is checked when it is given, so that a message that exists can be sent; a builder
method changes the message and returns it. The properties and builder methods are in `heading` and `parts`, the ways out in
`posting`.
"""

from __future__ import annotations

from .address import Address
from .errors import InvalidMessage
from .headers import Headers
from .heading import Heading, checked_return_path, checked_subject
from .mime.structure import BEFORE_HTML
from .mime.transfer import ENCODINGS
from .parts import Parts, checked_body
from .posting import Posting
from .snapshot import content_of, snapshot, taken_apart

TYPE_CHECKING = False
if TYPE_CHECKING:
    import email.policy
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from email.message import EmailMessage
    from typing import Any, Unpack

    from .attachment import Attachment
    from .changes import Changes
    from .envelope import DSN
    from .foreign.original import Original
    from .heading import Mailbox as Mailbox
    from .heading import Mailboxes as Mailboxes
    from .media_type import MediaType
    from .merge import Merge, Row, Rows
    from .mime.render import Entity
    from .mime.transfer import BodyEncoding
    from .parcel import Parcel
    from .parts import AttachmentLike as AttachmentLike
    from .unsubscribe.way import UnsubscribeWay


class Message(Heading, Parts, Posting):
    """A mail as its author means it; every part can be given here, set later, or added by a method.

    A `str` for an address argument is one mailbox; pass a list for several. `return_path` is where bounces go (default:
    `sender`, else `from_email`; `""` is the null path). `headers` is a mapping or pairs of extra header fields.
    `attachments` holds `Attachment` objects, `(name, content, media_type)` tuples, or the `pathlib.Path` of a file;
    `alternatives` holds `(content, media_type)` tuples. `body_encoding` is `"auto"`, `"base64"`, `"quoted-printable"` or
    `"8bit"`.

    Raises `InvalidAddress`, `InvalidHeader`, `InvalidAttachment` or `InvalidMessage`, naming the argument.

    >>> message = Message("Hello", "How are you?", from_email="me@example.com", to=["Zoë <zoe@example.com>"])
    >>> message.to[0].name, message.recipients
    ('Zoë', ('zoe@example.com',))
    """

    __slots__ = (
        "__weakref__", "_alternatives", "_attachments", "_bcc", "_body_encoding", "_cc", "_content_ids", "_dsn", "_edition",
        "_entity", "_from", "_headers", "_html", "_original", "_reply_to", "_require_tls", "_return_path", "_sender",
        "_subject", "_text", "_to", "_unsubscribe",
    )  # fmt: skip

    def __init__(
        self,
        subject: str = "",
        text: str | None = None,
        html: str | None = None,
        *,
        from_email: Mailboxes | None = None,
        to: Mailboxes = (),
        cc: Mailboxes = (),
        bcc: Mailboxes = (),
        reply_to: Mailboxes = (),
        sender: Mailbox | None = None,
        return_path: Mailbox | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        attachments: Iterable[AttachmentLike] = (),
        alternatives: Iterable[tuple[str | bytes, str]] = (),
        body_encoding: BodyEncoding = "auto",
    ) -> None:
        self._entity: Entity | None = None
        self._edition: object = None
        self._original: Original | None = None
        self._subject = checked_subject(subject)
        self._text = checked_body(text, "text")
        self._html = checked_body(html, "html")
        self._from = () if from_email is None else Address.many(from_email, "from_email")
        self._to = Address.many(to, "to") if to else ()
        self._cc = Address.many(cc, "cc") if cc else ()
        self._bcc = Address.many(bcc, "bcc") if bcc else ()
        self._reply_to = Address.many(reply_to, "reply_to") if reply_to else ()
        self._sender = None if sender is None else Address.of(sender, "sender")
        self._return_path = None if return_path is None else checked_return_path(return_path)
        self._headers = Headers(headers) if headers else None
        self._attachments: list[Attachment] = []
        self._content_ids = None
        self._alternatives: list[tuple[str | bytes, MediaType]] = []
        self._dsn: DSN | None = None
        self._require_tls = False
        self._unsubscribe: UnsubscribeWay | None = None
        if body_encoding not in ENCODINGS:
            raise InvalidMessage("body_encoding", body_encoding, f"must be one of {', '.join(ENCODINGS)}")
        self._body_encoding: BodyEncoding = body_encoding
        if alternatives or attachments:
            self._fill(attachments, alternatives)

    def copy(self, **changes: Unpack[Changes]) -> Message:
        """Return a copy; `changes` are arguments of `Message` that differ. What is the same is shared, encoded once."""
        other = Message.__new__(Message)
        for slot in _SHARED:
            setattr(other, slot, getattr(self, slot))
        other._headers = None if self._headers is None else self._headers.copy()
        other._attachments = self._attachments.copy()
        other._content_ids = other._edition = None
        other._alternatives = self._alternatives.copy()
        for name, value in changes.items():
            if name in _PARTS:
                other._touch(name)
                part: dict[str, Any] = {name: value}
                setattr(other, f"_{name}", getattr(Message(**part), f"_{name}"))
            elif name in _SETTABLE:
                setattr(other, name, value)
            else:
                there = ", ".join(sorted((*_PARTS, *_SETTABLE)))
                raise InvalidMessage("copy", name, f"is not an argument of Message; there are {there}")
        return other

    def merge(self, rows: Rows, *, change: Callable[[Message, Row], Message | None] | None = None) -> Merge:
        """Return personal copies of this message, one for each row, made as they are asked for.

        A row is a mapping: `to`, and where wanted `subject` and `headers`, stand for the arguments of that name; every
        value is put where text, html and subject say `{column}`, escaped in html. All that is the same is encoded
        once. `change(copy, row)` may alter each copy, or return another message. See `Merge`.

        >>> letter = Message("Hello {name}", "Dear {name}, …", from_email="me@example.com")
        >>> [copy.subject for copy in letter.merge([{"to": "zoe@example.com", "name": "Zoë"}])]
        ['Hello Zoë']
        """
        from .merge import Merge

        return Merge(self, rows, change)

    # -- what becomes of it ------------------------------------------------------------------------------------

    def as_bytes(self) -> bytes:
        """Return the wire form: header, blank line, body, every line ended by CRLF; Bcc is not in it.

        Without a From, the default mailer's sender is used.
        """
        return bytes(content_of(self, sender=self._default_sender()))

    def render(self) -> Iterator[bytes]:
        """Yield the wire form in chunks; large files are read as the chunks are taken."""
        return content_of(self, sender=self._default_sender()).chunks()

    def parcel(self) -> Parcel:
        """Return the frozen snapshot that would travel. Raises `InvalidMessage` when there is nobody to send to."""
        return snapshot(self, sender=self._default_sender())

    def as_email_message(self, *, policy: email.policy.Policy | None = None) -> EmailMessage:
        """Return an `email.message.EmailMessage` that says the same, under our policy or the one given.

        Our policy folds as this library does, and its octets are as safe. Bcc is not in it.
        """
        from .mime.interop import email_message

        fields, root, is_utf8 = taken_apart(self, sender=self._default_sender())
        return email_message(fields, root, policy, is_utf8=is_utf8)

    @classmethod
    def from_email_message(cls, message: EmailMessage) -> Message:
        """Return a message that says what a standard one says; Bcc goes to the envelope.

        A structure that `Message` cannot express is carried verbatim (`verbatim` says why).
        """
        from .foreign import read_message
        from .mime.interop import octets_of

        if not hasattr(message, "raw_items"):
            reason = f"must be an email.message.EmailMessage, not {type(message).__name__}"
            raise InvalidMessage("message", message, reason)
        return read_message(octets_of(message), is_as_sent=False)

    @classmethod
    def from_bytes(cls, data: bytes) -> Message:
        """Return a message that says what these octets say; Bcc goes to the envelope.

        Header fields that were not changed go out as they were written, and so does the body as long as no part changes:
        a signature holds. One in 8 bits needs a server with 8BITMIME then; `copy(body_encoding="quoted-printable")` does
        not. A structure that `Message` cannot express is carried verbatim for good (`verbatim` says why).
        """
        from .foreign import read_message

        return read_message(data)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive JSON: addresses and texts as they are, attachments in base64.

        >>> Message("Hello", "Text", to=["you@example.com"]).to_dict()
        {'version': 1, 'subject': 'Hello', 'text': 'Text', 'to': ['you@example.com']}
        """
        from .plain import message_to_dict

        return message_to_dict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Message:
        """Return the message that `to_dict` described.

        Raises `PayloadRejected` for one of a newer version, `InvalidValue` for one that is no message.
        """
        from .plain import message_from_dict

        return message_from_dict(data)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        if any(getattr(self, slot) != getattr(other, slot) for slot in _PLAIN):
            return False
        # Between a part that is attached and one that is embedded, the order says nothing.
        if sorted(self._attachments, key=_is_embedded) != sorted(other._attachments, key=_is_embedded):
            return False
        if sorted(self._alternatives, key=_is_rich) != sorted(other._alternatives, key=_is_rich):
            return False
        if list(self._headers or ()) != list(other._headers or ()):
            return False
        return _carried(self) == _carried(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Message {self._subject!r} to {', '.join(self.recipients) or 'nobody'}>"

    def __getstate__(self) -> dict[str, object]:
        state = {slot: getattr(self, slot) for slot in (*_PLAIN, *_LISTS, "_headers", "_original")}
        if self._original is not None and self._entity is self._original.entity:
            state["_entity"] = self._entity  # what was not changed goes out as it came, then as now
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._entity = self._edition = self._content_ids = self._unsubscribe = None
        for slot, value in state.items():
            setattr(self, slot, value)


# Python's own errors ("Message.attach() missing …", "coroutine 'Message.asend' was never awaited") name the class that
# people know.
for _part in (Heading, Parts, Posting):
    for _name, _member in vars(_part).items():
        if hasattr(_member, "__code__"):
            _member.__qualname__ = f"Message.{_name}"

_PLAIN = (
    "_subject", "_text", "_html", "_from", "_to", "_cc", "_bcc", "_reply_to", "_sender", "_return_path", "_dsn",
    "_require_tls", "_body_encoding", "_unsubscribe",
)  # fmt: skip
_SHARED = (*_PLAIN, "_entity", "_original")
_LISTS = ("_attachments", "_alternatives")
_PARTS = ("alternatives", "attachments", "body_encoding")
_SETTABLE = (
    "bcc", "cc", "from_email", "headers", "html", "reply_to", "return_path", "sender", "subject", "text", "to",
)  # fmt: skip


def _carried(message: Message) -> object:
    return None if message._original is None else message._original.carried


def _is_embedded(attachment: Attachment) -> bool:
    return attachment.is_embedded


def _is_rich(alternative: tuple[str | bytes, MediaType]) -> bool:
    return alternative[1].essence not in BEFORE_HTML
