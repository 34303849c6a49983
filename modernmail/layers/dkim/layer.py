"""`DKIM`: signs every mail, so that receivers can tell that it is from you and was not changed (RFC 6376, RFC 8463)."""

from __future__ import annotations

import time
from binascii import b2a_base64
from hashlib import sha256

from ...errors import ConfigurationError, InvalidAddress, InvalidAttachment
from ...grammar.domain import domain_ascii
from ..head import fields_of
from ..layer import Layer
from ..options import seconds
from .canonical import RelaxedBody, relaxed_body, relaxed_field
from .fields import OVERSIGNED, chosen, names_of
from .keys import SigningKey
from .signature import SignatureField

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from datetime import timedelta

    from ...content import Content
    from ...parcel import Parcel
    from ...runtime import IO

_AT_ONCE = 1 << 18  # octets: a larger content is hashed where it may block


class DKIM(Layer):
    """Sign each mail for `domain` with the private `key` whose public half stands in the DNS at `selector`.

    `key` is PEM bytes or a `pathlib.Path`, RSA of 2048 bits or Ed25519; it is read once, here. `oversign` names the header
    fields of which none may be added on the way, `headers` those that are signed when they are there: Date, Message-ID and
    List-* fields by default; of those that a mail has once, no second can be added either. `headers="amazon-ses"` leaves out
    what that relay rewrites. `lifetime` is how long the signature is good, for ever by default.

    Several signatures are one layer, which reads the mail once for all: `DKIM(…).also(…)`. It stands behind the layers that
    change the content; the mailer refuses another order. A part that is streamed from a file is read twice: for the
    signature, and on its way.

    Needs the extra `dkim`. Raises `ConfigurationError` for a key that is none, or a domain or selector that cannot be one.
    """

    signs = True

    def __init__(
        self,
        domain: str,
        selector: str,
        key: bytes | str | os.PathLike[str],
        *,
        headers: str | Iterable[str] = "default",
        oversign: Iterable[str] = OVERSIGNED,
        lifetime: float | timedelta | None = None,
    ) -> None:
        self.headers = names_of("headers", headers)
        self.oversign = names_of("oversign", oversign)
        if b"from" not in (*self.headers, *self.oversign):
            raise ConfigurationError("headers, oversign: From must be signed (RFC 6376 5.4)")
        self.lifetime = None if lifetime is None else seconds("lifetime", lifetime)
        self._signers: tuple[_Signer, ...] = (_Signer(domain, selector, key),)
        self.algorithms = tuple(signer.key.algorithm for signer in self._signers)

    def also(self, domain: str, selector: str, key: bytes | str | os.PathLike[str]) -> DKIM:
        """Return a layer that signs with this key as well; fields and lifetime are the same for all."""
        other = DKIM.__new__(DKIM)
        other.__dict__.update(self.__dict__)
        other._signers = (*self._signers, _Signer(domain, selector, key))
        other.algorithms = tuple(signer.key.algorithm for signer in other._signers)
        return other

    async def before(self, parcel: Parcel, io: IO) -> Parcel:
        """Return the parcel with its signatures in front, the first key's on top."""
        content = parcel.content
        if content.is_streamed or content.size > _AT_ONCE:
            fields = await io.run(self.fields_for, content)
        else:
            fields = self.fields_for(content)
        return parcel.replace(content=content.with_field(fields))

    def fields_for(self, content: Content) -> bytes:
        """Return the signature fields for a content."""
        head = content.head
        body_hash = b2a_base64(_body_hash(content, len(head)), newline=False).decode("ascii")
        names, fields = chosen(fields_of(head), self.oversign, self.headers)
        signed = b"".join([relaxed_field(field) + b"\r\n" for field in fields])
        texts = [name.decode("ascii") for name in names]
        now = int(time.time())
        tags = [("t", str(now))]
        if self.lifetime is not None:
            tags.append(("x", str(now + int(self.lifetime))))
        return b"".join([signer.field(tags, texts, body_hash, signed) for signer in self._signers])

    def __repr__(self) -> str:
        return f"<DKIM {', '.join(map(repr, self._signers))}>"


class _Signer:
    """One key at its place in the DNS."""

    __slots__ = ("_tags", "domain", "key", "selector")

    def __init__(self, domain: str, selector: str, key: bytes | str | os.PathLike[str]) -> None:
        self.domain = _name("domain", domain)
        if "." not in self.domain:
            raise ConfigurationError(f"domain={domain!r}: must be a full domain, such as example.com")
        self.selector = _name("selector", selector, f"._domainkey.{self.domain}")
        self.key = SigningKey(key)
        self._tags = [
            ("v", "1"), ("a", self.key.algorithm), ("c", "relaxed/relaxed"), ("d", self.domain), ("s", self.selector),
        ]  # fmt: skip

    def field(self, tags: list[tuple[str, str]], names: list[str], body_hash: str, signed: bytes) -> bytes:
        """Return the signature field over the `signed` fields."""
        field = SignatureField([*self._tags, *tags], names, body_hash)
        return field.signed(self.key.sign(signed + field.unsigned))

    def __repr__(self) -> str:
        return f"{self.selector}._domainkey.{self.domain} ({self.key.algorithm})"


def dkim_of(
    domain: str,
    selector: list[str],
    key: list[os.PathLike[str]],
    *,
    headers: str | list[str] = "default",
    oversign: Iterable[str] = OVERSIGNED,
    lifetime: float | None = None,
) -> DKIM:
    """Return the layer of a URL: as many selectors as keys, each key in a file."""
    if len(selector) != len(key) or not key:
        raise ConfigurationError(
            f"selector, key: there are {len(selector)} and {len(key)}: each key needs a selector of its own"
        )
    layer = DKIM(domain, selector[0], key[0], headers=headers, oversign=oversign, lifetime=lifetime)
    for other, path in zip(selector[1:], key[1:], strict=True):
        layer = layer.also(domain, other, path)
    return layer


def _name(argument: str, text: str, below: str = "") -> str:
    """Return a name of the DNS in A-labels, checked together with what it stands below."""
    if not isinstance(text, str):
        raise ConfigurationError(f"{argument}={text!r}: must be a str")
    try:
        name = domain_ascii(text + below).lower()
    except InvalidAddress as error:
        raise ConfigurationError(f"{argument}={text!r}: {error.reason}") from None
    if name.startswith("["):
        raise ConfigurationError(f"{argument}={text!r}: must be a name, not an address")
    return name.removesuffix(below)


def _body_hash(content: Content, start: int) -> bytes:
    """Return the hash of what stands behind the first `start` octets, in canonical form."""
    if len(content.pieces) == 1 and not content.is_streamed:
        return sha256(relaxed_body(content.pieces[0].data[start:])).digest()  # type: ignore[union-attr]
    digest = sha256()
    body = RelaxedBody(digest)
    try:
        for chunk in content.chunks():
            if start:
                chunk, start = chunk[start:], max(0, start - len(chunk))
            body.feed(chunk)
    except OSError as error:
        raise InvalidAttachment("content", "<streamed>", f"cannot be read: {error.strerror}") from error
    body.end()
    return digest.digest()
