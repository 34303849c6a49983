"""Which addresses a pattern such as `*@example.com` stands for."""

from __future__ import annotations

import re

from ..errors import ConfigurationError, InvalidAddress
from ..grammar.domain import domain_ascii

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..address import Address


class Patterns:
    """A list of addresses and of patterns, in which `*` stands for anything, on its side of the `@`.

    Letter case does not count, and a domain may be written in Unicode. `known` are the answers given so far, by
    `ascii_addr_spec`. Raises `ConfigurationError` for what is neither.

    >>> from modernmail import Address
    >>> patterns = Patterns("allow", ["*@example.com", "qa-*@example.org", "zoe@example.net"])
    >>> [patterns.matches(Address(text)) for text in ("a@EXAMPLE.com", "qa-7@example.org", "a@b.example.com")]
    [True, True, False]
    """

    __slots__ = ("_patterns", "known", "texts")

    def __init__(self, argument: str, texts: str | Iterable[str]) -> None:
        if not hasattr(texts, "__iter__"):
            raise ConfigurationError(f"{argument}={texts!r}: must be a list of addresses and patterns")
        self.texts = (texts,) if isinstance(texts, str) else tuple(texts)
        self._patterns = [_compiled(argument, text) for text in self.texts]
        self.known: dict[str, bool] = {}

    def matches(self, address: Address) -> bool:
        """Return whether any pattern stands for this address."""
        key = address.ascii_addr_spec
        known = self.known.get(key)
        if known is None:
            low = key.lower()
            known = any(pattern.fullmatch(low) for pattern in self._patterns)
            if len(self.known) >= _MOST:
                self.known.clear()
            self.known[key] = known
        return known

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def __repr__(self) -> str:
        return ", ".join(self.texts) or "nobody"


_MOST = 10_000  # answers that are remembered


def _compiled(argument: str, text: str) -> re.Pattern[str]:
    local, at, domain = text.rpartition("@") if isinstance(text, str) else ("", "", "")
    if not at or not local or not domain or any(character.isspace() for character in text):
        raise ConfigurationError(
            f"{argument}: {text!r} is no address and no pattern: write zoe@example.com, or *@example.com (*@* is everybody)"
        )
    if not domain.isascii():
        try:
            # A label with a `*` in it can be in ASCII alone: nobody knows the A-label of a part.
            labels = [label if label.isascii() else domain_ascii(label) for label in domain.split(".")]
        except InvalidAddress as error:
            raise ConfigurationError(f"{argument}: {text!r}: {error.reason}") from None
        domain = ".".join(labels)
    # No @ in the domain's part: it is the last one that parts them.
    return re.compile(_glob(local.lower(), ".*") + "@" + _glob(domain.lower(), "[^@]*"))


def _glob(text: str, anything: str) -> str:
    return anything.join(re.escape(part) for part in text.split("*"))
