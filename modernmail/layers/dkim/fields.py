"""Which header fields are signed: the defaults, the preset for relays that rewrite, and the choice among those there are.

A field that is *oversigned* is named once more than it stands in the mail, so that a second one cannot be added on the way
without breaking the signature (RFC 6376 8.15): verifiers read the last of several, and many mail programs show the first. A
second Content-Type makes another mail of the same octets.
"""

from __future__ import annotations

from ...errors import ConfigurationError
from ...grammar.fields import stands_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OVERSIGNED = (
    "From", "To", "Cc", "Subject", "Reply-To", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
)  # fmt: skip

SIGNED = (
    "Date", "Message-ID", "Sender", "In-Reply-To", "References", "Content-ID", "Content-Description",
    "Auto-Submitted", "Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc", "Resent-Message-ID",
    "List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Subscribe", "List-Post", "List-Owner",
    "List-Archive", "Feedback-ID",
)  # fmt: skip

# Amazon SES writes Date and Message-ID anew, which breaks a signature over them.
AMAZON_SES = tuple(name for name in SIGNED if name not in ("Date", "Message-ID"))

PRESETS = {"amazon-ses": AMAZON_SES, "default": SIGNED}


_CHANGES = frozenset(("return-path", "received", "dkim-signature", "bcc", "resent-bcc"))


def names_of(argument: str, names: str | Iterable[str]) -> tuple[bytes, ...]:
    """Return field names in small letters, each once; a str names a preset. Raises `ConfigurationError`.

    >>> names_of("oversign", ["From", "TO", "from"])
    (b'from', b'to')
    """
    if isinstance(names, str):
        if names not in PRESETS:
            raise ConfigurationError(
                f"{argument}={names!r}: must be a list of header names, or one of {', '.join(sorted(PRESETS))}"
            )
        names = PRESETS[names]
    if not hasattr(names, "__iter__"):
        raise ConfigurationError(f"{argument}={names!r}: must be a list of header names")
    found: dict[bytes, None] = {}
    for name in names:
        is_name = isinstance(name, str) and name.isascii() and all("!" <= char <= "~" for char in name)
        if not is_name or not name or ":" in name or ";" in name:
            raise ConfigurationError(f"{argument}: {name!r} is no name of a header field")
        if name.lower() in _CHANGES:
            raise ConfigurationError(f"{argument}: {name} is written on the way and cannot be signed")
        found[name.lower().encode("ascii")] = None
    return tuple(found)


def chosen(
    present: Sequence[tuple[bytes, bytes]], oversigned: Sequence[bytes], signed: Sequence[bytes]
) -> tuple[list[bytes], list[bytes]]:
    """Return the names for the tag h=, and the fields to sign, in that order.

    `present` are the fields of the mail, names in small letters. Of fields that stand more than once the last comes first
    (RFC 6376 5.4.2). A signed field of which a mail may have one is oversigned when it is there.

    >>> chosen([(b"to", b"To: a"), (b"x", b"X: 1"), (b"x", b"X: 2")], [b"to", b"cc"], [b"x", b"date"])
    ([b'to', b'to', b'cc', b'x', b'x'], [b'To: a', b'X: 2', b'X: 1'])
    >>> chosen([(b"date", b"Date: a")], [b"to"], [b"date"])
    ([b'to', b'date', b'date'], [b'Date: a'])
    """
    by_name: dict[bytes, list[bytes]] = {}
    for name, field in present:
        by_name.setdefault(name, []).append(field)
    names: list[bytes] = []
    fields: list[bytes] = []
    for name in oversigned:
        there = by_name.get(name, [])
        names += [name] * (len(there) + 1)
        fields += reversed(there)
    for name in signed:
        there = by_name.get(name, [])
        if name not in oversigned and there:
            names += [name] * (len(there) + stands_once(name.decode("ascii")))
            fields += reversed(there)
    return names, fields
