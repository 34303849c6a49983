"""The content side of a message: its text and html, further alternatives, and what is attached or embedded.

`Message` inherits it and holds the slots.

Rules of the file: each part is checked when it is given; whatever changes a part drops the rendered tree (`_entity`); a
body that is carried as somebody else wrote it (`_original`) takes no change.
"""

from __future__ import annotations

from .attachment import Attachment
from .errors import InvalidAttachment, InvalidMessage, InvalidValue
from .grammar.characters import text_of
from .media_type import OCTETS, MediaType, sniffed_image

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from email.message import MIMEPart
    from typing import IO, Any, Self, TypeAlias

    from .foreign.original import Original
    from .message import Message
    from .mime.render import Entity
    from .mime.transfer import BodyEncoding

    Octets: TypeAlias = bytes | bytearray | memoryview
    AttachedContent: TypeAlias = Octets | str | IO[bytes] | os.PathLike[str] | MIMEPart | Message
    AttachmentLike: TypeAlias = (
        Attachment
        | MIMEPart
        | os.PathLike[str]
        | tuple[str, AttachedContent]
        | tuple[str, AttachedContent, str | None]
    )


class Parts:
    """What a message consists of below its header."""

    if not TYPE_CHECKING:
        __slots__ = ()  # those of `Message` hold everything

    _text: str | None
    _html: str | None
    _alternatives: list[tuple[str | bytes, MediaType]]
    _attachments: list[Attachment]
    _content_ids: set[str | None] | None  # of the attachments; None until somebody asks
    _body_encoding: BodyEncoding
    _entity: Entity | None
    _edition: object  # another one after each change
    _original: Original | None

    @property
    def text(self) -> str | None:
        """The plain text body."""
        return self._text

    @text.setter
    def text(self, text: str | None) -> None:
        body = checked_body(text, "text")
        self._touch("text")
        self._text = body
        self._changed()

    @property
    def html(self) -> str | None:
        """The HTML body."""
        return self._html

    @html.setter
    def html(self, html: str | None) -> None:
        body = checked_body(html, "html")
        self._touch("html")
        self._html = body
        self._changed()

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The attached and embedded parts, in the order they were added."""
        return tuple(self._attachments)

    @property
    def alternatives(self) -> tuple[tuple[str | bytes, str], ...]:
        """The further alternatives, as content and media type."""
        return tuple((content, str(kind)) for content, kind in self._alternatives)

    @property
    def verbatim(self) -> str | None:
        """Why the body is carried as it was read, and cannot be changed here; None when it can."""
        return None if self._original is None else self._original.reason

    def text_from_html(self) -> Self:
        """Make the text body from the HTML body, for readers without HTML; return the message.

        Links become numbered notes, lists, tables and headings keep their shape, what is hidden stays out.
        Raises `InvalidMessage` when there is no HTML.

        >>> from modernmail import Message
        >>> Message(html='<p>Dear <b>Zoë</b>,<br>see <a href="https://example.com/a">here</a>.').text_from_html().text
        'Dear Zoë,\\nsee here [1].\\n\\n[1] https://example.com/a\\n'
        """
        if self._html is None:
            raise InvalidMessage("html", None, "is missing: there is nothing to make a text from")
        from .mime.plaintext import plain_text

        self.text = plain_text(self._html)
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
        self._add(Attachment.from_path(path, filename=filename, media_type=media_type), "attachment")
        return self

    def embed(
        self,
        cid: str,
        content: Octets | IO[bytes] | os.PathLike[str],
        media_type: str | None = None,
        *,
        filename: str | None = None,
    ) -> Self:
        """Embed a part that the HTML shows by `cid:`; return the message.

        The media type follows from the file name, and where that says nothing from the first octets of an image. Raises
        `InvalidAttachment` when it cannot be told, and when the message has a part of this content-id already.
        """
        if filename is None and hasattr(content, "name") and hasattr(content, "__fspath__"):
            filename = content.name
        part = Attachment(filename, content, media_type, disposition="inline", content_id=cid)
        if media_type is None and part.kind.essence == OCTETS:
            known = sniffed_image(part.head)
            if known is not None:
                part = part.called(known)
            elif filename is None:
                reason = "cannot be guessed from the content: pass it, such as 'image/png'"
                raise InvalidAttachment("media_type", None, reason)
        self._add(part, "cid")
        return self

    def alternative(self, content: str | bytes, media_type: str) -> Self:
        """Add an alternative body, such as `text/calendar; method=REQUEST`; return the message.

        A `str` is written in the `charset` of its media type, UTF-8 without one; bytes of text that are UTF-8 are called so.
        """
        kind = MediaType(media_type)
        if kind.main in ("multipart", "message"):
            raise InvalidMessage("media_type", media_type, "an alternative is one part with content")
        text = text_of(content)
        if text is not None:
            content = text
        elif isinstance(content, (bytes, bytearray, memoryview)):
            content = bytes(content)
        else:
            raise InvalidMessage("content", content, "must be str or bytes")
        charset = kind.get("charset")
        if isinstance(content, str):
            if charset is None and kind.main == "text":
                kind = kind.with_parameter("charset", "utf-8")
            elif charset is not None and charset.lower() not in ("utf-8", "utf8"):
                content = Attachment(None, content, media_type).content
        elif charset is None and kind.main == "text":
            found = Attachment(None, content, media_type).kind
            kind = found if found.main == "text" else kind
        self._touch("alternatives")
        self._alternatives.append((content, kind))
        self._changed()
        return self

    def _touch(self, argument: str) -> None:
        """Drop the rendered tree, before a part changes."""
        if self._original is not None and self._original.reason is not None:
            raise InvalidMessage(
                argument, self._original.reason,
                "the body is carried as it was written: make a new Message of what you need from it",
            )  # fmt: skip
        self._entity = None

    def _changed(self) -> None:
        """Drop it again, after the change: another thread may have rendered the message meanwhile, without the new part."""
        self._edition = object()
        self._entity = None

    def _add(self, item: Any, argument: str) -> None:
        attachment = _attachment(item, argument)
        cid = attachment.content_id
        if cid is not None:
            if self._content_ids is None:
                self._content_ids = {other.content_id for other in self._attachments}
            if cid in self._content_ids:
                raise InvalidAttachment(
                    argument, cid, "is taken: each embedded part needs a content-id of its own"
                )
        self._touch(argument)
        self._attachments.append(attachment)
        self._changed()
        if self._content_ids is not None:
            self._content_ids.add(cid)

    def _fill(
        self, attachments: Iterable[AttachmentLike], alternatives: Iterable[tuple[str | bytes, str]]
    ) -> None:
        for position, item in enumerate(_listed(alternatives, "alternatives", InvalidMessage)):
            if not isinstance(item, (tuple, list)) or len(item) != 2:
                raise InvalidMessage(
                    f"alternatives[{position}]", item, "must be a tuple (content, media_type)"
                )
            self.alternative(item[0], item[1])
        for position, attachment in enumerate(_listed(attachments, "attachments", InvalidAttachment)):
            self._add(attachment, f"attachments[{position}]")


def _listed(items: Any, argument: str, error: type[InvalidValue]) -> Iterable[Any]:
    """Return the items; raise when what should hold them is one of them, or no list at all."""
    # Text, a file, a mapping or a message: one item, not a list of them.
    is_one = any(hasattr(items, name) for name in ("get_content_type", "keys", "casefold", "read"))
    if is_one or not hasattr(items, "__iter__") or isinstance(items, (bytes, bytearray, memoryview)):
        raise error(argument, items, "must be a list")
    return items  # type: ignore[no-any-return]


def _attachment(item: Any, argument: str) -> Attachment:
    if isinstance(item, Attachment):
        return item
    if isinstance(item, tuple) and len(item) in (2, 3):
        name, content = item[0], item[1]
        media_type = item[2] if len(item) == 3 else None
        if hasattr(content, "as_email_message"):
            from .foreign.enclosed import enclosed_message

            return enclosed_message(name, content.as_bytes(), media_type)
        if hasattr(content, "get_content_type"):
            from .foreign.enclosed import enclosed_mime_part

            return enclosed_mime_part(name, content)
        return Attachment(name, content, media_type)
    if hasattr(item, "get_content_type"):
        from .foreign.enclosed import enclosed_mime_part

        return enclosed_mime_part(None, item)
    if hasattr(item, "__fspath__"):
        try:
            return Attachment.from_path(item)
        except InvalidAttachment as error:
            raise error.within(argument) from error.__cause__
    reason = "must be an Attachment, a tuple (name, content, media_type) or the pathlib.Path of a file"
    if hasattr(item, "read"):
        reason = (
            "a file, or an upload, comes with a name: a tuple (name, its bytes or binary file, media_type)"
        )
    raise InvalidAttachment(argument, item, reason)


def checked_body(text: object, argument: str) -> str | None:
    """Return a text body as an exact `str`; raise `InvalidMessage` when it is no text."""
    if text is None or type(text) is str:
        return text
    body = text_of(text)
    if body is None:
        raise InvalidMessage(argument, text, "must be a str")
    return body
