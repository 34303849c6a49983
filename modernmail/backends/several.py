"""One stream of receipts out of several backends: what `failover` and `roundrobin` share.

Rules of the file: one member's burst at a time, fed from the caller's source; a mail that a member could not take is taken
to the next, as the same parcel for the recipients that are left; who is accepted, rejected or unknown stays so; each parcel
that was pulled has one receipt.
"""

from __future__ import annotations

from collections import deque
from time import monotonic, time

from ..errors import AuthenticationFailed, ConnectFailed, SecurityFailed
from .backend import hurry
from .journey import Journey, curable_recipients, why
from .members import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..errors import MailError
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO
    from .backend import Parcels, Receipts
    from .members import Member


class SeveralReceipts:
    """The receipts of one burst; it is the source of parcels for the members' own bursts.

    `start` gives the member that comes first, asked at each burst of a member; `most` is how many parcels one member gets
    before the next has its turn, None for all.
    """

    def __init__(
        self,
        members: Sequence[Member],
        parcels: Parcels,
        io: IO,
        *,
        period: float,
        start: Callable[[], int],
        most: int | None = None,
    ) -> None:
        self._members = members
        self._parcels = parcels
        self._io = io
        self._period = period
        self._turn = start
        self._most = most
        self._start = 0
        self._given = 0  # parcels of the input that this burst got
        self._at: int | None = None  # the member whose burst it is
        self._stream: Receipts | None = None
        self._going: dict[int, Journey] = {}
        self._again: deque[Journey] = deque()  # to be taken to another member
        self._done: deque[Receipt] = deque()
        self._is_ended = False
        self.position = -1
        self.is_single = getattr(parcels, "is_single", False)

    # -- the members' side -------------------------------------------------------------------------------------

    @property
    def is_prompt(self) -> bool:
        """Whether the next parcel comes at once."""
        return bool(self._again) or self._parcels.is_prompt

    async def next_parcel(self) -> Parcel | None:
        """Return the next parcel for the member whose burst it is; None ends that burst."""
        if self._at is None:
            return None
        if self._again:
            journey = self._again[0]
            if self._choice(journey) != self._at:
                return None
            self._again.popleft()
            return self._give(journey)
        if self._is_ended or self._choice(None) != self._at or self._given == self._most:
            return None
        parcel = await self._parcels.next()
        if parcel is None:
            self._is_ended = True
            return None
        self._given += 1
        return self._give(Journey(parcel, self._parcels.position))

    def _give(self, journey: Journey) -> Parcel:
        assert self._at is not None
        tell = self._io.tell
        if tell is not None and journey.tried:
            from ..insight.events import FailedOver

            left, reason = journey.errors[-1]
            name, here = journey.parcel.message_id, self._members[self._at].name
            tell(FailedOver(time(), tell.sending, journey.position, name, left, here, str(reason)))
        journey.tried.append(self._at)
        self._going[journey.position] = journey
        self.position = journey.position
        return journey.parcel

    def _choice(self, journey: Journey | None) -> int | None:
        tried = () if journey is None else journey.tried
        return choose(self._members, tried, self._start, self._period, monotonic())

    # -- the caller's side -------------------------------------------------------------------------------------

    @property
    def is_under_way(self) -> bool:
        """Whether a mail may be on its way to the member whose burst it is."""
        return self._stream is not None and getattr(self._stream, "is_under_way", True)

    async def next(self) -> Receipt | None:
        """Return the next receipt; None when the source ended."""
        while not self._done:
            if self._stream is None and not await self._begin():
                return self._done.popleft() if self._done else None
            if self._stream is not None:
                await self._advance()
        return self._done.popleft()

    async def _begin(self) -> bool:
        """Begin a burst of the member whose turn it is; False when there is nothing left to do."""
        while self._again:
            at = self._choice(self._again[0])
            if at is not None:
                return self._open(at)
            self._settle(self._again.popleft(), None)
        if self._is_ended:
            return False
        self._start = self._turn()
        at = self._choice(None)
        if at is not None:
            return self._open(at)
        parcel = await self._parcels.next()
        if parcel is None:
            self._is_ended = True
            return False
        journey = self._going[self._parcels.position] = Journey(parcel, self._parcels.position)
        if all(member.refuses_us for member in self._members):
            raise journey.failure(self._members, self._members[0].error)
        del self._going[journey.position]
        self._settle(journey, None)
        return True

    def _open(self, at: int) -> bool:
        self._at = at
        self._given = 0
        self._stream = self._members[at].backend.deliver(_Source(self), self._io)
        return True

    async def _advance(self) -> None:
        """Take the next receipt of the member whose burst it is."""
        assert self._stream is not None
        assert self._at is not None
        member = self._members[self._at]
        try:
            receipt = await self._stream.next()
        except (AuthenticationFailed, SecurityFailed) as error:
            member.failed(error)
            stream, self._stream, self._at = self._stream, None, None
            for late in await stream.close():
                self._judge(member, late, error)
            return
        if receipt is None:
            self._stream = self._at = None
        else:
            self._judge(member, receipt, receipt.error)

    def _judge(self, member: Member, receipt: Receipt, error: MailError | None) -> None:
        """Settle the mail, or put it up for another member."""
        journey = self._going.pop(receipt.position)
        journey.seconds += receipt.seconds
        if receipt.is_complete and not journey.errors:
            member.worked()
            self._done.append(receipt)
            return
        outcomes = receipt.recipients
        curable = curable_recipients(receipt, error)
        if any(outcome.status == "deferred" and outcome.phase == "connect" for outcome in outcomes.values()):
            if member.error is None or not member.refuses_us:
                member.failed(error or ConnectFailed(why(outcomes[curable[0]])))
        elif receipt.accepted:
            member.worked()
        if not curable:
            self._settle(journey, receipt)
            return
        journey.goes_on(member, receipt, curable, error)
        self._again.append(journey)

    def _settle(self, journey: Journey, receipt: Receipt | None) -> None:
        """Nothing more can be done for this mail: its receipt is ready."""
        self._done.append(journey.receipt(self._members, receipt))

    def hurry(self) -> None:
        """Let `close` wait for no mail that is on its way to a member."""
        if self._stream is not None:
            hurry(self._stream)

    async def close(self) -> list[Receipt]:
        """Stop; return the receipts of what was pulled and has none yet."""
        self._is_ended = True
        self._at = None
        if self._stream is not None:
            found = await self._stream.close()
            self._stream = None
            for receipt in found:
                journey = self._going.pop(receipt.position)
                self._settle(journey, receipt)
        reason = "not sent: the sending was closed before"
        for journey in (*self._going.values(), *self._again):
            journey.breaks_off(reason)
            self._settle(journey, None)
        self._going.clear()
        self._again.clear()
        receipts = list(self._done)
        self._done.clear()
        return receipts


class _Source:
    """What a member's burst pulls from."""

    __slots__ = ("_receipts",)

    def __init__(self, receipts: SeveralReceipts) -> None:
        self._receipts = receipts

    @property
    def position(self) -> int:
        """The place in the input of the parcel given last."""
        return self._receipts.position

    @property
    def is_prompt(self) -> bool:
        """Whether the next parcel comes at once."""
        return self._receipts.is_prompt

    @property
    def is_single(self) -> bool:
        """Whether it is the only one."""
        return self._receipts.is_single

    async def next(self) -> Parcel | None:
        """Return the next parcel."""
        return await self._receipts.next_parcel()
