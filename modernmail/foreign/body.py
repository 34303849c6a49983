"""Which bodies `Message` can express: the tree that it would make of the parts must be the tree that is there.

Rules of the file: nothing that a part says may be lost; when it would be, the reason is given and the body is carried
verbatim. How a part is encoded is not what it says.
"""

from __future__ import annotations

from ..attachment import Attachment
from ..errors import InvalidAttachment
from ..grammar.characters import quoted
from ..media_type import OCTETS, MediaType
from ..mime.carried import without_controls
from ..mime.structure import BEFORE_HTML
from ..reading.parameters import parse_parameters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..reading import Part, ReadMail

_TEXT_FIELDS = frozenset({"content-type", "content-transfer-encoding", "content-disposition"})
_FILE_FIELDS = _TEXT_FIELDS | {"content-id"}
_BRANCH_FIELDS = frozenset({"content-type", "content-transfer-encoding"})
_PLAIN_ENCODINGS = ("", "7bit", "8bit")


class Expressed:
    """What a body is in the words of `Message`."""

    def __init__(self) -> None:
        self.text: str | None = None
        self.html: str | None = None
        self.alternatives: list[tuple[str | bytes, MediaType]] = []
        self.attachments: list[Attachment] = []


class _Verbatim(Exception):
    """Says why; caught in `expressed`."""


def expressed(mail: ReadMail) -> Expressed | str:
    """Return the parts of a mail, or why `Message` cannot express them."""
    if mail.problems:
        return mail.problems[0]
    found = _Expressing(mail.root)
    try:
        found.whole(mail.root)
    except (_Verbatim, InvalidAttachment) as why:
        return str(why)
    return mail.problems[0] if mail.problems else found.parts


def shown(mail: ReadMail) -> list[Attachment]:
    """Return the attachments of a mail whose body is carried verbatim, as far as they can be read."""
    return [_shown(part) for part in mail.files]


def _shown(part: Part) -> Attachment:
    try:
        return attachment_of(part)
    except (_Verbatim, InvalidAttachment):
        return Attachment(without_controls(part.filename).strip() or None, part.content, OCTETS)


class _Expressing:
    def __init__(self, root: Part) -> None:
        self.parts = Expressed()
        self._root = root

    def whole(self, root: Part) -> None:
        """Read `mixed(body, attachments …)`, a body, or attachments alone."""
        files: Sequence[Part] = ()
        body: Part | None = root
        if root.media_type == "multipart/mixed":
            self._branch(root)
            body, files = root.children[0], root.children[1:]
        if body is not None and not _is_body(body):
            files, body = (body, *files), None
        if body is not None:
            self._body(body)
        attached = [self._file(part) for part in files]
        embedded = [attachment.is_embedded for attachment in attached]
        if embedded != sorted(embedded, reverse=True) or (body is not None and any(embedded)):
            raise _Verbatim("an embedded part stands outside multipart/related")
        self.parts.attachments += attached

    def _body(self, part: Part) -> None:
        if part.media_type != "multipart/related":
            self._alternatives(part)
            return
        self._branch(part, "type")
        first, *others = part.children
        if part.parameters.get("type", first.media_type).lower() != first.media_type:
            raise _Verbatim("the type of multipart/related is not that of its first part")
        self._alternatives(first)
        for other in others:
            attachment = self._file(other)
            if not attachment.is_embedded:
                raise _Verbatim("a part of multipart/related is not embedded")
            self.parts.attachments.append(attachment)

    def _alternatives(self, part: Part) -> None:
        if part.media_type != "multipart/alternative":
            self._text(part)
            return
        self._branch(part)
        ranks = [self._text(child) for child in part.children]
        if ranks != sorted(ranks):
            raise _Verbatim("the alternatives stand in another order than from plain to rich")

    def _branch(self, part: Part, *parameters: str) -> None:
        """Check that a multipart says nothing beyond its type."""
        self._check_fields(part, _BRANCH_FIELDS)
        if part.field("Content-Transfer-Encoding").lower() not in _PLAIN_ENCODINGS:
            raise _Verbatim(f"a {part.media_type} is encoded")
        if len(part.children) < 2:
            raise _Verbatim(f"a {part.media_type} holds one part alone")
        _check_parameters(part, part.parameters, ("boundary", *parameters))

    def _text(self, part: Part) -> int:
        """Take a text, html or other alternative; return its place between plain and rich."""
        kind = part.media_type
        if kind.partition("/")[0] in ("multipart", "message"):
            raise _Verbatim(f"a {kind} stands where a text should")
        self._check_fields(part, _TEXT_FIELDS)
        disposition, details = parse_parameters(part.field("Content-Disposition"))
        if disposition not in ("", "inline") or details:
            raise _Verbatim(f"an alternative has the disposition {disposition}")
        parts = self.parts
        is_text = (
            kind == "text/plain" and parts.text is None and not parts.alternatives and parts.html is None
        )
        is_html = kind == "text/html" and parts.html is None
        if not is_text and not is_html:
            parts.alternatives.append(_alternative(part))
            return 1 if kind in BEFORE_HTML else 3
        _check_parameters(part, part.parameters, ("charset",))
        if "\0" in part.text:
            raise _Verbatim("a text holds a NUL")
        if is_text:
            parts.text = part.text
            return 0
        parts.html = part.text
        return 2

    def _file(self, part: Part) -> Attachment:
        self._check_fields(part, _FILE_FIELDS)
        return attachment_of(part, is_strict=True)

    def _check_fields(self, part: Part, known: frozenset[str]) -> None:
        for field in part.fields:
            low = field.name.lower()
            if low not in known and low != "mime-version" and (part is not self._root or low in _FILE_FIELDS):
                raise _Verbatim(f"a part has the field {field.name}")
        kind = parse_parameters(part.field("Content-Type"))[0]
        if kind and kind != part.media_type:
            raise _Verbatim(f"the media type {kind} cannot be read")


def _is_body(part: Part) -> bool:
    if part.media_type in ("multipart/related", "multipart/alternative"):
        return True
    disposition, details = parse_parameters(part.field("Content-Disposition"))
    return part.media_type.startswith("text/") and disposition in ("", "inline") and not details


def _check_parameters(part: Part, found: dict[str, str], known: Sequence[str]) -> None:
    for name in found:
        if name not in known:
            raise _Verbatim(f"a {part.media_type} has the parameter {name}")


def _alternative(part: Part) -> tuple[str | bytes, MediaType]:
    kind = _kind(part)
    if (kind.get("charset") or "").lower() in ("utf-8", "utf8") and "\0" not in part.text:
        return part.text, kind
    return part.content, kind


def attachment_of(part: Part, *, is_strict: bool = False) -> Attachment:
    """Return a part as an attachment; `is_strict` when it must say nothing that an attachment does not.

    Raises `InvalidAttachment`.
    """
    kind = _kind(part)
    word, details = parse_parameters(part.field("Content-Disposition"))
    name = details.get("filename") or (None if is_strict else part.parameters.get("name"))
    content_id = part.content_id or None
    if is_strict:
        _check_parameters(part, details, ("filename",))
        if word not in ("attachment", "inline"):
            raise _Verbatim(f"a part has the disposition {word or 'of none'}")
    is_inline = word == "inline" or (word != "attachment" and content_id is not None)
    attachment = Attachment(
        name,
        part.content,
        str(kind),
        disposition="inline" if is_inline else "attachment",
        content_id=content_id,
    )
    if is_strict and (
        attachment.filename != name or attachment.kind not in (kind, kind.with_parameter("charset", "utf-8"))
    ):
        raise _Verbatim("an attachment would change its name or its type")
    return attachment


def _kind(part: Part) -> MediaType:
    pairs = [f"; {name}={quoted(value)}" for name, value in part.parameters.items()]
    return MediaType(part.media_type + "".join(pairs))
