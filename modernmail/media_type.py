"""What kind of content a part holds: `MediaType`, and the type that a file name stands for.

Rules of the file: a media type is checked once, here (RFC 2045 5.1); the table is ours and the standard library's
built-in one, never the machine's, so that the same name gives the same type everywhere.
"""

from __future__ import annotations

from .errors import InvalidAttachment
from .frozen import Frozen
from .grammar.characters import quoted, read_quoted, refusal, text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

OCTETS: Final = "application/octet-stream"
LONGEST_NAME: Final = 127  # RFC 6838 4.2
_LONGEST_PARAMETER: Final = 40  # that a line holds it with a piece of its value

# RFC 2045 5.1 token: printable ASCII without tspecials
_NOT_TOKEN: Final = str.maketrans(
    "", "", "!#$%&'*+-.^_`{|}~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)
# What the standard library's table lacks on the oldest Python we support.
_TYPES: Final = {
    ".7z": "application/x-7z-compressed", ".amp": "text/x-amp-html", ".avif": "image/avif",
    ".bz2": "application/x-bzip2", ".csv": "text/csv",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".eml": "message/rfc822", ".epub": "application/epub+zip", ".gif": "image/gif", ".gz": "application/gzip",
    ".heic": "image/heic", ".html": "text/html", ".ics": "text/calendar", ".jpeg": "image/jpeg", ".jpg": "image/jpeg",
    ".json": "application/json", ".md": "text/markdown",
    ".odp": "application/vnd.oasis.opendocument.presentation", ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odt": "application/vnd.oasis.opendocument.text", ".pdf": "application/pdf", ".png": "image/png",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation", ".tgz": "application/gzip",
    ".txt": "text/plain", ".vcf": "text/vcard", ".webp": "image/webp", ".woff2": "font/woff2", ".xz": "application/x-xz",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", ".yaml": "application/yaml",
    ".yml": "application/yaml", ".zip": "application/zip", ".zst": "application/zstd",
}  # fmt: skip


def is_token(text: str) -> bool:
    """Return whether the text is a token of RFC 2045 5.1."""
    return bool(text) and not text.translate(_NOT_TOKEN)


class MediaType(Frozen):
    """A media type with its parameters: `text/calendar; method=REQUEST`.

    `essence` is `type/subtype` in lower case, `main` the part before the slash, `parameters` the pairs after it, names
    in lower case, values unquoted.

    >>> calendar = MediaType('Text/Calendar; method=REQUEST; charset="utf-8"')
    >>> calendar.essence, calendar.main, dict(calendar.parameters)
    ('text/calendar', 'text', {'method': 'REQUEST', 'charset': 'utf-8'})
    """

    __slots__ = ("essence", "main", "parameters")
    essence: str
    main: str
    parameters: tuple[tuple[str, str], ...]

    def __init__(self, text: str, argument: str = "media_type") -> None:
        given = text_of(text)
        if given is None:
            raise InvalidAttachment(argument, text, "must be a str such as 'application/pdf'")
        text = given
        if not text.isprintable() and (reason := refusal(text)):
            raise InvalidAttachment(argument, text, reason)
        essence, semicolon, rest = text.partition(";")
        main, slash, sub = essence.strip(" \t").lower().partition("/")
        if not (slash and is_token(main) and is_token(sub)):
            raise InvalidAttachment(argument, text, "must be type/subtype, such as 'application/pdf'")
        if max(len(main), len(sub)) > LONGEST_NAME:
            raise InvalidAttachment(argument, text, f"has a name of more than {LONGEST_NAME} characters")
        put = object.__setattr__
        put(self, "essence", f"{main}/{sub}")
        put(self, "main", main)
        put(self, "parameters", _parameters(rest, text, argument) if semicolon else ())

    def get(self, name: str) -> str | None:
        """Return the value of a parameter, None when it is absent."""
        for key, value in self.parameters:
            if key == name:
                return value
        return None

    def with_parameter(self, name: str, value: str) -> MediaType:
        """Return the same type with one more parameter."""
        other = MediaType.__new__(MediaType)
        put = object.__setattr__
        put(other, "essence", self.essence)
        put(other, "main", self.main)
        put(other, "parameters", (*self.parameters, (name, value)))
        return other

    def __str__(self) -> str:
        parameters = [
            f"; {name}={value if is_token(value) else quoted(value)}" for name, value in self.parameters
        ]
        return self.essence + "".join(parameters)

    def __repr__(self) -> str:
        return f"MediaType({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, MediaType):
            return NotImplemented
        return (self.essence, self.parameters) == (other.essence, other.parameters)

    def __hash__(self) -> int:
        return hash((self.essence, self.parameters))

    def __reduce__(self) -> tuple[type[MediaType], tuple[str]]:
        return type(self), (str(self),)


def _parameters(text: str, whole: str, argument: str) -> tuple[tuple[str, str], ...]:
    """Return the pairs of `name=value; name="quoted value"`."""
    pairs: dict[str, str] = {}
    at, end = 0, len(text)
    while at < end:
        if text[at] in " \t;":
            at += 1
            continue
        equals = text.find("=", at)
        name = text[at:equals].strip(" \t").lower() if equals > 0 else ""
        if not is_token(name) or len(name) > _LONGEST_PARAMETER:
            raise InvalidAttachment(argument, whole, "a parameter must be name=value")
        if name in pairs or name == "boundary":
            raise InvalidAttachment(argument, whole, f"the parameter {name} may not stand here")
        at = equals + 1
        while at < end and text[at] in " \t":
            at += 1
        value: str
        if at < end and text[at] == '"':
            value, at = read_quoted(text, at)
            if at < 0:
                raise InvalidAttachment(argument, whole, "a quote is not closed")
        else:
            stop = text.find(";", at)
            stop = end if stop < 0 else stop
            value = text[at:stop].rstrip(" \t")
            if not is_token(value):
                raise InvalidAttachment(
                    argument, whole, f"the value of {name} must be a token or stand in quotes"
                )
            at = stop
        pairs[name] = value
        while at < end and text[at] in " \t":
            at += 1
        if at < end and text[at] != ";":
            raise InvalidAttachment(argument, whole, "parameters are separated by semicolons")
    return tuple(pairs.items())


def guess_media_type(filename: str | None) -> str:
    """Return the media type that the name's ending stands for, `application/octet-stream` when it stands for none.

    >>> guess_media_type("backup.tar.gz"), guess_media_type("photo.JPEG"), guess_media_type("no ending")
    ('application/gzip', 'image/jpeg', 'application/octet-stream')
    """
    name = filename or ""
    dot = name.rfind(".")
    if dot < 0:
        return OCTETS
    ending = name[dot:].lower()
    return _TYPES.get(ending) or _builtin(ending)


_builtin_types: dict[str, str] = {}


def _builtin(ending: str) -> str:
    global _builtin_types
    types = _builtin_types
    if not types:
        import mimetypes

        # filenames=() reads no file of the machine: only the table that comes with Python
        lenient, strict = mimetypes.MimeTypes(filenames=()).types_map
        # Whole, in one step: another thread must not look into half of it.
        _builtin_types = types = {**strict, **lenient}
    return types.get(ending, OCTETS)


_IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"<svg", "image/svg+xml"),
)


def sniffed_image(content: bytes) -> str | None:
    """Return the media type that an image's first octets tell, None for what is no image that we know."""
    for head, media_type in _IMAGES:
        if content.startswith(head):
            return media_type
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    return None
