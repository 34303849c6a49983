"""`UnsubscribeWay`: how the one recipient of a message leaves, as the two header fields of RFC 8058.

`Message.unsubscribe` makes it; the snapshot asks it for the fields.

Rules of the file: the link is https, since whoever has it acts for the recipient (RFC 8058 3.1); it is personal, so a mail
to several has none; nothing is left in it that was to be filled in.
"""

from __future__ import annotations

import re

from ..address import Address
from ..errors import InvalidAddress, InvalidMessage
from ..frozen import Frozen
from ..grammar.identifiers import ONE_CLICK, uris_fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    Link: TypeAlias = str | Callable[[Address], str]

_RECIPIENT = "{recipient}"
_HOLE = re.compile(r"\{[^\W\d]\w*\}")


class UnsubscribeWay(Frozen):
    """A link and, where there is one, an address to write to.

    `url` is https; `{recipient}` in it becomes the addr-spec, percent-encoded. Or it is a function that is called with the
    recipient's `Address` and returns the link, such as an `UnsubscribeLinks`. `mailto` is an address, or a `mailto:` URI.

    Raises `InvalidMessage`, naming the argument.
    """

    __slots__ = ("mailto", "url")
    url: Link
    mailto: str | None

    def __init__(self, url: Link, mailto: str | Address | None = None) -> None:
        if isinstance(url, str):
            _check(url, _HOLE.sub("x", url))
        elif not callable(url):
            raise InvalidMessage(
                "url", url, "must be an https link, or a function that makes one for an address"
            )
        object.__setattr__(self, "url", url)
        object.__setattr__(self, "mailto", None if mailto is None else _mailto(mailto))

    def link_for(self, recipients: Sequence[Address]) -> str:
        """Return the link for the recipients, who are one; none, when the link is the same for everybody."""
        if len(recipients) > 1:
            raise InvalidMessage(
                "unsubscribe",
                [address.addr_spec for address in recipients],
                "a one-click link is one recipient's: send personal copies, such as message.merge(rows)",
            )
        url = self.url
        if isinstance(url, str):
            if "{" not in url:
                return url
            if _RECIPIENT in url and recipients:
                from urllib.parse import quote

                url = url.replace(_RECIPIENT, quote(recipients[0].ascii_addr_spec, safe=""))
            if hole := _HOLE.search(url):
                raise InvalidMessage("unsubscribe", url, f"nothing was put in the place of {hole[0]}")
            return url
        if not recipients:
            raise InvalidMessage("unsubscribe", [], "a personal link needs its recipient: to is empty")
        link = url(recipients[0])
        if not isinstance(link, str):
            raise InvalidMessage("unsubscribe", link, "the function must return an https link as a str")
        _check(link, link)
        return link

    def fields_for(self, recipients: Sequence[Address]) -> tuple[tuple[str, str], tuple[str, str]]:
        """Return the names and values of the two header fields. Raises `InvalidMessage` for several recipients.

        >>> UnsubscribeWay("https://example.com/u?a={recipient}", "leave@example.com").fields_for([Address("zoe@example.com")])[0]
        ('List-Unsubscribe', '<https://example.com/u?a=zoe%40example.com>, <mailto:leave@example.com>')
        """
        value = f"<{self.link_for(recipients)}>"
        if self.mailto is not None:
            value = f"{value}, <{self.mailto}>"
        return ("List-Unsubscribe", value), ("List-Unsubscribe-Post", ONE_CLICK)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnsubscribeWay):
            return NotImplemented
        return self.url == other.url and self.mailto == other.mailto

    def __hash__(self) -> int:
        return hash((self.url, self.mailto))

    def __repr__(self) -> str:
        return f"<UnsubscribeWay by {self.url if isinstance(self.url, str) else 'a personal link'}>"

    def __reduce__(self) -> tuple[object, ...]:
        return UnsubscribeWay, (self.url, self.mailto)


def _fault(uri: str) -> str:
    """Return what keeps this from being one URI in brackets; a bracket of its own would begin another."""
    return "a bracket in a URI is written %3C or %3E" if "<" in uri or ">" in uri else uris_fault(f"<{uri}>")


def _check(given: str, url: str) -> None:
    """Raise `InvalidMessage` for what is no https link."""
    from urllib.parse import urlsplit

    reason = _fault(url)
    if not reason:
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts, host = None, None
        if parts is None or parts.scheme != "https" or not host:
            reason = "must be an https link: one-click unsubscribing works over TLS alone (RFC 8058 3.1)"
        elif parts.fragment:
            reason = "must have no #fragment: no request carries it"
        elif "{" in url or "}" in url:
            reason = "a brace that is no {name} is written %7B or %7D"
    if reason:
        raise InvalidMessage("url", given, reason)


def _mailto(mailto: str | Address) -> str:
    if isinstance(mailto, str) and mailto[:7].lower() == "mailto:":
        reason = _fault(mailto) or ("" if "@" in mailto else "has no address")
        if reason:
            raise InvalidMessage("mailto", mailto, reason)
        return mailto
    from urllib.parse import quote

    try:
        address = Address.of(mailto, "mailto")
    except InvalidAddress as error:
        raise InvalidMessage("mailto", mailto, error.reason) from None
    if not address.domain:
        raise InvalidMessage("mailto", mailto, "must have a domain: other people are to write there")
    if address.needs_smtputf8:
        raise InvalidMessage("mailto", mailto, "must have a local part in ASCII")
    return "mailto:" + quote(address.ascii_addr_spec, safe="@!$'*+-.^_`|~")
