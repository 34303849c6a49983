"""One attached or embedded part: its content, its name, its media type, and a slot for its encoded form.

Messages hold attachments, the renderer encodes them. An attachment may be shared by any number of messages and threads.

Rules of the file: frozen; only `from_path` touches the file system; the content arrives with exactly the bytes given,
so text is never re-encoded and line ends are never changed. `cache` is the renderer's: never compared, hashed or
pickled, and two threads may both compute it.
"""

from __future__ import annotations

from .errors import InvalidAttachment
from .frozen import Frozen
from .grammar.characters import refusal, text_of
from .media_type import MediaType, guess_media_type
from .source import FileSource
from .substance import substance_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import IO, Any, Literal

    from .source import Spool

    Disposition = Literal["attachment", "inline"]

_DISPOSITIONS: dict[str, Disposition] = {"attachment": "attachment", "inline": "inline"}


class Attachment(Frozen):
    """A part of a message, to be attached or embedded.

    `filename` may be None for an embedded part; a name with a path is reduced to its last part. `content` is bytes,
    str (encoded in the `charset` of the media type, UTF-8 without one), a `pathlib.Path` or a binary file object (read
    here, once). `media_type` is guessed from the name when absent. `content_id` (without angle brackets) is what
    `cid:` in the HTML refers to. Bytes called text that are not UTF-8 become `application/octet-stream`.

    Raises `InvalidAttachment`.

    >>> data = Attachment("data.csv", "a,b\\n1,2\\n")
    >>> data.media_type, data.content, data.size
    ('text/csv; charset=utf-8', b'a,b\\n1,2\\n', 8)
    """

    __slots__ = ("_source", "_type", "cache", "content_id", "disposition", "filename")
    filename: str | None
    disposition: Disposition
    content_id: str | None
    _source: bytes | FileSource | Spool
    _type: MediaType
    cache: Any

    def __init__(
        self,
        filename: str | None,
        content: bytes | bytearray | memoryview | str | IO[bytes] | os.PathLike[str],
        media_type: str | None = None,
        *,
        disposition: Disposition = "attachment",
        content_id: str | None = None,
    ) -> None:
        manner: Disposition | None = _DISPOSITIONS.get(text_of(disposition) or "")
        if manner is None:
            raise InvalidAttachment("disposition", disposition, 'must be "attachment" or "inline"')
        name = None if filename is None else _last_part(filename)
        kind = MediaType(guess_media_type(name) if media_type is None else media_type)
        if kind.main == "multipart":
            raise InvalidAttachment(
                "media_type", media_type, "a multipart has parts, not content: attach each part"
            )
        source, kind = substance_of(content, kind, is_guess=media_type is None)
        put = object.__setattr__
        put(self, "filename", name)
        put(self, "disposition", manner)
        put(self, "content_id", None if content_id is None else checked_content_id(content_id))
        put(self, "_source", source)
        put(self, "_type", kind)
        put(self, "cache", None)

    @classmethod
    def from_path(
        cls,
        path: str | os.PathLike[str],
        *,
        filename: str | None = None,
        media_type: str | None = None,
        disposition: Disposition = "attachment",
        content_id: str | None = None,
    ) -> Attachment:
        """Return the file as a part: read lazily, and streamed when it is larger than 1 MiB.

        Raises `InvalidAttachment` at once when the file is missing, is no regular file, or cannot be read.
        """
        from pathlib import Path

        if not isinstance(path, str) and not hasattr(path, "__fspath__"):
            raise InvalidAttachment("path", path, "must be a str or a path object")
        where = Path(path)
        return cls(
            where.name if filename is None else filename,
            where,
            media_type,
            disposition=disposition,
            content_id=content_id,
        )

    @property
    def media_type(self) -> str:
        """The media type with its parameters."""
        return str(self._type)

    @property
    def kind(self) -> MediaType:
        """The media type as a value: `essence`, `main`, `parameters`."""
        return self._type

    @property
    def path(self) -> str | None:
        """The path of the file that holds the content, None when it is in memory."""
        return self._source.path if isinstance(self._source, FileSource) else None

    @property
    def content(self) -> bytes:
        """The whole content, read now when it is in a file."""
        source = self.pinned()
        return source if isinstance(source, bytes) else source.read()

    @property
    def head(self) -> bytes:
        """The first octets of the content, by which a kind of file is known."""
        source = self.pinned()
        return source[:64] if isinstance(source, bytes) else next(source.blocks(64), b"")

    @property
    def is_embedded(self) -> bool:
        """Whether the HTML shows it by `cid:`, rather than a reader listing it."""
        return self.disposition == "inline" and self.content_id is not None

    @property
    def size(self) -> int:
        """The size of the content in octets, now."""
        source = self.pinned()
        return len(source) if isinstance(source, bytes) else source.size

    def pinned(self) -> bytes | FileSource | Spool:
        """Return the content, or the file as it is at this moment."""
        source = self._source
        return FileSource(source.path) if isinstance(source, FileSource) else source

    def called(self, media_type: str) -> Attachment:
        """Return the same part under another media type; the content is neither read nor changed."""
        other = Attachment.__new__(Attachment)
        put = object.__setattr__
        for slot in Attachment.__slots__:
            put(other, slot, getattr(self, slot))
        put(other, "_type", MediaType(media_type))
        put(other, "cache", None)
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Attachment):
            return NotImplemented
        if self is other:
            return True
        mine = (self.filename, self._type, self.disposition, self.content_id, self.path)
        return mine == (other.filename, other._type, other.disposition, other.content_id, other.path) and (
            self.path is not None or self.content == other.content
        )

    def __hash__(self) -> int:
        return hash((self.filename, self._type, self.disposition, self.content_id, self.path))

    def __repr__(self) -> str:
        where = f" of {self.path}" if self.path is not None else ""
        return f"<Attachment {self.filename or self.content_id!r} ({self._type.essence}){where}>"

    def __reduce__(self) -> tuple[object, ...]:
        from pathlib import Path

        if self._type.main == "multipart":
            return carried_attachment, (self.filename, self._type, self.cache)
        content = self.content if self.path is None else Path(self.path)
        return _rebuilt, (self.filename, content, self.media_type, self.disposition, self.content_id)


def _rebuilt(
    filename: str | None, content: Any, media_type: str, disposition: Any, content_id: str | None
) -> Attachment:
    return Attachment(filename, content, media_type, disposition=disposition, content_id=content_id)


def carried_attachment(filename: str | None, kind: MediaType, leaf: Any) -> Attachment:
    """Return a multipart that somebody else wrote as an attachment; `leaf` is how it stands on the wire."""
    attachment = Attachment(filename, leaf.body.data)
    put = object.__setattr__
    put(attachment, "_type", kind)
    put(attachment, "cache", leaf)
    return attachment


def _last_part(filename: str) -> str:
    """Return the last part of a name that may hold a path of any system; refuse what no parameter can carry."""
    name = text_of(filename)
    if name is None:
        raise InvalidAttachment("filename", filename, "must be a str")
    at = max(name.rfind("/"), name.rfind("\\")) + 1
    name = name[at:]
    if not name:
        raise InvalidAttachment("filename", filename, "ends with a path separator" if at else "is empty")
    reason = "" if name.isprintable() else refusal(name)
    if reason or "\t" in name:
        raise InvalidAttachment("filename", filename, reason or "holds a tab")
    return name


def checked_content_id(text: str) -> str:
    """Return a content-id without its angle brackets; raise when it cannot stand in `<…>` (RFC 2045 7, RFC 5322 3.6.4)."""
    name = text_of(text)
    if name is None:
        raise InvalidAttachment("content_id", text, "must be a str")
    if name[:1] == "<" and name[-1:] == ">":
        name = name[1:-1]
    if (
        not name
        or len(name) > 900
        or not name.isascii()
        or not name.isprintable()
        or any(c in '<>()[]\\," ' for c in name)
    ):
        raise InvalidAttachment(
            "content_id",
            text,
            refusal(name)
            or "must be ASCII without spaces, quotes, commas or brackets, such as 'logo' or 'logo@example.com'",
        )
    return name
