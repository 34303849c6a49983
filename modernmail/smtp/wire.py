"""The two-method contract between choreography and IO: `Wire.exchange` and `Wire.close`.

`wires/blocking.py` and `wires/aio.py` implement it; the pipeline and the pool use it.

Rules of the contract: an exchange writes octets and returns exactly as many replies as were asked for. When it raises,
whatever it raises, `replies` holds those that came, and the wire is broken: closed already, never to be used again.
A reply 421 ends the reading (RFC 5321 3.8): the exchange then raises with that reply as the last. What arrives while much
is written is read meanwhile, so that two sides that both write never wait for each other; a reply that comes before a
content is ended breaks its writing off.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from ..parcel import Parcel
    from ..reply import Reply
    from .extensions import Extensions
    from .outgoing import Outgoing
    from .patience import Patience

    class Source(Protocol):
        """Where parcels come from; `backends.backend.Parcels` says what its attributes mean."""

        @property
        def position(self) -> int:
            """The place in the input of the parcel given last."""
            ...

        @property
        def is_prompt(self) -> bool:
            """Whether the next parcel comes at once."""
            ...

        async def next(self) -> Parcel | None:
            """Return the next parcel; None ends the burst."""
            ...

    class Wire(Protocol):
        """An open, authenticated connection."""

        extensions: Extensions
        is_broken: bool
        is_fresh: bool  # no transaction was begun on it
        is_tls: bool
        is_verified: bool
        needs_reset: bool  # a transaction was begun and not ended: RSET must come first
        replies: list[Reply]
        served: int
        last_used: float

        async def exchange(
            self,
            data: bytes | Outgoing,
            count: int,
            patience: Patience,
            meanwhile: Callable[[], None] | None = None,
        ) -> list[Reply]:
            """Write the octets, then return the next `count` replies, each within its patience.

            Each block that is written must be taken within the ordinary timeout. `meanwhile` is called once all is
            written, before the replies are waited for.
            """
            ...

        def check(self) -> None:
            """Raise `WireFault`, the wire closed, when it is broken or the server has spoken unasked."""
            ...

        async def close(self, *, polite: bool, until: float = ...) -> None:
            """Close; `polite` sends QUIT first and does not wait long for its answer, nor past the moment `until`."""
            ...

        def abandon(self) -> None:
            """Let go of it without a word to the server, from anywhere."""
            ...

        def facts(self) -> dict[str, Any]:
            """Return what the session offers, as plain values."""
            ...

        def is_usable(self) -> bool:
            """Return whether it is open, belongs to this process and loop, and nothing unasked has arrived."""
            ...
