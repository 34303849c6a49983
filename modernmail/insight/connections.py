"""What a pool tells of its connections: `Connections`.

Rules of the file: a connection that was told to be open is told to be closed, once, to the same subscribers; nothing is kept
of one that was opened while nobody listened.
"""

from __future__ import annotations

from time import time

from ..errors import DeliveryError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any, Protocol, TypeVar

    from .subscribers import Teller

    class Caller(Protocol):
        """Who needs a connection: an `IO` that tells."""

        @property
        def is_async(self) -> bool:
            """Whether an event loop runs."""
            ...

        @property
        def tell(self) -> Teller | None:
            """Whom to tell."""
            ...

        def now(self) -> float:
            """Return seconds of a clock that never goes back."""
            ...

    W = TypeVar("W")


class Connections:
    """The connections to `host` that somebody was told of."""

    __slots__ = ("_host", "_open")

    def __init__(self, host: str) -> None:
        self._host = host
        self._open: dict[Any, tuple[Teller, bool]] = {}

    async def opened(self, opening: Awaitable[W], io: Caller) -> W:
        """Return the wire that is being opened, and tell whether that went well."""
        tell = io.tell
        if tell is None:
            return await opening
        from .events import Connected, ConnectionFailed

        began = io.now()
        try:
            wire = await opening
        except DeliveryError as error:
            kind, took = type(error).__name__, io.now() - began
            tell(
                ConnectionFailed(time(), self._host, io.is_async, took, kind, error.reply, error.is_transient)
            )
            raise
        self._open[wire] = (tell, io.is_async)
        tell(Connected(time(), self._host, wire.is_tls, io.is_async, io.now() - began))  # type: ignore[attr-defined]
        return wire

    def closing(self, wire: Any) -> None:
        """Tell that a wire is closed now, if it was told to be open."""
        told = self._open.pop(wire, None)
        if told is not None:
            from .events import ConnectionClosed

            tell, is_async = told
            tell(ConnectionClosed(time(), self._host, is_async, wire.served, wire.is_broken))

    def forget(self) -> None:
        """They are somebody else's now."""
        self._open.clear()
