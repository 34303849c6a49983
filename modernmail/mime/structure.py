"""Which multipart nests in which: `mixed(related(alternative(text, html), inline), attachments)`, each when needed.

`Message` gives the contents, the renderer walks the tree.

Rules of the file: a leaf's header fields are laid out once, here; a multipart with one part does not exist; nothing is
invented (a message with only an attachment has no empty text).
"""

from __future__ import annotations

from ..errors import InvalidHeader
from ..source import KEPT, FileSource, Spool
from .parameters import with_parameters
from .transfer import Blocks, Body, StreamedBody, base64_body, text_body

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..attachment import Attachment
    from ..media_type import MediaType
    from .transfer import BodyEncoding


class Leaf:
    """A part with content: its media type without parameters, its header fields, laid out, and its body."""

    __slots__ = ("body", "essence", "head")

    def __init__(self, essence: str, head: str, body: Body | Blocks | StreamedBody) -> None:
        self.essence = essence
        self.head = head
        self.body = body


class Multipart:
    """A part of parts: `mixed`, `related` (with the type of its root) or `alternative`."""

    __slots__ = ("parameters", "parts", "subtype")

    def __init__(
        self, subtype: str, parts: Sequence[Leaf | Multipart], parameters: tuple[tuple[str, str], ...] = ()
    ) -> None:
        self.subtype = subtype
        self.parts = parts
        self.parameters = parameters

    @property
    def essence(self) -> str:
        """Its media type without parameters."""
        return f"multipart/{self.subtype}"


_TEXT_HEADS: dict[tuple[str, str], str] = {}


def text_leaf(text: str, subtype: str, encoding: BodyEncoding) -> Leaf:
    """Return the leaf of a text or html body, in UTF-8."""
    body = text_body(text, encoding, "text" if subtype == "plain" else subtype)
    key = (subtype, body.encoding)
    head = _TEXT_HEADS.get(key)
    if head is None:
        head = _head(f"Content-Type: text/{subtype}; charset=utf-8\r\n", _encoding(body))
        _TEXT_HEADS[key] = head
    return Leaf("text/plain" if subtype == "plain" else "text/html", head, body)


def alternative_leaf(content: str | bytes, kind: MediaType, encoding: BodyEncoding) -> Leaf:
    """Return the leaf of one more alternative, such as a calendar; a charset in its media type is honoured."""
    body: Body | Blocks
    if isinstance(content, str):
        body = text_body(content, encoding, "alternatives")
        if kind.get("charset") is None and kind.main == "text":
            kind = kind.with_parameter("charset", "utf-8")
    else:
        body = base64_body(content)
    head = _head(with_parameters("Content-Type", kind.essence, kind.parameters), _encoding(body))
    return Leaf(kind.essence, head, body)


def attachment_leaf(attachment: Attachment) -> Leaf:
    """Return the leaf of an attachment, encoded once and kept with it, or streamed when it is a large file."""
    kept = attachment.cache
    if attachment.path is None:
        if kept is None:
            kept = _attachment_leaf(attachment, attachment.pinned())
            object.__setattr__(attachment, "cache", kept)
        leaf: Leaf = kept
        return leaf
    source = attachment.pinned()
    assert isinstance(source, FileSource)
    if source.size > KEPT:
        return _attachment_leaf(attachment, source)
    # A small file is kept as long as it is the same file.
    if kept is None or kept[0] != source.stamp:
        kept = (source.stamp, _attachment_leaf(attachment, source.read()))
        object.__setattr__(attachment, "cache", kept)
    same: Leaf = kept[1]
    return same


def _attachment_leaf(attachment: Attachment, source: bytes | FileSource | Spool) -> Leaf:
    kind = attachment.kind
    body: Body | Blocks | StreamedBody
    if kind.essence == "message/rfc822" and isinstance(source, bytes):
        body = Body("7bit", source)  # RFC 2046 5.2.1; `Attachment` has checked that it can stand as it is
    elif not isinstance(source, bytes):
        body = StreamedBody(source)
    else:
        body = (_report(source) if kind.essence in _REPORTS else None) or base64_body(source)
    name = attachment.filename
    parameters = () if name is None else (("filename", name),)
    fields = [
        with_parameters("Content-Type", kind.essence, kind.parameters),
        _encoding(body),
        with_parameters("Content-Disposition", attachment.disposition, parameters),
    ]
    if attachment.content_id is not None:
        fields.append(f"Content-ID: <{attachment.content_id}>\r\n")
    return Leaf(kind.essence, _head(*fields), body)


# What machines report about a mail: the types say 7bit (RFC 3464 2.1, RFC 8098 3.1, RFC 5965 3), and some readers take no other.
_REPORTS = ("message/delivery-status", "message/disposition-notification", "message/feedback-report")


def _report(source: bytes) -> Body | None:
    """Return a report as it is, its line ends CRLF; None when 7bit cannot carry it."""
    if not source.isascii() or b"\0" in source:
        return None
    body = text_body(source.decode("ascii"))
    return body if body.encoding == "7bit" else None


def _encoding(body: Body | Blocks | StreamedBody) -> str:
    return f"Content-Transfer-Encoding: {body.encoding}\r\n"


def _head(*fields: str) -> str:
    """Return the header block of a part, after the check that it holds these fields and no other."""
    head = "".join(fields)
    meant = [field[: field.find(":")] for field in fields]
    found = field_names(head)
    if found != meant:
        raise InvalidHeader("headers", found, f"would not be the fields that were meant: {', '.join(meant)}")
    return head


def field_names(fields: str) -> list[str]:
    """Return the field names that begin lines of a header block, as a reader would find them."""
    return [line[: line.find(":")] for line in fields.split("\r\n") if line and line[0] not in " \t"]


def arranged(
    text: Leaf | None,
    html: Leaf | None,
    alternatives: Sequence[tuple[str, Leaf]],
    embedded: Sequence[Leaf],
    attached: Sequence[Leaf],
) -> Leaf | Multipart | None:
    """Return the tree for these leaves, None when there are none; `alternatives` are pairs of essence and leaf."""
    before = [leaf for essence, leaf in alternatives if essence in BEFORE_HTML]
    after = [leaf for essence, leaf in alternatives if essence not in BEFORE_HTML]
    # RFC 2046 5.1.4: the plainest first, the richest last; AMP must stand before HTML to be ignored by the others
    bodies = [leaf for leaf in (text, *before, html, *after) if leaf is not None]
    root: Leaf | Multipart | None = None
    if len(bodies) > 1:
        root = Multipart("alternative", bodies)
    elif bodies:
        root = bodies[0]
    if embedded:
        if root is None:
            attached = [*embedded, *attached]
        else:
            # RFC 2387 3.1: type= is required and names the type of the root
            root = Multipart("related", [root, *embedded], (("type", root.essence),))
    if attached:
        parts = [*attached] if root is None else [root, *attached]
        root = parts[0] if len(parts) == 1 else Multipart("mixed", parts)
    return root


BEFORE_HTML = ("text/plain", "text/x-amp-html", "text/enriched", "text/markdown", "text/watch-html")
