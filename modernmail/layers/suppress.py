"""`Suppress`: addresses that are not to be mailed any more."""

from __future__ import annotations

from contextlib import suppress

from ..address import Address
from ..errors import ConfigurationError, InvalidAddress, Withheld
from ..grammar.characters import read_quoted
from ..grammar.mailbox import split_addr_spec
from .layer import Layer, Stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any, Protocol

    from ..parcel import Parcel
    from ..runtime import IO

    class SuppressionStore(Protocol):
        """Where suppressed addresses are kept. `is_local` says that `find` never blocks."""

        is_local: bool

        def find(self, keys: tuple[str, ...]) -> dict[str, str]:
            """Return those of the keys (addr-specs in small letters) that are suppressed, each with the reason, or ""."""
            ...

    Lookup = Callable[[str], bool | Awaitable[bool]]


def suppression_key(address: Address | str) -> str:
    """Return how an address stands in a store: local part and A-label domain in small letters, without quotes that say nothing.

    >>> suppression_key("Zoë <Zoe@BÜCHER.example>"), suppression_key('"zo\\\\e"@example.com')
    ('zoe@xn--bcher-kva.example', 'zoe@example.com')
    """
    return _key_of(Address.of(address))


def _key_of(address: Address) -> str:
    key = address.ascii_addr_spec.lower()
    return key if key[:1] != '"' else _unquoted(key)


def _unquoted(key: str) -> str:
    """Return an addr-spec with a quoted local part in one of the forms that mean the same mailbox (RFC 5321 4.1.2)."""
    said, end = read_quoted(key, 0)
    if not said.startswith('"'):
        with suppress(InvalidAddress):
            split_addr_spec(f"{said}{key[end:]}")
            return f"{said}{key[end:]}"
    said = said.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{said}"{key[end:]}'


class MemorySuppressions:
    """Suppressed addresses in this process; `add`, `discard`, `in` and iteration take and give addresses.

    >>> store = MemorySuppressions(["gone@example.com"])
    >>> store.add("zoe@example.com", "complained")
    >>> "ZOE@example.com" in store
    True
    """

    is_local = True

    def __init__(self, addresses: Iterable[str | Address] = ()) -> None:
        self._reasons: dict[str, str] = {suppression_key(address): "" for address in addresses}

    def add(self, address: str | Address, reason: str = "") -> None:
        """Suppress an address from now on."""
        self._reasons[suppression_key(address)] = reason

    def discard(self, address: str | Address) -> None:
        """Suppress it no more."""
        self._reasons.pop(suppression_key(address), None)

    def find(self, keys: tuple[str, ...]) -> dict[str, str]:
        """Return those of the keys that are suppressed, each with its reason."""
        reasons = self._reasons
        found = {}
        for key in keys:
            if key in reasons:
                found[key] = reasons[key]
        return found

    def __contains__(self, address: object) -> bool:
        return isinstance(address, (str, Address)) and suppression_key(address) in self._reasons

    def __iter__(self) -> Any:
        return iter(tuple(self._reasons))

    def __len__(self) -> int:
        return len(self._reasons)


class Suppress(Layer):
    """Send nothing to the addresses in `store`: they are rejected here, and the others get the mail.

    `store` is an iterable of addresses, a `MemorySuppressions`, a `SQLiteSuppressions(path)`, or a function that is called
    with an addr-spec and says whether it is suppressed; a function may be async when sending is. A store that cannot be
    asked defers the mail. When everybody is suppressed, `send()` raises `Withheld`.

    >>> from modernmail import Mailer
    >>> mailer = Mailer("smtp://mail.example.com", layers=[Suppress(["gone@example.com"])])
    """

    def __init__(self, store: SuppressionStore | Iterable[str | Address] | Lookup) -> None:
        self._lookup: Lookup | None = None
        self.store: SuppressionStore | None = None
        is_text = isinstance(store, (str, bytes))
        if hasattr(store, "find") and not is_text:
            self.store = store  # type: ignore[assignment]
        elif callable(store):
            self._lookup = store
        elif is_text or not hasattr(store, "__iter__"):
            raise ConfigurationError(
                f"store={store!r}: must be a list of addresses, a store such as SQLiteSuppressions(path), or a function"
            )
        else:
            self.store = MemorySuppressions(store)  # type: ignore[arg-type]

    async def before(self, parcel: Parcel, io: IO) -> Parcel | Stop:
        """Return the parcel without the recipients that are suppressed."""
        addresses = parcel.envelope.addresses
        if len(addresses) == 1:
            keys: tuple[str, ...] = (_key_of(addresses[0]),)
        else:
            keys = tuple(map(_key_of, addresses))
        store = self.store
        found = store.find(keys) if store is not None and store.is_local else await self._found(keys, io)
        if not found:
            return parcel
        left = [address.addr_spec for address, key in zip(addresses, keys, strict=True) if key not in found]
        why = next((f": {reason}" for reason in found.values() if reason), "")
        reason = f"the address is suppressed{why}" if len(found) == 1 else "the addresses are suppressed"
        error = Withheld(f"{reason}; nothing was sent to {', '.join(found)}")
        return Stop(reason, rest=parcel.narrowed(left) if left else None, error=error)

    async def _found(self, keys: tuple[str, ...], io: IO) -> dict[str, str]:
        if self.store is not None:
            return await io.run(self.store.find, keys)
        assert self._lookup is not None
        return {key: "" for key in keys if await _answer(self._lookup, key, io)}

    async def close(self, io: IO) -> None:
        """Close the store; the next mail opens it again."""
        close = getattr(self.store, "close", None)
        if close is not None:
            close()

    def __repr__(self) -> str:
        return f"<Suppress by {self.store or self._lookup!r}>"


async def _answer(lookup: Lookup, key: str, io: IO) -> bool:
    """Return what a function says; one that is not async runs where it may block."""
    from inspect import iscoroutinefunction

    answer = lookup(key) if iscoroutinefunction(lookup) else await io.run(lookup, key)
    if isinstance(answer, bool):
        return answer
    if hasattr(answer, "__await__"):
        return bool(await answer)
    return bool(answer)
