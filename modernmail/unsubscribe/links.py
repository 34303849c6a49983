"""`UnsubscribeLinks`: a signed link for each recipient, and the reading of what comes back by it.

Rules of the file: only a POST that says so unsubscribes, since scanners and previews open every link of a mail; keys are
never shown, and never leave the process.
"""

from __future__ import annotations

import time

from ..address import Address
from ..errors import ConfigurationError, InvalidMessage
from .token import Unsubscription, read_token, signed_token
from .way import UnsubscribeWay

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta
    from typing import Any, NoReturn

_LEAST = 16  # octets of a key
_TOKEN = "{token}"  # noqa: S105  # where it goes


class UnsubscribeLinks:
    """Links below `url` that only the holder of a key can make; call it with an address, or give it to a message.

    `url` is the https address of your page; the token stands where it says `{token}`, else in the query as `token=…`. `keys`
    is a secret of 16 octets or more, as bytes or str, or several: the first signs, and all are believed, so that a new key
    can be put in front while links of the old one still come back. `list_name` is what the links leave, and `lifetime` how
    long they work, for ever by default; the law of some countries asks for 30 days at least.

    Raises `ConfigurationError`.

    >>> from modernmail import Message
    >>> links = UnsubscribeLinks("https://shop.example/leave", "a secret of your deployment", list_name="news")
    >>> message = Message("News", "…", from_email="me@example.com", to="zoe@example.com").unsubscribe(links)
    >>> links.accept("POST", {"List-Unsubscribe": "One-Click"}, links.token_for("zoe@example.com"))
    <Unsubscription of zoe@example.com from news>
    """

    def __init__(
        self,
        url: str,
        keys: bytes | str | Iterable[bytes | str],
        *,
        list_name: str = "",
        lifetime: float | timedelta | None = None,
    ) -> None:
        try:
            UnsubscribeWay(url)
        except InvalidMessage as error:
            raise ConfigurationError(f"url={url!r}: {error.reason}") from None
        if not isinstance(list_name, str) or not list_name.isprintable():
            raise ConfigurationError(f"list_name={list_name!r}: must be a str of printable characters")
        self.url = url
        self.list_name = list_name
        self.lifetime = None if lifetime is None else _seconds(lifetime)
        self._keys = _checked(keys)

    def for_list(self, list_name: str) -> UnsubscribeLinks:
        """Return links of the same kind that leave another list; either reads the tokens of both."""
        return UnsubscribeLinks(self.url, self._keys, list_name=list_name, lifetime=self.lifetime)

    def token_for(self, address: str | Address) -> str:
        """Return the token of a recipient."""
        expires = None if self.lifetime is None else int(time.time() + self.lifetime)
        who = Unsubscription(Address.of(address).ascii_addr_spec, self.list_name)
        return signed_token(self._keys[0], who, expires)

    def __call__(self, address: str | Address) -> str:
        """Return the link of a recipient."""
        token = self.token_for(address)
        if _TOKEN in self.url:
            return self.url.replace(_TOKEN, token)
        return f"{self.url}{'&' if '?' in self.url else '?'}token={token}"

    def read(self, token: str) -> Unsubscription:
        """Return whose token it is and what it leaves, for a page that asks whether to. It unsubscribes nobody.

        Raises `InvalidLink` for one that was changed, that none of the keys has signed, or that has expired.
        """
        return read_token(self._keys, token, time.time())

    def accept(self, method: str, form: Mapping[str, Any], token: str) -> Unsubscription | None:
        """Return who unsubscribes by a request; None when it does not ask for it, and must change nothing.

        `method` is that of the HTTP request, `form` the fields of its body, each a str or a list of them, `token` what
        stood in the URL. Mail programs send `List-Unsubscribe=One-Click` by POST (RFC 8058 3.2); a button of your own page
        sends the same field, hidden. Raises `InvalidLink` for a token that is none.
        """
        if method.upper() != "POST":
            return None
        value = form.get("List-Unsubscribe")
        if isinstance(value, (list, tuple)):
            value = value[0] if len(value) == 1 else None
        return self.read(token) if value == "One-Click" else None

    def __repr__(self) -> str:
        return f"<UnsubscribeLinks {self.url} {self.list_name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("UnsubscribeLinks holds keys and is not pickled: queue the message by enqueue()")


def _checked(keys: bytes | str | Iterable[bytes | str]) -> tuple[bytes, ...]:
    given = (keys,) if isinstance(keys, (bytes, str)) else tuple(keys) if hasattr(keys, "__iter__") else ()
    found: list[bytes] = []
    for key in given:
        octets = key.encode("utf-8", "surrogatepass") if isinstance(key, str) else key
        if not isinstance(octets, bytes) or len(octets) < _LEAST:
            raise ConfigurationError(
                f"keys: each must be a secret of {_LEAST} octets or more, as bytes or str, such as secrets.token_urlsafe()"
            )
        found.append(octets)
    if not found:
        raise ConfigurationError(
            "keys: there is none, and a link that nobody signed could be made by anybody"
        )
    return tuple(found)


def _seconds(lifetime: float | timedelta) -> float:
    total = getattr(lifetime, "total_seconds", None)
    value = lifetime if total is None else total()
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
        raise ConfigurationError(f"lifetime={lifetime!r}: must be seconds or a timedelta, more than 0")
    return float(value)
