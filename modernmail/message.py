"""What the author means: `Message`, a mutable builder.

Application code builds it; `snapshot` freezes it into the parcel that travels.

Rules of the file: each argument is checked when it is given, so that a message that exists can be sent; a builder
method changes the message and returns it; whatever changes a part drops the rendered tree (`_entity`).
"""

from __future__ import annotations

from .address import Address
from .attachment import Attachment
from .characters import refusal, text_of
from .envelope import DSN, once
from .errors import ConfigurationError, InvalidAttachment, InvalidHeader, InvalidMessage
from .headers import Headers
from .media_type import MediaType
from .mime.transfer import ENCODINGS
from .snapshot import snapshot

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta
    from email.message import EmailMessage, MIMEPart
    from email.policy import Policy
    from typing import Any, BinaryIO, Self, TypeAlias

    from .mime.render import Entity
    from .mime.transfer import BodyEncoding
    from .parcel import Parcel
    from .receipt import Receipt
    from .tasks.ticket import Ticket

    Mailbox: TypeAlias = str | Address
    Mailboxes: TypeAlias = str | Address | Iterable[str | Address]
    AttachedContent: TypeAlias = bytes | str | BinaryIO | os.PathLike[str] | MIMEPart | "Message"
    AttachmentLike: TypeAlias = (
        Attachment | MIMEPart | tuple[str, AttachedContent] | tuple[str, AttachedContent, str | None]
    )


class Message:
    """A mail as its author means it; every part can be given here, set later, or added by a method.

    A `str` for an address argument is one mailbox; pass a list for several. `return_path` is where bounces go (default:
    `sender`, else `from_email`; `""` is the null path). `headers` is a mapping or pairs of extra header fields.
    `attachments` holds `Attachment` objects or `(name, content, media_type)` tuples; `alternatives` holds
    `(content, media_type)` tuples. `body_encoding` is `"auto"`, `"base64"`, `"quoted-printable"` or `"8bit"`.

    Raises `InvalidAddress`, `InvalidHeader`, `InvalidAttachment` or `InvalidMessage`, naming the argument.

    >>> message = Message("Hello", "How are you?", from_email="me@example.com", to=["Zoë <zoe@example.com>"])
    >>> message.to[0].name, message.recipients
    ('Zoë', ('zoe@example.com',))
    """

    __slots__ = (
        "__weakref__", "_alternatives", "_attachments", "_bcc", "_body_encoding", "_cc", "_dsn", "_entity", "_from",
        "_headers", "_html", "_reply_to", "_require_tls", "_return_path", "_sender", "_subject", "_text", "_to",
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
        self._subject = _subject(subject)
        self._text = _body(text, "text")
        self._html = _body(html, "html")
        self._from = () if from_email is None else Address.many(from_email, "from_email")
        self._to = Address.many(to, "to") if to else ()
        self._cc = Address.many(cc, "cc") if cc else ()
        self._bcc = Address.many(bcc, "bcc") if bcc else ()
        self._reply_to = Address.many(reply_to, "reply_to") if reply_to else ()
        self._sender = None if sender is None else Address.of(sender, "sender")
        self._return_path = _return_path(return_path)
        self._headers = Headers(headers) if headers else None
        self._attachments: list[Attachment] = []
        self._alternatives: list[tuple[str | bytes, MediaType]] = []
        self._dsn: DSN | None = None
        self._require_tls = False
        if body_encoding not in ENCODINGS:
            raise InvalidMessage("body_encoding", body_encoding, f"must be one of {', '.join(ENCODINGS)}")
        self._body_encoding: BodyEncoding = body_encoding
        if alternatives:
            for content, media_type in alternatives:
                self.alternative(content, media_type)
        if attachments:
            for position, attachment in enumerate(attachments):
                self._add(attachment, f"attachments[{position}]")

    # -- what it says and to whom ------------------------------------------------------------------------------

    @property
    def subject(self) -> str:
        """The subject as text; what looks like an encoded-word in it arrives literally."""
        return self._subject

    @subject.setter
    def subject(self, subject: str) -> None:
        self._subject = _subject(subject)

    @property
    def text(self) -> str | None:
        """The plain text body."""
        return self._text

    @text.setter
    def text(self, text: str | None) -> None:
        self._text, self._entity = _body(text, "text"), None

    @property
    def html(self) -> str | None:
        """The HTML body."""
        return self._html

    @html.setter
    def html(self, html: str | None) -> None:
        self._html, self._entity = _body(html, "html"), None

    @property
    def from_email(self) -> Address | tuple[Address, ...] | None:
        """The author: one address, a tuple of several, or None for the mailer's default."""
        return None if not self._from else self._from[0] if len(self._from) == 1 else self._from

    @from_email.setter
    def from_email(self, from_email: Mailboxes | None) -> None:
        self._from = () if from_email is None else Address.many(from_email, "from_email")

    @property
    def to(self) -> tuple[Address, ...]:
        """The recipients named in To."""
        return self._to

    @to.setter
    def to(self, to: Mailboxes) -> None:
        self._to = Address.many(to, "to")

    @property
    def cc(self) -> tuple[Address, ...]:
        """The recipients named in Cc."""
        return self._cc

    @cc.setter
    def cc(self, cc: Mailboxes) -> None:
        self._cc = Address.many(cc, "cc")

    @property
    def bcc(self) -> tuple[Address, ...]:
        """The recipients that no header names."""
        return self._bcc

    @bcc.setter
    def bcc(self, bcc: Mailboxes) -> None:
        self._bcc = Address.many(bcc, "bcc")

    @property
    def reply_to(self) -> tuple[Address, ...]:
        """Where answers go."""
        return self._reply_to

    @reply_to.setter
    def reply_to(self, reply_to: Mailboxes) -> None:
        self._reply_to = Address.many(reply_to, "reply_to")

    @property
    def sender(self) -> Address | None:
        """Who sends, when that is not the author (RFC 5322 3.6.2)."""
        return self._sender

    @sender.setter
    def sender(self, sender: Mailbox | None) -> None:
        self._sender = None if sender is None else Address.of(sender, "sender")

    @property
    def return_path(self) -> str | None:
        """The envelope's reverse-path: an addr-spec, `""` for the null path, None for the default."""
        path = self._return_path
        return path if path is None or isinstance(path, str) else path.addr_spec

    @return_path.setter
    def return_path(self, return_path: Mailbox | None) -> None:
        self._return_path = _return_path(return_path)

    @property
    def headers(self) -> Headers:
        """The extra header fields; a change to them is a change to the message."""
        if self._headers is None:
            self._headers = Headers()
        return self._headers

    @headers.setter
    def headers(self, headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> None:
        self._headers = Headers(headers)

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The attached and embedded parts, in the order they were added."""
        return tuple(self._attachments)

    @property
    def alternatives(self) -> tuple[tuple[str | bytes, str], ...]:
        """The further alternatives, as content and media type."""
        return tuple((content, str(kind)) for content, kind in self._alternatives)

    @property
    def recipients(self) -> tuple[str, ...]:
        """Everybody the envelope will name: To, Cc and Bcc as addr-specs, each once."""
        return tuple(address.addr_spec for address in once(self._to + self._cc + self._bcc))

    @property
    def needs_smtputf8(self) -> bool:
        """True when an address has a local part that only SMTPUTF8 can carry (RFC 6531)."""
        others = self._to + self._from + self._cc + self._bcc + self._reply_to
        if self._sender is not None:
            others = (*others, self._sender)
        return not "".join([address.local for address in others]).isascii()

    # -- building ----------------------------------------------------------------------------------------------

    def header(self, name: str, value: str) -> Self:
        """Set an extra header field, in the place of any that has this name, and return the message.

        Raises `InvalidHeader` for names that have an argument of their own, for those that are not the author's to
        write, and for values with control characters.
        """
        self.headers.set(name, value)
        return self

    def attach(self, name: str, content: AttachedContent, media_type: str | None = None) -> Self:
        """Attach bytes, text, a binary file object (read now), a path, a message or a MIME part; return the message.

        A `str` is always text, never a path. A message becomes `message/rfc822`.
        """
        self._add((name, content, media_type), "attachment")
        return self

    def attach_file(
        self, path: str | os.PathLike[str], *, filename: str | None = None, media_type: str | None = None
    ) -> Self:
        """Attach a file, read lazily and streamed when it is larger than 1 MiB; return the message.

        Raises `InvalidAttachment` at once when it is missing or cannot be read.
        """
        self._attachments.append(Attachment.from_path(path, filename=filename, media_type=media_type))
        self._entity = None
        return self

    def embed(
        self,
        cid: str,
        content: bytes | BinaryIO | os.PathLike[str],
        media_type: str | None = None,
        *,
        filename: str | None = None,
    ) -> Self:
        """Embed a part that the HTML shows by `cid:`; return the message.

        Raises `InvalidAttachment` when the message has a part of this content-id already.
        """
        if filename is None and hasattr(content, "name") and hasattr(content, "__fspath__"):
            filename = content.name
        if media_type is None and filename is None and isinstance(content, bytes):
            media_type = _sniffed(content)
        part = Attachment(filename, content, media_type, disposition="inline", content_id=cid)
        if any(other.content_id == part.content_id for other in self._attachments):
            raise InvalidAttachment("cid", cid, "is taken: each embedded part needs a content-id of its own")
        self._attachments.append(part)
        self._entity = None
        return self

    def alternative(self, content: str | bytes, media_type: str) -> Self:
        """Add an alternative body, such as `text/calendar; method=REQUEST`; return the message."""
        kind = MediaType(media_type)
        if kind.main in ("multipart", "message"):
            raise InvalidMessage("media_type", media_type, "an alternative is one part with content")
        if not isinstance(content, (str, bytes)):
            raise InvalidMessage("content", content, "must be str or bytes")
        charset = kind.get("charset")
        if isinstance(content, str) and charset is not None and charset.lower() not in ("utf-8", "utf8"):
            content = Attachment(None, content, media_type).content
        self._alternatives.append((content, kind))
        self._entity = None
        return self

    def dsn(
        self,
        *,
        notify: str | Iterable[str] = (),
        ret: str | None = None,
        envid: str | None = None,
        recipients: Mapping[str, str | Iterable[str]] | None = None,
    ) -> Self:
        """Ask for delivery-status notifications (RFC 3461); return the message. The arguments are those of `DSN`."""
        self._dsn = DSN(notify=notify, ret=ret, envid=envid, recipients=recipients)
        return self

    def require_tls(self) -> Self:
        """Let the mail pass only over verified TLS, to the last hop (RFC 8689); return the message."""
        self._require_tls = True
        return self

    def _add(self, item: Any, argument: str) -> None:
        if isinstance(item, Attachment):
            attachment = item
        elif isinstance(item, tuple) and len(item) in (2, 3):
            name, content = item[0], item[1]
            media_type = item[2] if len(item) == 3 else None
            if isinstance(content, Message):
                attachment = Attachment(name, content.as_bytes(), media_type or "message/rfc822")
            elif hasattr(content, "get_content_type"):
                attachment = _from_part(content, name)
            else:
                attachment = Attachment(name, content, media_type)
        elif hasattr(item, "get_content_type"):
            attachment = _from_part(item, None)
        else:
            raise InvalidAttachment(
                argument, item, "must be an Attachment or a tuple (name, content, media_type)"
            )
        self._attachments.append(attachment)
        self._entity = None

    def copy(self, **changes: Any) -> Message:
        """Return a copy; `changes` are arguments of `Message` that differ. What is the same is shared, encoded once."""
        other = Message.__new__(Message)
        for slot in _COPIED:
            setattr(other, slot, getattr(self, slot))
        other._headers = None if self._headers is None else self._headers.copy()
        other._attachments = list(self._attachments)
        other._alternatives = list(self._alternatives)
        for name, value in changes.items():
            if name not in _CHANGEABLE:
                raise InvalidMessage(
                    "copy", name, f"is not an argument of Message; there are {', '.join(_CHANGEABLE)}"
                )
            if name in ("attachments", "alternatives"):
                fresh = Message(**{name: value})
                setattr(other, f"_{name}", getattr(fresh, f"_{name}"))
                other._entity = None
            elif name == "body_encoding":
                other._body_encoding = Message(body_encoding=value)._body_encoding
                other._entity = None
            else:
                setattr(other, name, value)
        return other

    # -- what becomes of it ------------------------------------------------------------------------------------

    def as_bytes(self) -> bytes:
        """Return the wire form: header, blank line, body, every line ended by CRLF; Bcc is not in it.

        Without a From, the default mailer's sender is used.
        """
        return bytes(self.parcel().content)

    def render(self) -> Iterator[bytes]:
        """Yield the wire form in chunks; large files are read as the chunks are taken."""
        return self.parcel().content.chunks()

    def parcel(self) -> Parcel:
        """Return the frozen snapshot that would travel."""
        return snapshot(self, sender=None if self._from else _default_sender())

    def as_email_message(self, *, policy: Policy | None = None) -> EmailMessage:
        """Return an `email.message.EmailMessage` that says the same, under our policy or the one given."""
        from .mime.interop import email_message

        return email_message(self, policy)

    @classmethod
    def from_email_message(cls, message: EmailMessage) -> Message:
        """Return a message that says what a standard one says; Bcc goes to the envelope.

        A structure that `Message` cannot express is carried verbatim.
        """
        from .mime.interop import from_email_message

        return from_email_message(message)

    @classmethod
    def from_bytes(cls, data: bytes) -> Message:
        """Return a message that says what these octets say; Bcc goes to the envelope."""
        from .mime.interop import from_bytes

        return from_bytes(data)

    def send(self, *, using: str = "default") -> Receipt:
        """Send by the mailer of this name and return the receipt. Raises as `Mailer.send` does."""
        from .registry import mailers

        return mailers[using].send(self)

    async def asend(self, *, using: str = "default") -> Receipt:
        """Send by the mailer of this name and return the receipt. Raises as `Mailer.send` does."""
        from .registry import mailers

        return await mailers[using].asend(self)

    def enqueue(
        self,
        *,
        using: str = "default",
        run_after: datetime | timedelta | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        expires: datetime | timedelta | None = None,
        by_reference: bool = False,
        queue_name: str = "default",
        backend: str = "default",
        connection: Any = None,
    ) -> Ticket:
        """Queue the mail as it is now, and return its ticket.

        `run_after` and `expires` are aware datetimes or timedeltas from now, `priority` is from -100 to 100, higher
        first. A second mail with the same `idempotency_key` is the first one's ticket again. `by_reference` leaves
        large files where they are until the mail is sent. With `connection`, your own open one to the queue's
        database, the mail is queued when your transaction commits.

        Raises `InvalidTask` for what the task backend cannot do, `IdempotencyConflict` when other content has the
        key, and `QueueUnavailable`.
        """
        from .tasks.outbox import enqueue

        return enqueue(
            self,
            using=using,
            run_after=run_after,
            priority=priority,
            idempotency_key=idempotency_key,
            expires=expires,
            by_reference=by_reference,
            queue_name=queue_name,
            backend=backend,
            connection=connection,
        )

    async def aenqueue(
        self,
        *,
        using: str = "default",
        run_after: datetime | timedelta | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        expires: datetime | timedelta | None = None,
        by_reference: bool = False,
        queue_name: str = "default",
        backend: str = "default",
        connection: Any = None,
    ) -> Ticket:
        """Queue the mail as `enqueue` does, without blocking the event loop."""
        from .tasks.outbox import aenqueue

        return await aenqueue(
            self,
            using=using,
            run_after=run_after,
            priority=priority,
            idempotency_key=idempotency_key,
            expires=expires,
            by_reference=by_reference,
            queue_name=queue_name,
            backend=backend,
            connection=connection,
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return all(getattr(self, slot) == getattr(other, slot) for slot in _COMPARED) and list(
            self._headers or ()
        ) == list(other._headers or ())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<Message {self._subject!r} to {', '.join(self.recipients) or 'nobody'}>"

    def __getstate__(self) -> dict[str, object]:
        return {slot: getattr(self, slot) for slot in (*_COMPARED, "_headers")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._entity = None
        for slot, value in state.items():
            setattr(self, slot, value)


_COMPARED = (
    "_subject", "_text", "_html", "_from", "_to", "_cc", "_bcc", "_reply_to", "_sender", "_return_path", "_attachments",
    "_alternatives", "_dsn", "_require_tls", "_body_encoding",
)  # fmt: skip
_COPIED = (*(slot for slot in _COMPARED if slot not in ("_attachments", "_alternatives")), "_entity")
_CHANGEABLE = (
    "subject", "text", "html", "from_email", "to", "cc", "bcc", "reply_to", "sender", "return_path", "headers",
    "attachments", "alternatives", "body_encoding",
)  # fmt: skip


def _subject(subject: object) -> str:
    if type(subject) is str and subject.isascii() and subject.isprintable():
        return subject
    text = text_of(subject)
    if text is None:
        raise InvalidHeader("subject", subject, "must be a str")
    reason = refusal(text)
    if reason:
        raise InvalidHeader("subject", text, reason)
    return text


def _body(text: object, argument: str) -> str | None:
    if text is None or type(text) is str:
        return text
    body = text_of(text)
    if body is None:
        raise InvalidMessage(argument, text, "must be a str")
    return body


def _return_path(path: Mailbox | None) -> Address | str | None:
    if path is None or path == "" or path == "<>":
        return path if path is None else ""
    return Address.of(path, "return_path")


def _sniffed(content: bytes) -> str:
    """Return the media type that an image's first octets tell."""
    for head, media_type in _SIGNATURES:
        if content.startswith(head):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    raise InvalidAttachment(
        "media_type", None, "cannot be guessed from the content: pass it, such as 'image/png'"
    )


_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"<svg", "image/svg+xml"),
)


def _from_part(part: MIMEPart, name: str | None) -> Attachment:
    from .mime.interop import attachment_from_part

    return attachment_from_part(part, name)


def _default_sender() -> Address | None:
    from .registry import mailers

    try:
        return mailers["default"].from_email
    except ConfigurationError:
        return None
