"""Fields of mailboxes as they stand on the wire: `From`, `To`, `Cc` … (RFC 5322 3.6.2, 3.6.3).

The renderer calls `mailboxes`; who has the items of such a field already calls `listed`.

Rules of the file: addresses are right, since they are `Address` values: here they are only laid out. A name is encoded as a whole
or not at all, and an addr-spec never; lines are folded as those with an encoded-word, since nearly every field may hold one.
"""

from __future__ import annotations

from ..address import set_cache
from ..grammar.characters import quoted
from .folding import CODED_WIDTH, folded
from .words import encoded_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..address import Address

_LONG_NAME_WORD = 300  # a word of a name beyond this is better encoded than left on a line of its own


def mailboxes(name: str, addresses: Sequence[Address], *, utf8: bool = False) -> str:
    """Return an address-list field; `utf8` writes addr-specs as RFC 6532 allows, otherwise domains are A-labels.

    >>> from modernmail.address import Address
    >>> mailboxes("To", [Address("Zoë <zoe@example.com>"), Address("bob@example.com")])
    'To: =?utf-8?q?Zo=C3=AB?= <zoe@example.com>, bob@example.com\\r\\n'
    """
    if len(addresses) == 1:
        text = addresses[0].cache
        if text is None or utf8:
            text = mailbox(addresses[0], utf8=utf8)
        if len(name) + 2 + len(text) <= CODED_WIDTH:
            return f"{name}: {text}\r\n"
    return listed(name, [mailbox(address, utf8=utf8) for address in addresses])


def listed(name: str, items: list[str]) -> str:
    """Return a field of items joined by commas, folded between items, and at the blanks of an item too long for a line."""
    out = [name, ":"]
    column = len(name) + 1
    last = len(items) - 1
    for at, item in enumerate(items):
        text = item if at == last else item + ","
        size = len(text) + 1
        if column + size <= CODED_WIDTH:
            out.append(" ")
            out.append(text)
            column += size
            continue
        if at:
            out.append("\r\n ")
            column = 1
        else:
            out.append(" ")
            column += 1
        if column + size - 1 > CODED_WIDTH:
            folded = _folded_item(text, column)
            if not at and column + len(folded.partition("\r")[0]) > CODED_WIDTH:
                # Legal, and the last resort: some readers take a field for empty whose first line is.
                out[-1], column = "\r\n ", 1
                folded = _folded_item(text, column)
            text = folded
        out.append(text)
        column = len(text) - text.rfind("\n") - 1 + (column if "\n" not in text else 0)
    out.append("\r\n")
    return "".join(out)


def _folded_item(text: str, column: int) -> str:
    """Return a mailbox folded at blanks: between words, in quotes or encoded, and before the addr-spec."""
    if column + len(text) <= CODED_WIDTH:
        return text
    if text.startswith('"'):
        close = text.rfind('" <') + 1
        if close <= 0:  # a quoted local part, no name: there is nowhere to fold
            return text
        return f"{folded(text[:close], column, CODED_WIDTH)}\r\n{text[close:]}"
    if " " not in text or "@" in text.partition(" ")[0]:
        return text
    phrase, blank, spec = text.partition(" <")
    return folded(phrase, column, CODED_WIDTH) + f"\r\n{blank}{spec}"


_PHRASE_SAFE = str.maketrans(
    "", "", "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~ "
)


def mailbox(address: Address, *, utf8: bool = False) -> str:
    """Return one mailbox as it stands in a field, unfolded: name plain, quoted or encoded, then the addr-spec."""
    if utf8:
        return f"{phrase(address.name)} <{address.addr_spec}>" if address.name else address.addr_spec
    text = address.cache
    if text is None:
        spec = address.ascii_addr_spec
        text = f"{phrase(address.name)} <{spec}>" if address.name else spec
        set_cache(address, text)
    return text


def phrase(name: str) -> str:
    """Return a display name as a phrase: atoms, one quoted-string, or encoded-words with a blank between each two."""
    if (
        name.isascii()
        and "=?" not in name
        and "\t" not in name
        and "  " not in name  # which Dovecot makes one, even in quotes
        and (len(name) <= 60 or max(map(len, name.split(" "))) <= _LONG_NAME_WORD)
    ):
        if not name.translate(_PHRASE_SAFE) and name[0] != " " and name[-1] != " ":
            return name
        return quoted(name)
    return " ".join(encoded_words(name, 66))
