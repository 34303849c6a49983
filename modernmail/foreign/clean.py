"""Bodies of others in the form that any server takes: CRLF at line ends, no NUL, no line over 998 octets.

Rules of the file: what has this form already is not touched, so that signatures hold; of the rest, parts that cannot
travel as they are get base64, and multiparts that hold such parts a new boundary. Time is linear, depth is bounded.
"""

from __future__ import annotations

from os import urandom

from ..grammar.wireform import has_long_line
from ..media_type import OCTETS
from ..mime.carried import as_it_stood, carried_field, mime_field
from ..mime.structure import Leaf
from ..mime.transfer import Body, base64_lines
from ..reading import read
from .header import header_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..reading import Part, ReadMail

    Fields = Iterable[tuple[str, bytes]]

_DEEPEST = 20


def verbatim_leaf(mail: ReadMail, fields: Fields) -> Leaf:
    """Return the body of a mail as one leaf: these fields of its header, and the octets behind the blank line."""
    fields = [(name, raw) for name, raw in fields if name.lower() != "mime-version"]
    root = mail.root
    octets = with_line_ends(root.raw)
    as_they_stood = [as_it_stood(name, raw) for name, raw in fields]
    # A lone CR is a line end for some readers, and not for others.
    has_bare_cr = root.raw.count(b"\r") != root.raw.count(b"\r\n")
    is_binary = any(part.field("Content-Transfer-Encoding").lower() == "binary" for part in root.walk())
    if has_bare_cr or is_binary or not is_carriable(octets) or None in as_they_stood:
        head, octets = _rebuilt(root, fields, is_seven_bit=False, depth=0)
    else:
        head = "".join([field for field in as_they_stood if field is not None])
    return Leaf(root.media_type, head, Body("7bit" if octets.isascii() else "8bit", octets))


def seven_bit(octets: bytes, depth: int = 0) -> bytes:
    """Return a whole mail that says the same in octets below 128, for message/rfc822 (RFC 2046 5.2.1)."""
    if octets.count(b"\r") == octets.count(b"\r\n"):
        lines = with_line_ends(octets)
        if lines.isascii() and is_carriable(lines):
            return lines
    return _rebuilt_mail(octets, is_seven_bit=True, depth=depth)


def with_line_ends(octets: bytes) -> bytes:
    """Return octets with CRLF for each CR, LF and CRLF."""
    breaks = octets.count(b"\r\n")
    if octets.count(b"\n") == breaks == octets.count(b"\r"):
        return octets
    return octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


def is_carriable(octets: bytes) -> bool:
    """Return whether octets with CRLF line ends can travel as they are."""
    return b"\0" not in octets and not has_long_line(octets.replace(b"\r\n", b"\n"))


def _rebuilt_mail(octets: bytes, *, is_seven_bit: bool, depth: int) -> bytes:
    root = read(octets).root
    head, body = _rebuilt(root, header_fields(octets[: root.start]), is_seven_bit=is_seven_bit, depth=depth)
    return f"{head}\r\n".encode("ascii") + body


def _rebuilt(part: Part, fields: Fields, *, is_seven_bit: bool, depth: int) -> tuple[str, bytes]:
    """Return a part with the same content in a form that can travel: its fields, and its octets."""
    kept = [(name, raw) for name, raw in fields if name.lower() not in _LAID_OUT_HERE]
    if part.children:
        boundary = f"=_{urandom(15).hex()}"
        kind = mime_field("Content-Type", part.media_type, {**part.parameters, "boundary": boundary})
        delimiter = f"--{boundary}\r\n"
        pieces: list[bytes] = []
        for child in part.children:
            head, body = _rebuilt(child, _fields_of(child), is_seven_bit=is_seven_bit, depth=depth)
            pieces += [f"{delimiter}{head}\r\n".encode("ascii"), body]
            delimiter = f"\r\n--{boundary}\r\n"
        pieces.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
        octets, encoding = b"".join(pieces), ""
    else:
        kind, encoding, octets = _leaf(part, is_seven_bit=is_seven_bit, depth=depth)
    head = "".join([carried_field(name, raw) for name, raw in kept])
    if not octets.isascii():
        encoding = "8bit"
    return f"{head}{kind}" + (f"Content-Transfer-Encoding: {encoding}\r\n" if encoding else ""), octets


_LAID_OUT_HERE = ("content-type", "content-transfer-encoding")


def _leaf(part: Part, *, is_seven_bit: bool, depth: int) -> tuple[str, str, bytes]:
    """Return Content-Type, transfer encoding and octets of a part without parts."""
    given = part.field("Content-Type")
    kind = mime_field("Content-Type", part.media_type, part.parameters) if given else ""
    encoding = part.field("Content-Transfer-Encoding").lower()
    if part.media_type == "message/rfc822" and depth < _DEEPEST:
        octets = with_line_ends(part.content)
        if not is_carriable(octets) or (is_seven_bit and not octets.isascii()):
            octets = _rebuilt_mail(octets, is_seven_bit=is_seven_bit, depth=depth + 1)
        return kind, "", octets
    octets = with_line_ends(part.raw)
    if encoding != "binary" and is_carriable(octets) and (octets.isascii() or not is_seven_bit):
        return kind, encoding if is_known(encoding) else "", octets
    if part.media_type.partition("/")[0] in ("multipart", "message"):
        # RFC 2045 6.4: these may not be encoded
        kind = mime_field("Content-Type", OCTETS, {})
    return kind, "base64", base64_lines(part.content)


def is_known(encoding: str) -> bool:
    """Return whether this is a transfer encoding of RFC 2045 6.1."""
    return encoding in ("7bit", "8bit", "quoted-printable", "base64")


def _fields_of(part: Part) -> Fields:
    return [(field.name, field.raw) for field in part.fields]
