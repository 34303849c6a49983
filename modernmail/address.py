"""Address: one mailbox, a display name and an addr-spec, checked by the one grammar that the library has.

Headers, envelopes and policies all take their addresses from here; the grammar itself is in `grammar`.
Rules of the file: what is accepted is kept as it was written; what is not raises `InvalidAddress`
with the whole value and one reason; time is linear in the input.
"""

from __future__ import annotations

from .errors import InvalidAddress
from .grammar.characters import BLANKS, quoted, refusal, text_of
from .grammar.domain import domain_ascii
from .grammar.mailbox import needs_quotes, split_addr_spec, split_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final, NoReturn

_KNOWN: dict[str, Address] = {}  # what was parsed of late: the same sender and recipients come again
_KNOWN_MOST: Final = 4096
_KNOWN_LONGEST: Final = 320
_WRITTEN: Final = "Address(name=…, addr_spec=…)"


class Address:
    """One mailbox: a display name, which may be empty, and an addr-spec.

    `text` is `addr-spec` or `Name <addr-spec>` (RFC 5322 mailbox; RFC 6532 for other scripts), an `Address`,
    or an `email.headerregistry.Address`. `name` (any text) and `addr_spec` may be given apart instead. Raises
    `InvalidAddress` for all that is not exactly one mailbox: lists, groups, comments, routes, controls.

    Frozen and hashable; equal to another when the name, the local part and the domain (in A-labels, letter
    case aside) are. A local part without a domain (`root`) is an address; a server may refuse it.

    Attributes:
        name: the display name without its quotes, "" when there is none; encoded-words in it are plain text
        local: the local part as written, with its quotes
        domain: the domain as written, "" when there is none
        domain_ascii: the domain in A-labels
        addr_spec: local@domain as written
        ascii_addr_spec: local@domain_ascii, which goes on the wire without SMTPUTF8

    >>> zoe = Address("Zoë <zoe@bücher.example>")
    >>> zoe.name, zoe.local, zoe.domain_ascii
    ('Zoë', 'zoe', 'xn--bcher-kva.example')
    >>> print(Address(name="Doe, Jane", addr_spec="jane@example.com"))
    "Doe, Jane" <jane@example.com>
    """

    __slots__ = ("addr_spec", "ascii_addr_spec", "cache", "domain", "domain_ascii", "local", "name")

    name: str
    local: str
    domain: str
    domain_ascii: str
    addr_spec: str
    ascii_addr_spec: str
    cache: str | None  # the renderer's: the mailbox as a header holds it; never compared, hashed or pickled

    def __new__(cls, text: object = None, *, name: object = None, addr_spec: object = None) -> Address:
        """Return the mailbox that `text`, or `name` and `addr_spec`, spell."""
        if addr_spec is not None and text is None:
            return _from_parts(cls, name, addr_spec)
        if addr_spec is not None or name is not None:
            reason = "give either the whole mailbox, or name= and addr_spec="
            raise InvalidAddress("address", addr_spec if text is None else text, reason)
        written = text_of(text)
        if written is not None:
            return _from_text(cls, written)
        if isinstance(text, Address):
            return _from_parts(cls, text.name, text.addr_spec)
        return _from_foreign(cls, text)

    @staticmethod
    def of(value: object, argument: str = "address") -> Address:
        """Return `value` itself when it is an `Address`, otherwise the address it spells.

        What was parsed lately is remembered. Raises `InvalidAddress`, naming `argument`.

        >>> Address.of("a@example.com") is Address.of("a@example.com")
        True
        """
        if type(value) is Address:
            return value
        try:
            if type(value) is not str or len(value) > _KNOWN_LONGEST:
                return value if isinstance(value, Address) else Address(value)
            known = _KNOWN.get(value)
            if known is None:
                known = _from_text(Address, value)
                if len(_KNOWN) >= _KNOWN_MOST:
                    _KNOWN.clear()
                _KNOWN[value] = known
        except InvalidAddress as error:
            raise error.within(argument) from None
        return known

    @staticmethod
    def many(value: object, argument: str = "addresses") -> tuple[Address, ...]:
        """Return the addresses in `value`: one mailbox, or an iterable of mailboxes.

        A `str` is always one mailbox: one that holds a list is refused. Raises `InvalidAddress`, naming the
        item as `to[2]`.

        >>> [address.addr_spec for address in Address.many(["a@example.com", "B <b@example.com>"])]
        ['a@example.com', 'b@example.com']
        """
        if type(value) is not list:
            if isinstance(value, (str, Address)) or hasattr(value, "addr_spec") or hasattr(value, "casefold"):
                return (Address.of(value, argument),)
            iterates = hasattr(value, "__iter__") and not hasattr(value, "keys")
            if not iterates or isinstance(value, (bytes, bytearray, memoryview)):
                reason = f"expected an address or a list of addresses, not {_kind(value)}"
                raise InvalidAddress(argument, value, reason)
            if _is_pair(value):
                reason = f"a name and an address are one mailbox: {_WRITTEN}; several addresses are a list"
                raise InvalidAddress(argument, value, reason)
        found = []
        items: Any = value
        for position, item in enumerate(items):
            try:
                found.append(Address.of(item))
            except InvalidAddress as error:
                raise error.within(f"{argument}[{position}]") from None
        return tuple(found)

    @property
    def needs_smtputf8(self) -> bool:
        """Whether only a server that offers SMTPUTF8 (RFC 6531) can take it: the local part is not ASCII."""
        return not self.local.isascii()

    @property
    def key(self) -> str:
        """The addr-spec to compare and deduplicate by: the domain in A-labels and small letters."""
        return f"{self.local}@{self.domain_ascii.lower()}" if self.domain else self.local

    def __str__(self) -> str:
        if not self.name:
            return self.addr_spec
        name = quoted(self.name) if needs_quotes(self.name) else self.name
        return f"{name} <{self.addr_spec}>"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Address):
            return NotImplemented
        return self.name == other.name and self.key == other.key

    def __hash__(self) -> int:
        return hash((self.name, self.key))

    def __setattr__(self, attribute: str, value: object) -> NoReturn:
        raise AttributeError(f"an Address is frozen: make a new one with another {attribute}")

    def __delattr__(self, attribute: str) -> NoReturn:
        raise AttributeError(f"an Address is frozen: {attribute} stays")

    def __copy__(self) -> Address:
        return self

    def __deepcopy__(self, memo: object) -> Address:
        return self

    def __reduce__(self) -> tuple[type[Address], tuple[str]]:
        return type(self), (str(self),)


# The slots' own setters: the one way past __setattr__, and the fastest.
_set_name = Address.__dict__["name"].__set__
_set_local = Address.__dict__["local"].__set__
_set_domain = Address.__dict__["domain"].__set__
_set_domain_ascii = Address.__dict__["domain_ascii"].__set__
_set_addr_spec = Address.__dict__["addr_spec"].__set__
_set_ascii_addr_spec = Address.__dict__["ascii_addr_spec"].__set__
set_cache = Address.__dict__["cache"].__set__


def _from_text(cls: type[Address], text: str) -> Address:
    try:
        name, addr_spec = split_name(text.strip(BLANKS))
        return _build(cls, name, addr_spec)
    except InvalidAddress as error:
        raise InvalidAddress("address", text, refusal(text) or error.reason) from None


def _from_parts(cls: type[Address], name: object, addr_spec: object) -> Address:
    written = text_of(addr_spec)
    if written is None:
        raise InvalidAddress("addr_spec", addr_spec, f"expected a str, not {_kind(addr_spec)}")
    display_name = "" if name is None else text_of(name)
    if display_name is None:
        raise InvalidAddress("name", name, f"expected a str, not {_kind(name)}")
    reason = refusal(display_name)
    if reason:
        raise InvalidAddress("name", display_name, reason)
    try:
        return _build(cls, display_name, written)
    except InvalidAddress as error:
        raise InvalidAddress("addr_spec", written, refusal(written) or error.reason) from None


def _from_foreign(cls: type[Address], value: object) -> Address:
    display_name = getattr(value, "display_name", None)
    addr_spec = getattr(value, "addr_spec", None)
    if isinstance(display_name, str) and isinstance(addr_spec, str):  # email.headerregistry.Address
        return _from_parts(cls, display_name, addr_spec)
    is_pair = isinstance(value, tuple) and len(value) == 2
    hint = f": a name and an address are {_WRITTEN}" if is_pair else ""
    raise InvalidAddress("address", value, f"expected a str or an Address, not {_kind(value)}{hint}")


def _build(cls: type[Address], name: str, addr_spec: str) -> Address:
    local, domain = split_addr_spec(addr_spec)
    on_wire = "" if domain is None else domain_ascii(domain)
    address = object.__new__(cls)
    set_cache(address, None)
    _set_name(address, name)
    _set_local(address, local)
    _set_domain(address, domain or "")
    _set_domain_ascii(address, on_wire)
    _set_addr_spec(address, addr_spec)
    _set_ascii_addr_spec(address, f"{local}@{on_wire}" if on_wire != (domain or "") else addr_spec)
    return address


def _is_pair(value: object) -> bool:
    """Whether this is how other libraries write a mailbox, `("Zoe", "zoe@example.com")`, which would be two here."""
    if not isinstance(value, tuple) or len(value) != 2:
        return False
    name, addr_spec = value
    return isinstance(name, str) and isinstance(addr_spec, str) and "@" not in name and "@" in addr_spec


def _kind(value: object) -> str:
    return "None" if value is None else type(value).__name__
