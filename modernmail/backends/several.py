"""One stream of receipts out of several backends: what `failover` and `roundrobin` share.

Rules of the file: one member's burst at a time, fed from the caller's source; a mail that a member could not take is taken
to the next, as the same parcel for the recipients that are left; who is accepted, rejected or unknown stays so; each parcel
that was pulled has one receipt.
"""

from __future__ import annotations

from collections import deque
from time import monotonic, time

from ..errors import (
    AuthenticationFailed,
    ConnectFailed,
    ContentRefused,
    DeliveryError,
    MailError,
    SecurityFailed,
)
from ..outcome import Outcome
from ..receipt import Receipt
from .members import choose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..envelope import Envelope
    from ..parcel import Parcel
    from ..runtime import IO
    from .backend import Parcels, Receipts
    from .members import Member


class _Mail:
    """A parcel on its way through the members."""

    __slots__ = ("envelope", "errors", "outcomes", "parcel", "position", "seconds", "tried")

    def __init__(self, parcel: Parcel, position: int) -> None:
        self.parcel = parcel
        self.envelope: Envelope = parcel.envelope
        self.position = position
        self.tried: list[int] = []
        self.outcomes: dict[str, Outcome] = {}
        self.errors: list[tuple[str, MailError | str]] = []  # the member's name, and what it could not do
        self.seconds = 0.0


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
        self._going: dict[int, _Mail] = {}
        self._again: deque[_Mail] = deque()  # to be taken to another member
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
            mail = self._again[0]
            if self._choice(mail) != self._at:
                return None
            self._again.popleft()
            return self._give(mail)
        if self._is_ended or self._choice(None) != self._at or self._given == self._most:
            return None
        parcel = await self._parcels.next()
        if parcel is None:
            self._is_ended = True
            return None
        self._given += 1
        return self._give(_Mail(parcel, self._parcels.position))

    def _give(self, mail: _Mail) -> Parcel:
        assert self._at is not None
        tell = self._io.tell
        if tell is not None and mail.tried:
            from ..insight.events import FailedOver

            left, reason = mail.errors[-1]
            name, here = mail.parcel.message_id, self._members[self._at].name
            tell(FailedOver(time(), tell.sending, mail.position, name, left, here, str(reason)))
        mail.tried.append(self._at)
        self._going[mail.position] = mail
        self.position = mail.position
        return mail.parcel

    def _choice(self, mail: _Mail | None) -> int | None:
        tried = () if mail is None else mail.tried
        return choose(self._members, tried, self._start, self._period, monotonic())

    # -- the caller's side -------------------------------------------------------------------------------------

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
        mail = self._going[self._parcels.position] = _Mail(parcel, self._parcels.position)
        if all(member.refuses_us for member in self._members):
            raise self._combined(mail, self._members[0].error)
        del self._going[mail.position]
        self._settle(mail, None)
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
        mail = self._going.pop(receipt.position)
        mail.seconds += receipt.seconds
        if receipt.is_complete and not mail.errors:
            member.worked()
            self._done.append(receipt)
            return
        outcomes = receipt.recipients
        is_unreadable = isinstance(error, ContentRefused) and not error.is_transient
        curable = [
            name
            for name, outcome in outcomes.items()
            if _is_curable(outcome) and not (is_unreadable and outcome.status == "deferred")
        ]
        if any(outcome.status == "deferred" and outcome.phase == "connect" for outcome in outcomes.values()):
            if member.error is None or not member.refuses_us:
                member.failed(error or ConnectFailed(_why(outcomes[curable[0]])))
        elif receipt.accepted:
            member.worked()
        if not curable:
            self._settle(mail, receipt)
            return
        mail.errors.append((member.name, error or _why(outcomes[curable[0]])))
        mail.outcomes.update((name, outcome) for name, outcome in outcomes.items())
        mail.parcel = mail.parcel if len(curable) == len(outcomes) else mail.parcel.narrowed(curable)
        self._again.append(mail)

    def _settle(self, mail: _Mail, receipt: Receipt | None) -> None:
        """Nothing more can be done for this mail: its receipt is ready."""
        if receipt is not None and not mail.errors:
            self._done.append(receipt)
            return
        if receipt is not None:
            mail.outcomes.update(receipt.recipients)
            if receipt.error is not None:
                mail.errors.append((self._members[mail.tried[-1]].name, receipt.error))
        tried = [name for name, _ in mail.errors]
        for member in self._members:
            if member.error is not None and member.name not in tried and receipt is None:
                mail.errors.append((member.name, f"not asked, as it was down: {member.error}"))
        rest = Outcome("deferred", reason="every backend is down", phase="connect")
        outcomes = {name: mail.outcomes.get(name, rest) for name in mail.envelope.recipients}
        error = None
        if not any(outcome.is_accepted for outcome in outcomes.values()):
            error = self._combined(mail, None if receipt is None else receipt.error)
        self._done.append(
            Receipt(
                mail.parcel.message_id,
                mail.envelope,
                outcomes,
                position=mail.position,
                error=error,
                notes=(*(f"{name}: {why}" for name, why in mail.errors), *(receipt.notes if receipt else ())),
                conversation=receipt.conversation if receipt else (),
                seconds=mail.seconds,
                timings=() if receipt is None else tuple(receipt.timings.values()),
            )
        )

    def _combined(self, mail: _Mail, last: MailError | None) -> DeliveryError:
        """Return one error that names each attempt, of the kind of the last."""
        told = mail.errors or [(one.name, one.error) for one in self._members if one.error is not None]
        found = [why for _, why in told if isinstance(why, DeliveryError)]
        decisive = last if isinstance(last, DeliveryError) else found[-1] if found else None
        kind = type(decisive) if decisive is not None else ConnectFailed
        return kind(
            "; ".join(f"{name}: {why}" for name, why in told) or "every backend is down",
            reply=None if decisive is None else decisive.reply,
            is_transient=any(error.is_transient for error in found) if found else True,
            conversation=() if decisive is None else decisive.conversation,
        )

    async def close(self) -> list[Receipt]:
        """Stop; return the receipts of what was pulled and has none yet."""
        self._is_ended = True
        self._at = None
        if self._stream is not None:
            stream, self._stream = self._stream, None
            for receipt in await stream.close():
                mail = self._going.pop(receipt.position)
                self._settle(mail, receipt)
        reason = "not sent: the sending was closed before"
        for mail in (*self._going.values(), *self._again):
            left = Outcome("deferred", reason=reason, phase="connect")
            mail.outcomes.update((name, left) for name in mail.parcel.envelope.recipients)
            mail.errors.append(("closed", MailError(reason)))
            self._settle(mail, None)
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


def _is_curable(outcome: Outcome) -> bool:
    """Return whether another server may take this recipient: nothing was sent, or this one lacks what the mail needs."""
    if outcome.status == "rejected":
        return outcome.phase == "local" and outcome.reply is None
    return outcome.status == "deferred"


def _why(outcome: Outcome) -> str:
    return str(outcome.reply if outcome.reply is not None else outcome.reason)
