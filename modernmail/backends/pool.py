"""Open connections to one server, kept for the next mail: `Pool`, and the decision `choose`.

`pools.py` keeps one for sync callers and one for each event loop.

Rules of the file: decide in a pure function, act at the edge; a wire in doubt is closed, never reused; who waits is served
in the order of coming, by a wire or a place that is handed over, so that nobody who comes later can take it; whatever
interrupts a step, the wire it had in hand is given back or closed.
"""

from __future__ import annotations

from collections import deque
from math import inf
from threading import RLock
from weakref import WeakSet, finalize

from ..insight.connections import Connections

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Literal, Protocol

    from ..runtime import IO, Signal
    from ..smtp.settings import Settings
    from ..smtp.wire import Wire

    class Stream(Protocol):
        """One that sends over wires of the pool; `turns` is odd while a mail of it is on its way."""

        turns: int


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


class _Turn:
    """One who waits: served when a wire, or the place to open one, is handed over."""

    __slots__ = ("is_served", "signal", "wire")

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self.is_served = False
        self.wire: Wire | None = None


class Pool:
    """At most `settings.pool` wires, opened when they are needed.

    `open_wire` opens one before the moment it is given.
    """

    def __init__(self, settings: Settings, open_wire: Callable[[float], Awaitable[Wire]]) -> None:
        self._settings = settings
        self._open_wire = open_wire
        self._idle: list[Wire] = []  # always this list: the finalizer has it
        self._connections = Connections(settings.where)
        finalize(self, _abandon, self._idle, self._connections)
        self._begin()

    def _begin(self) -> None:
        # Reentrant: a sending that is dropped while the collector runs gives its wire back at that very moment.
        self._lock = RLock()
        self._places = 0  # taken by wires in use, and by those that are being opened
        self._used: set[Wire] = set()
        self._retired: set[Wire] = set()  # of those, the ones that the pool was closed over
        self._waiting: deque[_Turn] = deque()
        self._streams: WeakSet[Stream] = WeakSet()
        self.drainers: list[Signal] = []  # to be set when a stream has ended a turn

    # -- taking a wire, and giving it back ---------------------------------------------------------------------

    async def acquire(self, io: IO, until: float = inf) -> Wire | None:
        """Return a wire that nobody else uses, to be given back with `release`; None when none is free in time.

        Raises what opening one raises.
        """
        with self._lock:
            turn, wire, stale = self._take(io)
        try:
            for one in stale:
                self._connections.closing(one)
                await one.close(polite=True, until=until)
            if turn is not None:
                if not await self._served(turn, io, until):
                    return None
                wire = turn.wire
            if wire is not None:
                return wire
            await io.at_exit(self.close)
            wire = await self._connections.opened(self._open_wire(until), io)
        except BaseException:
            _abandon(stale, self._connections)
            if turn is None or turn.is_served:
                self._hand_on(wire if turn is None else turn.wire, keep=True)
            raise
        with self._lock:
            self._used.add(wire)
        return wire

    def _take(self, io: IO) -> tuple[_Turn | None, Wire | None, list[Wire]]:
        """Decide: return a turn to wait for, or a wire, or neither, which means to open one; and what to close."""
        open_count = self._places + len(self._idle)
        action, wire, stale = choose(self._idle, open_count, io.now(), self._settings)
        for one in stale:
            self._idle.remove(one)
        if action == "wait":
            turn = _Turn(io.signal())
            self._waiting.append(
                turn
            )  # nothing is idle, and no place is free, while somebody is in this line
            return turn, None, stale
        self._places += 1
        if wire is not None:
            self._idle.remove(wire)
            self._used.add(wire)
        return None, wire, stale

    async def _served(self, turn: _Turn, io: IO, until: float) -> bool:
        """Wait for what is handed over; return False when nothing was in time."""
        if until == inf:
            until = io.now() + self._settings.final_timeout
        try:
            while not turn.is_served and (left := until - io.now()) > 0:
                await turn.signal.wait(left)
        finally:
            with self._lock:
                if not turn.is_served:
                    self._waiting.remove(turn)
        return turn.is_served

    async def release(self, wire: Wire, io: IO, until: float = inf) -> None:
        """Take a wire back; one that is not good for another mail is closed."""
        wire.last_used = io.now()
        with self._lock:
            is_ours = wire in self._used
            keep = is_ours and wire not in self._retired and not wire.is_broken
            keep = keep and wire.served < self._settings.max_messages
            self._retired.discard(wire)
        try:
            if not keep:
                self._connections.closing(wire)
                await wire.close(polite=True, until=until)
        finally:
            if is_ours:
                self._hand_on(wire, keep=keep)

    def _hand_on(self, wire: Wire | None, *, keep: bool = False) -> None:
        """A place is free, with its wire or without: it is for who has waited longest, or for nobody yet."""
        with self._lock:
            if wire is not None:
                self._used.discard(wire)
            if not self._waiting:
                self._places -= 1
                if wire is not None and keep:
                    self._idle.append(wire)
                return
            turn = self._waiting.popleft()
            turn.is_served = True
            if wire is not None and keep and wire.is_usable():
                turn.wire = wire
                self._used.add(wire)
        if wire is not None and turn.wire is None:
            self._connections.closing(wire)
            wire.abandon()
        turn.signal.set()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a wire."""
        return bool(self._waiting)

    # -- the end -----------------------------------------------------------------------------------------------

    def attend(self, stream: Stream) -> None:
        """Know of a stream that sends over these wires: `close` waits for the mail that it has on its way."""
        with self._lock:
            self._streams.add(stream)

    async def close(self, io: IO | None = None) -> None:
        """Close every idle wire; those in use are closed when they come back. The next mail opens the pool again.

        With `io` it drains: it waits for the mails that are on their way now, for the ordinary timeout at most.
        """
        if io is not None:
            await self._drain(io)
        with self._lock:
            wires = self._idle.copy()
            self._idle.clear()
            self._retired |= self._used
        while wires:
            wire = wires.pop()
            self._connections.closing(wire)
            try:
                await wire.close(polite=True)
            except BaseException:
                _abandon(wires, self._connections)
                raise

    async def _drain(self, io: IO) -> None:
        until = io.now() + self._settings.timeout
        with self._lock:
            begun = [(stream, stream.turns) for stream in self._streams if stream.turns & 1]
        left = self._settings.timeout
        while left > 0 and any(stream.turns == turns for stream, turns in begun):
            signal = io.signal()
            self.drainers.append(signal)
            try:
                # A turn may have ended before the signal was there to be set.
                if any(stream.turns == turns for stream, turns in begun):
                    await signal.wait(left)
            finally:
                self.drainers.remove(signal)
            left = until - io.now()

    def turn_ended(self) -> None:
        """Tell who drains the pool that a stream has ended a turn."""
        for signal in self.drainers.copy():
            signal.set()

    def abandon(self) -> None:
        """Let go of every idle wire without a word to the server: its event loop is gone."""
        with self._lock:
            _abandon(self._idle, self._connections)

    def after_fork(self) -> None:
        """Begin anew in a child process: whatever was open belongs to the parent."""
        self._connections.forget()
        _abandon(self._idle, self._connections)
        self._begin()


def _abandon(wires: list[Wire], connections: Connections) -> None:
    """Let go of what is idle, also when the pool is collected, or the program ends."""
    for wire in wires:
        connections.closing(wire)
        wire.abandon()
    wires.clear()
