"""An `EmailMessage` that writes itself quickly: what is in wire form already is not cut into lines again.

Rules of the file: nothing is kept beside the object, so that every change to it shows in its octets; the standard
generator writes the same octets, only slower.
"""

from __future__ import annotations

from email.generator import BytesGenerator
from email.message import EmailMessage
from io import BytesIO
from os import urandom

from ...errors import InvalidMessage
from ..carried import BLIND
from .policy import WirePolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from email.message import Message as StandardMessage
    from email.policy import Policy
    from typing import Any


class WireMessage(EmailMessage):
    """A standard `EmailMessage` under `WirePolicy`: header and body as safe as those of `Message.as_bytes()`."""

    # The payload of which is known that its lines end with CRLF and that it holds no other CR or LF.
    _in_wire_form: str | None = None

    def __init__(self, policy: Policy | None = None) -> None:
        super().__init__(policy=WIRE if policy is None else policy)

    def as_bytes(self, unixfrom: bool = False, policy: Policy | None = None) -> bytes:
        """Return the octets, as `EmailMessage.as_bytes` does."""
        return flattened(self, self.policy if policy is None else policy, unixfrom=unixfrom)


WIRE = WirePolicy(message_factory=WireMessage)
WIRE_UTF8 = WIRE.clone(utf8=True)


def octets_of(message: StandardMessage[Any, Any]) -> bytes:
    """Return any standard message as octets, its header fields folded by us, CRLF at the ends of lines.

    For our own reading: the blind copies of the message itself, not those of messages within, stand at the beginning.
    Raises `InvalidMessage` when the standard library cannot write it.
    """
    try:
        blind = [
            name + WIRE_UTF8.fold("To", value)[2:]
            for name, value in message.raw_items()
            if name.lower() in BLIND
        ]
        return "".join(blind).encode("utf-8") + flattened(message, WIRE_UTF8)
    except (TypeError, LookupError, AttributeError, UnicodeError) as error:
        raise InvalidMessage("message", message, f"cannot be written: {error}") from error


def flattened(message: StandardMessage[Any, Any], policy: Policy, *, unixfrom: bool = False) -> bytes:
    """Return the octets of a message under a policy."""
    chunks = _Chunks()
    generator = _Generator(chunks, mangle_from_=False, policy=policy)
    generator.flatten(message, unixfrom=unixfrom)
    return chunks.octets()


class _Chunks:
    """What the generator takes for a file and for a buffer: pieces that are put together once, at the end."""

    def __init__(self) -> None:
        self.pieces: list[bytes | str] = []  # a str is ASCII

    def write(self, data: bytes | str | _Chunks) -> None:
        if isinstance(data, _Chunks):
            self.pieces += data.pieces
        else:
            self.pieces.append(data)

    def getvalue(self) -> _Chunks:
        return self

    def octets(self) -> bytes:
        """Return the whole; a large payload is encoded step by step, so that it stands twice in memory, not thrice."""
        out = BytesIO()
        for piece in self.pieces:
            if isinstance(piece, bytes):
                out.write(piece)
            else:
                for at in range(0, len(piece), _STEP):
                    out.write(piece[at : at + _STEP].encode("ascii"))
        return out.getvalue()


_STEP = 1 << 16
_Standard: Any = BytesGenerator  # what is overridden is no part of its typed face


class _Generator(_Standard):  # type: ignore[misc]
    def _new_buffer(self) -> Any:
        return _Chunks()

    def _handle_text(self, message: StandardMessage[Any, Any]) -> None:
        payload = message._payload  # type: ignore[attr-defined]
        known = getattr(message, "_in_wire_form", None)
        if known is None or known is not payload or self._NL != "\r\n" or not payload.isascii():
            super()._handle_text(message)
            return
        self._fp.write(payload)

    _writeBody = _handle_text  # noqa: N815  # the name that the standard generator calls for all that is no text

    def _handle_multipart(self, message: StandardMessage[Any, Any]) -> None:
        payload = message._payload  # type: ignore[attr-defined]
        if isinstance(payload, str):  # no part was found: the standard generator would decode it first
            self._write_lines(payload)
            return
        if not message.get_boundary():
            message.set_boundary(f"=_{urandom(15).hex()}")  # cannot occur: no search for it
        super()._handle_multipart(message)

    def _handle_message_delivery_status(self, message: StandardMessage[Any, Any]) -> None:
        parts = message.get_payload()
        if not isinstance(parts, list):
            self._handle_text(message)
            return
        blocks = []
        for part in parts:
            chunks = _Chunks()
            self.clone(chunks).flatten(part, linesep=self._NL)
            # RFC 3464 2.1: an empty line between two blocks, which each block has at its end already
            blocks.append(chunks.octets().removesuffix(self._encoded_NL))
        self._fp.write(self._encoded_NL.join(blocks))
