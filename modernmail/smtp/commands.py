"""SMTP commands as octets: the one place that writes them.

The transaction asks for a group.

Rules of the file: checks run on octets, after encoding. A command holds no octet below 0x20 and no 0x7F; a path is what
`Address` has checked, in angle brackets; a parameter value is `esmtp-value` (RFC 5321 4.1.2), free text goes through
xtext (RFC 3461 4), and an address in UTF-8 through the form of its own (RFC 6533 3).
"""

from __future__ import annotations

from ..errors import InvalidMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..address import Address

_CONTROLS = bytes(range(0x20)) + b"\x7f"
_XTEXT = frozenset(range(0x21, 0x7F)) - {0x2B, 0x3D}


def checked(text: str, count: int) -> bytes:
    """Return `count` commands that were put together, as octets. Raises `InvalidMessage` when they would be others."""
    data = text.encode("utf-8")
    if len(data.translate(None, _CONTROLS)) != len(data) - 2 * count:
        raise InvalidMessage("command", text, "holds a control character")
    return data


def path(address: Address | None, *, utf8: bool) -> str:
    """Return an address as it stands between angle brackets; the null path for None."""
    if address is None:
        return ""
    return address.addr_spec if utf8 else address.ascii_addr_spec


def xtext(text: str) -> str:
    """Return text in the form a DSN parameter carries it (RFC 3461 4).

    >>> xtext("a+b=c d")
    'a+2Bb+3Dc+20d'
    """
    return "".join(chr(octet) if octet in _XTEXT else f"+{octet:02X}" for octet in text.encode("utf-8"))


def original_recipient(where: str) -> str:
    r"""Return a recipient's path in the form ORCPT carries it, with its type (RFC 3461 4.2, RFC 6533 3).

    >>> original_recipient("a+b@example.com")
    'rfc822;a+2Bb@example.com'
    >>> print(original_recipient("zoë+b@example.com"))
    utf-8;zoë\x{2B}b@example.com
    """
    if where.isascii():
        return f"rfc822;{xtext(where)}"
    # In UTF-8 a + begins nothing: who reads it takes \x{…} alone for an encoded character.
    return "utf-8;" + "".join(rf"\x{{{ord(char):X}}}" if char in " +=\\" else char for char in where)
