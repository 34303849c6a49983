"""Open connections to one server, kept for the next mail: `Pool`, and the decision `choose`.

The SMTP backend has one for sync callers and one for asyncio.

Rules of the file: decide in a pure function, act at the edge; a wire in doubt is closed, never reused; who waits is served
in the order of coming; a wire of another process or event loop is let go without a word to the server, and so are the
idle ones of a pool that nobody has closed.
"""

from __future__ import annotations

import os
from collections import deque
from threading import RLock
from weakref import finalize

from ..errors import ConnectFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Literal

    from ..runtime import IO, Signal
    from ..smtp.settings import Settings
    from ..smtp.wire import Wire


def choose(
    idle: Sequence[Wire], open_count: int, now: float, settings: Settings
) -> tuple[Literal["reuse", "open", "wait"], Wire | None, list[Wire]]:
    """Return what to do for one who needs a wire, the wire to reuse, and the wires to close.

    `idle` are the wires nobody uses, the last used at the end; `open_count` all that are open, those included. The one
    used last is the warmest.
    """
    usable: list[Wire] = []
    stale: list[Wire] = []
    for wire in idle:
        is_good = (
            wire.is_usable() and now - wire.last_used <= settings.idle and wire.served < settings.max_messages
        )
        (usable if is_good else stale).append(wire)
    if usable:
        return "reuse", usable[-1], stale
    if open_count - len(stale) < settings.pool:
        return "open", None, stale
    return "wait", None, stale


def _patience() -> tuple[Literal["reuse", "open", "wait"], Wire | None, list[Wire]]:
    """Return the decision for one who comes while others wait."""
    return "wait", None, []


class Pool:
    """At most `settings.pool` wires, opened when they are needed."""

    def __init__(self, settings: Settings, open_wire: Callable[[], Awaitable[Wire]]) -> None:
        self._settings = settings
        self._open_wire = open_wire
        # Reentrant: a sending that is dropped while the collector runs gives its wire back at that very moment.
        self._lock = RLock()
        self._idle: list[Wire] = []  # always this list: the finalizer has it
        finalize(self, _abandon, self._idle)
        self._busy = 0
        self._waiting: deque[Signal] = deque()
        self._pid = os.getpid()
        self._is_closed = False

    async def acquire(self, io: IO) -> Wire:
        """Return a wire that nobody else uses; it must be given back with `release`.

        Raises `ConnectFailed` when none becomes free in time, and what opening one raises.
        """
        patience = self._settings.deadline or self._settings.final_timeout
        deadline = io.now() + patience
        signal: Signal | None = None
        while True:
            with self._lock:
                self._disown()
                self._is_closed = False
                action, wire, stale = _patience()
                if signal is not None or not self._waiting:
                    action, wire, stale = choose(
                        self._idle, self._busy + len(self._idle), io.now(), self._settings
                    )
                for one in stale:
                    self._idle.remove(one)
                if wire is not None:
                    self._idle.remove(wire)
                if action == "wait":
                    signal = io.signal()
                    self._waiting.append(signal)
                else:
                    self._busy += 1
            for one in stale:
                await one.close(polite=True)
            if wire is not None:
                return wire
            if action == "open":
                try:
                    await io.at_exit(self.close)
                    return await self._open_wire()
                except BaseException:
                    self._free()
                    raise
            assert signal is not None
            try:
                is_served = await signal.wait(max(0.0, deadline - io.now()))
            except BaseException:
                self._forget(signal)
                raise
            if not is_served:
                self._forget(signal)
                raise ConnectFailed(
                    f"all {self._settings.pool} connections to {self._settings.where} were busy for {patience:g} s",
                    is_transient=True,
                )

    async def release(self, wire: Wire, io: IO) -> None:
        """Take a wire back; a broken one is closed."""
        wire.last_used = io.now()
        keep = not wire.is_broken and not self._is_closed and wire.served < self._settings.max_messages
        if not keep:
            await wire.close(polite=True)
        self._free(wire if keep else None)

    def _free(self, wire: Wire | None = None) -> None:
        with self._lock:
            if self._pid != os.getpid():
                return
            self._busy -= 1
            if wire is not None:
                self._idle.append(wire)
            signal = self._waiting.popleft() if self._waiting else None
        if signal is not None:
            signal.set()

    def _forget(self, signal: Signal) -> None:
        """One who waited has gone: its turn, if it had come, is the next one's."""
        with self._lock:
            if signal in self._waiting:
                self._waiting.remove(signal)
                return
            following = self._waiting.popleft() if self._waiting else None
        if following is not None:
            following.set()

    def _disown(self) -> None:
        """After a fork the wires belong to the parent."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._idle.clear()
            self._busy = 0
            self._waiting = deque()

    async def close(self) -> None:
        """Close every idle wire; those in use are closed when they come back. The next mail opens the pool again."""
        with self._lock:
            self._disown()
            self._is_closed = True
            wires = self._idle.copy()
            self._idle.clear()
        for wire in wires:
            await wire.close(polite=True)


def _abandon(wires: list[Wire]) -> None:
    """Let go of what is idle when the pool is collected, or the program ends."""
    for wire in wires:
        wire.abandon()
    wires.clear()
