"""The signed token of a link: a purpose, an address, a list and an expiry under an HMAC.

`UnsubscribeLinks` makes and reads it.

Rules of the file: it is pure but for the keys; nothing of a token is believed, or even decoded, before its signature is
right; signatures are compared in constant time.
"""

from __future__ import annotations

import hmac
from binascii import Error, a2b_base64, b2a_base64

from ..errors import InvalidLink
from ..frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# What the signature is for: a key that signs other things too signs no such token by chance.
_PURPOSE = b"modernmail one-click unsubscribe 1\0"
_OCTETS = 20  # of the signature: 160 bits keep the link short
_LONGEST = 2000  # characters


class Unsubscription(Frozen):
    """Who leaves: `address`, an addr-spec; and what: `list_name`, "" where there is one list."""

    __slots__ = ("address", "list_name")
    address: str
    list_name: str

    def __init__(self, address: str, list_name: str = "") -> None:
        object.__setattr__(self, "address", address)
        object.__setattr__(self, "list_name", list_name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Unsubscription):
            return NotImplemented
        return (self.address, self.list_name) == (other.address, other.list_name)

    def __hash__(self) -> int:
        return hash((self.address, self.list_name))

    def __repr__(self) -> str:
        return f"<Unsubscription of {self.address} from {self.list_name or 'all'}>"


def signed_token(key: bytes, unsubscription: Unsubscription, expires: int | None) -> str:
    """Return a token that is good until `expires`, seconds since 1970, or for ever."""
    fields = ("" if expires is None else str(expires), unsubscription.list_name, unsubscription.address)
    payload = "\n".join(fields).encode("utf-8")
    return f"{_text(payload)}.{_text(_signature(key, payload))}"


def read_token(keys: Iterable[bytes], token: str, now: float) -> Unsubscription:
    """Return what a token says that one of the keys has signed. Raises `InvalidLink`."""
    if not isinstance(token, str) or len(token) > _LONGEST:
        raise _invalid("is no token")
    left, dot, right = token.partition(".")
    payload, signature = _octets(left), _octets(right)
    if not dot or not payload or len(signature) != _OCTETS:
        raise _invalid("is no token, or was cut on its way")
    if not any(hmac.compare_digest(_signature(key, payload), signature) for key in keys):
        raise _invalid("was not signed by any of the keys, or was changed")
    expires, list_name, address = payload.decode("utf-8").split("\n")
    if expires and now > int(expires):
        raise _invalid("has expired")
    return Unsubscription(address, list_name)


def _signature(key: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + payload, "sha256")[:_OCTETS]


def _text(octets: bytes) -> str:
    """Return octets in the base64 of URLs, without padding (RFC 4648 5)."""
    text = b2a_base64(octets, newline=False).decode("ascii")
    return text.rstrip("=").replace("+", "-").replace("/", "_")


def _octets(text: str) -> bytes:
    """Return the octets of a text that `_text` may have written, b"" for any other."""
    try:
        octets = a2b_base64(
            text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), strict_mode=True
        )
    except (Error, ValueError):
        return b""
    return octets if _text(octets) == text else b""


def _invalid(reason: str) -> InvalidLink:
    return InvalidLink("token", "…", reason)  # never shown: a token lets whoever has it act
