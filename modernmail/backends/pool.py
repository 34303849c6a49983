"""Open connections to one server, kept for the next mail: `Pool`, and the decision `choose`.

`pools.py` keeps one for sync callers and one for each event loop.

Rules of the file: decide in a pure function, act at the edge; a wire in doubt is closed, never reused; who waits is served
in the order of coming, by a wire or a place that is handed over, so that nobody who comes later can take it; whatever
interrupts a step, the wire it had in hand is given back or closed. `standstill.py` tells when there is one place more.
"""

from __future__ import annotations

from collections import deque
from math import inf
from threading import RLock
from weakref import WeakKeyDictionary, finalize

from ..errors import AuthenticationFailed, ConnectFailed
from ..insight.connections import Connections
from .limit import Limit
from .standstill import Standstill, waits_for_itself

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from typing import Literal

    from ..errors import DeliveryError
    from ..runtime import IO, Signal
    from ..smtp.settings import Settings
    from ..smtp.wire import Wire
    from .standstill import Stream


def choose(
    idle: Sequence[Wire], open_count: int, now: float, settings: Settings, most: int
) -> tuple[Literal["reuse", "open", "wait"], Wire | None, list[Wire]]:
    """Return what to do for one who needs a wire, the wire to reuse, and the wires to close.

    `idle` are the wires nobody uses, the last used at the end; `open_count` all that are open, those included; `most` how
    many may be. The one used last is the warmest.
    """
    usable: list[Wire] = []
    stale: list[Wire] = []
    for wire in idle:
        is_good = wire.is_usable() and now - wire.last_used <= settings.idle and not _is_spent(wire, settings)
        (usable if is_good else stale).append(wire)
    if usable:
        return "reuse", usable[-1], stale
    if open_count - len(stale) < most:
        return "open", None, stale
    return "wait", None, stale


def _is_spent(wire: Wire, settings: Settings) -> bool:
    """Return whether a wire has carried what we or the server let it carry."""
    return wire.served >= min(settings.max_messages, wire.extensions.max_messages)


_LOOK = 1.0  # seconds after which one who waits looks for himself whether something is free


class _Turn:
    """One who waits: served as soon as his holder has a place.

    Who was `refused` a connection beside others waits for one of these, and in vain once there is none.
    """

    __slots__ = ("holder", "is_in_vain", "refused", "signal")

    def __init__(self, holder: object, signal: Signal, *, refused: bool = False) -> None:
        self.holder = holder
        self.signal = signal
        self.refused = refused
        self.is_in_vain = False


class Pool:
    """At most `settings.pool` wires, opened when they are needed.

    `open_wire` opens one before the moment it is given.
    """

    def __init__(self, settings: Settings, open_wire: Callable[[float], Awaitable[Wire]]) -> None:
        self._settings = settings
        self._open_wire = open_wire
        self._limit = Limit(settings.pool)
        self._idle: list[Wire] = []  # always this list: the finalizer has it
        self._connections = Connections(settings.where)
        finalize(self, _abandon, self._idle, self._connections)
        self._begin()

    def _begin(self) -> None:
        # Reentrant: a sending that is dropped while the collector runs gives its wire back at that very moment.
        self._lock = RLock()
        # Who has a place, and the wire that he has there, None while he opens one. An entry is a place: no exception of
        # a signal's can come between the count and what is counted.
        self._held: dict[object, Wire | None] = {}
        self._retired: set[Wire] = set()  # of those wires, the ones that the pool was closed over
        self._waiting: deque[_Turn] = deque()
        self._streams: WeakKeyDictionary[Stream, None] = WeakKeyDictionary()
        self._standstill = Standstill()
        self.drainers: list[Signal] = []  # to be set when a stream has ended a turn

    # -- taking a wire, and giving it back ---------------------------------------------------------------------

    async def acquire(self, io: IO, until: float = inf, holder: object = None) -> Wire | None:
        """Return a wire that nobody else uses, to be given back with `release`; None when none is free in time.

        Raises what opening one raises. A `holder` that is interrupted, wherever that is, owes nothing after `leave`.
        """
        if holder is None:
            holder = object()
        stale: list[Wire] = []
        try:
            with self._lock:
                turn = self._take(io, holder, stale)
            for one in stale:
                self._connections.closing(one)
                await one.close(polite=True, until=until)
            if turn is not None and not await self._served(turn, io, until):
                return None
            wire = self._held.get(holder)
            if wire is None:
                await io.at_exit(self.end)
            patience = 0.0
            while wire is None:
                try:
                    wire = await self._connections.opened(self._open_wire(until), io)
                except (ConnectFailed, AuthenticationFailed) as error:
                    turn = self._turn_beside(io, holder, error)
                    patience = patience or min(until, io.now() + self._patience_beside(io))
                    if turn is None or not await self._served(turn, io, patience):
                        raise
                    wire = self._held[holder]
                else:
                    self._held[holder] = wire
        except BaseException:
            _abandon(stale, self._connections)
            self.leave(holder, io, keep=True)
            raise
        return wire

    def _take(self, io: IO, holder: object, stale: list[Wire]) -> _Turn | None:
        """Decide: give a place, with a wire or to open one there, or return a turn to wait for; and what to close."""
        open_count = len(self._held) + len(self._idle)
        now = io.now()
        action, wire, found = choose(self._idle, open_count, now, self._settings, self._limit.at(now))
        for one in found:
            stale.append(one)
            self._idle.remove(one)
        if action == "wait" and not waits_for_itself(holder, self._held):
            self._standstill.look(self._held, now)
            turn = _Turn(holder, io.signal())
            # Nothing is idle, and no place is free, while somebody is in this line.
            self._waiting.append(turn)
            return turn
        if wire is not None:
            try:
                self._idle.remove(wire)
            except ValueError:  # the program ends, and the finalizer was quicker
                wire = None
        self._held[holder] = wire
        return None

    def _turn_beside(self, io: IO, holder: object, error: DeliveryError) -> _Turn | None:
        """Return a turn to wait for one of the other wires, in the place of one that was refused; None without any."""
        if isinstance(error, AuthenticationFailed) and not error.is_transient:
            return None
        with self._lock:
            others = len(self._held) - 1 + len(self._idle)
            if others < 1 or waits_for_itself(holder, self._held):
                return None
            del self._held[holder]
            self._limit.refused_beside(others, io.now())
            turn = _Turn(holder, io.signal(), refused=True)
            self._waiting.append(turn)
            self._serve(io)
            return turn

    def _patience_beside(self, io: IO) -> float:
        """Return for how many seconds to wait for one of the others: not long when they may wait for this mail."""
        is_still = self._standstill.places(self._held, io.now())
        return self._settings.timeout if is_still else self._settings.final_timeout

    async def _served(self, turn: _Turn, io: IO, until: float) -> bool:
        """Wait for what is handed over; return False when nothing was in time."""
        if until == inf:
            until = io.now() + self._settings.final_timeout
        try:
            while turn.holder not in self._held and not turn.is_in_vain and (left := until - io.now()) > 0:
                if not await turn.signal.wait(min(left, _LOOK)):
                    self._standstill.look(self._held, io.now())
                    self._serve(io)  # also as a signal may end a thread just before it hands over
        finally:
            with self._lock:
                if turn in self._waiting:
                    self._waiting.remove(turn)
        return turn.holder in self._held

    async def release(self, wire: Wire, io: IO, until: float = inf) -> None:
        """Take a wire back; one that is not good for another mail is closed."""
        wire.last_used = io.now()
        with self._lock:
            holders = [one for one, held in list(self._held.items()) if held is wire]
            keep = bool(holders) and wire not in self._retired and not wire.is_broken
            keep = keep and not _is_spent(wire, self._settings)
            open_count = len(self._held) + len(self._idle)
            if keep and open_count > self._settings.pool:
                more = self._standstill.places(self._held, wire.last_used)
                keep = open_count <= self._settings.pool + more
        try:
            if not keep:
                self._connections.closing(wire)
                await wire.close(polite=True, until=until)
        finally:
            for holder in holders:
                self.leave(holder, io, keep=keep)

    def leave(self, holder: object, io: IO, *, keep: bool = False) -> None:
        """Free the place of a holder, if he has one; his wire is closed without a word unless it is to be kept."""
        with self._lock:
            wire = self._held.pop(holder, None)
            if wire is not None and keep and not wire.is_broken and wire not in self._retired:
                self._idle.append(wire)
                wire = None
            self._serve(io)
        if wire is not None:
            self._retired.discard(wire)
            self._connections.closing(wire)
            wire.abandon()

    def _serve(self, io: IO) -> None:
        """Hand over what is free, a wire or a place, to those who wait, in the order of their coming."""
        with self._lock:
            if not self._held and not self._idle:
                for turn in [turn for turn in self._waiting if turn.refused]:
                    self._waiting.remove(turn)
                    turn.is_in_vain = True
                    turn.signal.set()
            while self._waiting:
                now = io.now()
                more = 0 if self._waiting[0].refused else self._standstill.places(self._held, now)
                open_count = len(self._held) + len(self._idle) - more
                action, wire, stale = choose(self._idle, open_count, now, self._settings, self._limit.at(now))
                for one in stale:
                    self._idle.remove(one)
                _abandon(stale, self._connections)
                if action == "wait":
                    return
                if wire is not None:
                    self._idle.remove(wire)
                turn = self._waiting[0]
                self._held[turn.holder] = wire
                self._waiting.popleft()
                turn.signal.set()

    @property
    def is_wanted(self) -> bool:
        """Whether somebody waits for a wire."""
        return bool(self._waiting)

    # -- the end -----------------------------------------------------------------------------------------------

    def attend(self, stream: Stream) -> None:
        """Know of a stream that sends over these wires: `close` waits for the mail that it has on its way."""
        with self._lock:
            self._streams[stream] = None

    async def close(self, io: IO | None = None) -> None:
        """Close every idle wire; those in use are closed when they come back. The next mail opens the pool again.

        With `io` it drains: it waits for the mails that are on their way now, for the ordinary timeout at most.
        """
        if io is not None:
            await self._drain(io)
        with self._lock:
            wires = self._idle.copy()
            self._idle.clear()
            self._retired.update(wire for wire in list(self._held.values()) if wire is not None)
        while wires:
            wire = wires.pop()
            self._connections.closing(wire)
            try:
                await wire.close(polite=True)
            except BaseException:
                _abandon(wires, self._connections)
                raise

    async def end(self) -> None:
        """Close every wire that no mail is on its way over: the loop ends, and a stream may be held by who never drives it again.

        One that is driven all the same is given another wire.
        """
        with self._lock:
            held = list(self._held.items())
        for holder, wire in held:
            if wire is not None and not getattr(holder, "turns", 1) & 1:
                await wire.close(polite=False)  # the server may wait for a content: there QUIT would be one
        await self.close()

    async def _drain(self, io: IO) -> None:
        until = io.now() + self._settings.timeout
        # By `keyrefs`, which copies in one step: streams come and go meanwhile.
        streams = [stream for reference in self._streams.keyrefs() if (stream := reference()) is not None]
        begun = [(stream, turns) for stream in streams if (turns := stream.turns) & 1]
        left = self._settings.timeout
        del streams
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
    # One at a time, each in one step: when the program ends, a daemon thread may take one of them for its mail just here.
    while wires:
        try:
            wire = wires.pop()
        except IndexError:
            return
        connections.closing(wire)
        wire.abandon()
