"""CapturedMail: one mail as it was caught, the envelope beside the bytes, neither of them changed."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TIME_DIGITS = 8
_RANDOM_DIGITS = 14
_RANDOM_BITS = 83  # what 14 digits hold


def new_id(milliseconds: int | None = None) -> str:
    """Return a fresh id: 22 letters and digits, the first eight are the time, so ids sort by arrival.

    `milliseconds` is the time since 1970; None takes the clock. No id can be guessed from another.

    >>> len(new_id()), new_id(1) < new_id(2)
    (22, True)
    """
    moment = time.time_ns() // 1_000_000 if milliseconds is None else milliseconds
    return digits_of(moment, _TIME_DIGITS) + digits_of(secrets.randbits(_RANDOM_BITS), _RANDOM_DIGITS)


def digits_of(number: int, count: int) -> str:
    """Return the last `count` digits of `number` to the base 62."""
    digits = []
    for _ in range(count):
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(reversed(digits))


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CapturedMail:
    """A mail as it was caught.

    `return_path` is what MAIL said (`""` is the null path), `recipients` what RCPT said, in order and
    letter for letter: whoever is here and not in the headers was a Bcc. `content` is the mail as it was
    sent, dot-stuffing undone. `options` and `recipient_options` are the ESMTP parameters as written
    (`"BODY=8BITMIME"`). `tls` is the TLS version or None; `user` who authenticated, or None.

    >>> mail = CapturedMail("shop@example.com", ("zoe@example.com",), b"Subject: Hi\\r\\n\\r\\nHello\\r\\n")
    >>> mail.size, mail.peer
    (22, None)
    """

    return_path: str
    recipients: tuple[str, ...]
    content: bytes = field(repr=False)
    id: str = field(default_factory=new_id)
    received_at: datetime = field(default_factory=_now)
    peer: str | None = None
    helo: str | None = None
    tls: str | None = None
    user: str | None = None
    options: tuple[str, ...] = ()
    recipient_options: tuple[tuple[str, ...], ...] = ()

    @property
    def size(self) -> int:
        """The content's length in octets."""
        return len(self.content)
