"""The envelope: the reverse-path, the recipients, and what delivery-status notifications are wished for.

The envelope, not the header, decides where a mail goes. `Message` computes one, or the caller gives one for a mailing
list or a resend.

Rules of the file: frozen; addresses are kept as `Address`, so that no later stage can meet an invalid one; each
recipient stands once.
"""

from __future__ import annotations

from .address import Address
from .errors import InvalidMessage
from .frozen import IS_FREE, Frozen, refrozen, thawed
from .grammar.characters import text_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from typing import Any

NOTIFY = ("never", "success", "failure", "delay")


class DSN(Frozen):
    """Wishes for delivery-status notifications (RFC 3461).

    `notify` is any of `"success"`, `"failure"`, `"delay"`, or `"never"` alone; `ret` is `"full"` or `"headers"`;
    `envid` is your own name for the mail, returned in notifications (printable ASCII, at most 100 characters).
    `recipients` maps an addr-spec to a `notify` of its own.

    >>> DSN(notify=["failure", "delay"], ret="headers").notify
    ('failure', 'delay')
    """

    __slots__ = ("envid", "notify", "recipients", "ret")
    notify: tuple[str, ...]
    ret: str | None
    envid: str | None
    recipients: dict[str, tuple[str, ...]]

    def __init__(
        self,
        *,
        notify: str | Iterable[str] = (),
        ret: str | None = None,
        envid: str | None = None,
        recipients: Mapping[str, str | Iterable[str]] | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "notify", _notify(notify, "notify"))
        if ret not in (None, "full", "headers"):
            raise InvalidMessage("ret", ret, 'must be "full" or "headers"')
        if envid is not None and not (
            isinstance(envid, str) and 0 < len(envid) <= 100 and envid.isascii() and envid.isprintable()
        ):
            raise InvalidMessage("envid", envid, "must be 1 to 100 printable ASCII characters")
        if recipients is not None and not hasattr(recipients, "items"):
            raise InvalidMessage("recipients", recipients, "must be a mapping of addr-specs to wishes")
        put(self, "ret", ret)
        put(self, "envid", envid)
        put(
            self,
            "recipients",
            {
                Address.of(who, "recipients").key: _notify(wish, f"recipients[{who!r}]")
                for who, wish in (recipients or {}).items()
            },
        )

    def for_recipient(self, address: Address) -> tuple[str, ...]:
        """Return the wishes for this recipient."""
        return self.recipients.get(address.key, self.notify)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive JSON."""
        return {
            "notify": list(self.notify),
            "ret": self.ret,
            "envid": self.envid,
            "recipients": {who: list(wish) for who, wish in self.recipients.items()},
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DSN:
        """Return the wishes that `to_dict` described. Raises `InvalidMessage` for a key that there is not."""
        for key in data:
            if key not in cls.__slots__:
                raise InvalidMessage(key, data[key], f"is no wish; there are {', '.join(cls.__slots__)}")
        return cls(**data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DSN) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.notify, self.ret, self.envid))

    def __repr__(self) -> str:
        return f"DSN(notify={self.notify!r}, ret={self.ret!r}, envid={self.envid!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return DSN.from_dict, (self.to_dict(),)


def _notify(wish: str | Iterable[str], argument: str) -> tuple[str, ...]:
    if not hasattr(wish, "__iter__"):
        raise InvalidMessage(argument, wish, f"may hold {', '.join(NOTIFY)}")
    words = (wish,) if isinstance(wish, str) else tuple(wish)
    if not all(word in NOTIFY for word in words):
        raise InvalidMessage(argument, wish, f"may hold {', '.join(NOTIFY)}")
    # RFC 3461 4.1: NEVER must stand alone
    if "never" in words and len(words) > 1:
        raise InvalidMessage(argument, wish, '"never" must stand alone')
    return words


class Envelope(Frozen):
    """Where a mail goes and where its bounces go.

    `Envelope(return_path, recipients)`: `return_path` is an addr-spec, or `""` for the null path, `<>`; `recipients`
    any iterable of addresses, at least one, each kept once. `addresses` are the recipients as `Address`; `sender` the
    reverse-path as one, None for the null path.

    >>> envelope = Envelope("bounces@example.com", ["zoe@example.com", "zoe@EXAMPLE.com"])
    >>> envelope.return_path, envelope.recipients
    ('bounces@example.com', ('zoe@example.com',))
    """

    __slots__ = ("addresses", "dsn", "require_tls", "sender")
    sender: Address | None
    addresses: tuple[Address, ...]
    dsn: DSN | None
    require_tls: bool

    def __init__(
        self,
        return_path: str | Address,
        recipients: str | Address | Iterable[str | Address],
        *,
        dsn: DSN | None = None,
        require_tls: bool = False,
    ) -> None:
        addresses = Address.many(recipients, "recipients")
        if not addresses:
            raise InvalidMessage("recipients", recipients, "there is nobody to send to")
        if dsn is not None and not isinstance(dsn, DSN):
            raise InvalidMessage("dsn", dsn, "must be a DSN, such as DSN(notify='failure')")
        put = object.__setattr__
        put(self, "sender", reverse_path(return_path))
        put(self, "addresses", once(addresses))
        put(self, "dsn", dsn)
        put(self, "require_tls", require_tls)

    @property
    def return_path(self) -> str:
        """The reverse-path as an addr-spec, `""` for the null path."""
        return "" if self.sender is None else self.sender.addr_spec

    @property
    def recipients(self) -> tuple[str, ...]:
        """The recipients as addr-specs."""
        return tuple([address.addr_spec for address in self.addresses])

    @property
    def needs_smtputf8(self) -> bool:
        """True when an address has a local part that only SMTPUTF8 can carry (RFC 6531)."""
        sender = self.sender
        if sender is not None and not sender.local.isascii():
            return True
        for address in self.addresses:  # noqa: SIM110  # a generator would take longer than all of it
            if not address.local.isascii():
                return True
        return False

    def narrowed(self, recipients: Container[str]) -> Envelope:
        """Return the same envelope for only these of its recipients (addr-specs)."""
        return Envelope(
            "" if self.sender is None else self.sender,
            [address for address in self.addresses if address.addr_spec in recipients],
            dsn=self.dsn,
            require_tls=self.require_tls,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that survive JSON."""
        data: dict[str, Any] = {"return_path": self.return_path, "recipients": list(self.recipients)}
        if self.dsn is not None:
            data["dsn"] = self.dsn.to_dict()
        if self.require_tls:
            data["require_tls"] = True
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Envelope:
        """Return the envelope that `to_dict` described."""
        dsn = data.get("dsn")
        return cls(
            data["return_path"],
            data["recipients"],
            dsn=None if dsn is None else DSN.from_dict(dsn),
            require_tls=data.get("require_tls", False),
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Envelope):
            return NotImplemented
        return self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.return_path, self.recipients))

    def __repr__(self) -> str:
        return f"Envelope({self.return_path!r}, {list(self.recipients)!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return Envelope.from_dict, (self.to_dict(),)


_Open = thawed(Envelope)


def envelope_of(
    sender: Address | None,
    addresses: tuple[Address, ...],
    dsn: DSN | None = None,
    *,
    require_tls: bool = False,
) -> Envelope:
    """Return an envelope of addresses that are checked already and stand once each."""
    envelope = _Open()
    envelope.sender = sender
    envelope.addresses = addresses
    envelope.dsn = dsn
    envelope.require_tls = require_tls
    if IS_FREE:
        return refrozen(envelope, Envelope)
    envelope.__class__ = Envelope
    frozen: Envelope = envelope
    return frozen


def reverse_path(path: object) -> Address | None:
    """Return the reverse-path that `""`, `"<>"` or an address spells; None is the null path (RFC 5321 4.5.5).

    >>> reverse_path("<>"), reverse_path("bounces@example.com")
    (None, Address('bounces@example.com'))
    """
    return None if text_of(path) in ("", "<>") else Address.of(path, "return_path")


def once(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    """Return the addresses with repetitions left out, the first of each kept."""
    if len(addresses) == 1:
        return addresses
    seen: dict[str, Address] = {}
    for address in addresses:
        seen.setdefault(address.key, address)
    return tuple(seen.values())
