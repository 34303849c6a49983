"""What an attachment was given, as a source of octets and the media type that is true of them: `substance_of`.

Rules of the file: the octets are those that were given; text is encoded as its media type says, and bytes are called text only
when they are.
"""

from __future__ import annotations

from .errors import InvalidAttachment
from .grammar.characters import text_of
from .grammar.wireform import LONGEST_LINE
from .media_type import OCTETS, MediaType
from .source import KEPT, FileSource, Spool, spool_or_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Source: TypeAlias = bytes | FileSource | Spool


def substance_of(content: Any, kind: MediaType, *, is_guess: bool) -> tuple[Source, MediaType]:
    """Return where the octets are, and `kind` completed or replaced; `is_guess` says that nobody asked for that kind.

    Raises `InvalidAttachment`.
    """
    return _typed(_source_of(content, kind), kind, content, is_guess=is_guess)


def _source_of(content: Any, kind: MediaType) -> Source:
    if isinstance(content, bytes):
        return bytes(content)
    text = text_of(content)
    if text is not None:
        charset = kind.get("charset") or "utf-8"
        try:
            return text.encode(charset)
        except UnicodeEncodeError as error:
            code = ord(error.object[error.start])
            raise InvalidAttachment(
                "content", content, f"U+{code:04X} at position {error.start} cannot be encoded as {charset}"
            ) from error
        except (LookupError, UnicodeError) as error:
            raise InvalidAttachment("media_type", str(kind), f"the charset {charset} is unknown") from error
    if isinstance(content, (bytearray, memoryview)):
        return bytes(content)
    if hasattr(content, "__fspath__"):
        path = content.__fspath__()
        if not isinstance(path, str):
            raise InvalidAttachment("path", content, "must be a path of text")
        return FileSource(path)
    if hasattr(content, "read"):
        return spool_or_bytes(content)
    raise InvalidAttachment("content", content, "must be bytes, str, a pathlib.Path or a binary file object")


def _typed(source: Source, kind: MediaType, content: object, *, is_guess: bool) -> tuple[Source, MediaType]:
    """Return the source with the media type that is true of it."""
    if kind.main == "text" and kind.get("charset") is None:
        if text_of(content) is not None or _is_utf8(source):
            return source, kind.with_parameter("charset", "utf-8")
        return source, MediaType(OCTETS)
    if kind.essence == "message/rfc822":
        if not isinstance(source, bytes):
            source = source.read()
        reason = _not_seven_bit(source)
        if reason is not None:
            if is_guess:
                return source, MediaType(OCTETS)
            # RFC 2046 5.2.1: only 7bit, 8bit and binary are allowed for message/rfc822
            raise InvalidAttachment(
                "content", source, f"{reason}, which message/rfc822 cannot carry unchanged: "
                "attach Message.from_bytes(…), or use application/octet-stream",
            )  # fmt: skip
    return source, kind


def _is_utf8(source: Source) -> bool:
    from codecs import getincrementaldecoder

    decoder = getincrementaldecoder("utf-8")()
    try:
        for block in (source,) if isinstance(source, bytes) else source.blocks(KEPT):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _not_seven_bit(content: bytes) -> str | None:
    """Return why the content cannot go out as 7bit, unchanged (RFC 2045 2.7); None when it can."""
    if not content.isascii():
        return "it holds octets above 127"
    if b"\0" in content:
        return "it holds a NUL"
    lines = content.split(b"\r\n")
    if any(b"\n" in line or b"\r" in line for line in lines):
        return "it holds a line end that is not CRLF"
    if any(len(line) > LONGEST_LINE for line in lines):
        return f"it holds a line of more than {LONGEST_LINE} octets"
    return None
