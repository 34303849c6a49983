"""One run of a merge: every row is checked, then the mails go, one connection, one after the other.

Rules of the file: nothing is sent before the whole file was checked; no final dot without the state's commit point; who was
accepted, rejected or is unknown gets nothing from a later run; told to stop, it finishes the mail in flight.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from modernmail.errors import ConnectFailed, MailError
from modernmail.flow.feed import Feed
from modernmail.flow.flow import flow_of
from modernmail.runtime import BlockingIO, run_blocking

from .template import BadRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from modernmail.mailer import Mailer
    from modernmail.outcome import Outcome
    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import CommitPoint

    from .progress import Progress
    from .state import State
    from .table import Row, Table
    from .template import Template

_NAP = 0.1  # seconds: a pause sees as soon as this that it should end
_PATIENCE = 3  # mails in a row that found no connection; then the run ends


class Stopped(Exception):
    """Somebody asked to stop while the run waited."""


class Run:
    """The sending of a table.

    `limit` is how many mails to begin at most; `resend_unknown` sends again to those that may have got the mail.
    `error` is what ended the run before its time, None otherwise.
    """

    def __init__(
        self,
        table: Table,
        template: Template,
        state: State,
        mailer: Mailer,
        progress: Progress,
        *,
        limit: int | None = None,
        resend_unknown: bool = False,
    ) -> None:
        self.table = table
        self.template = template
        self.state = state
        self.mailer = mailer
        self.progress = progress
        self.limit = limit
        self.phases = {"ready", "deferred"} | ({"unknown"} if resend_unknown else set())
        self.begun = 0
        self.counts: dict[str, int] = {}  # of this run
        self.error: MailError | None = None
        self.is_stopping = False
        self._failures = 0  # connections that failed, without another outcome in between
        self._going: dict[int, tuple[int, Parcel]] = {}  # by position: the row's number
        self._numbers: dict[str, int] = {}  # by Message-ID

    def stop(self) -> None:
        """Begin no further mail."""
        self.is_stopping = True

    # -- before anything is sent -------------------------------------------------------------------------------

    def check(self) -> int:
        """Make every row's mail once, and take the rows into the state; return how many are bad.

        The caller decides by it whether they count: `state.commit_rows()` or `state.forget_rows()`.
        """
        self.state.begin()
        bad = 0
        for row in self.progress.checking(self.table):
            if self.is_stopping:
                raise Stopped
            try:
                self.template.parcel_of(row, self.mailer)
            except BadRow as fault:
                bad += 1
                self.progress.complain(str(fault))
                self.state.add_bad(row.number, row.values.get(self.table.to_column, ""), str(fault))
                continue
            address = self.template.recipient_of(row)
            self.state.add(row.number, address.key, address.addr_spec)
        return bad

    def left(self) -> int:
        """Return how many mails this run is to send."""
        counts = self.state.counts()
        left = sum(counts.get(phase, 0) for phase in self.phases)
        return left if self.limit is None else min(left, self.limit)

    # -- the sending -------------------------------------------------------------------------------------------

    def send(self) -> None:
        """Send what is left; what ends the sending is in `error`."""
        commit = self._commit if self.state.is_kept else None
        io = _Patience(self, commit)
        flow = flow_of(self.mailer, self.mailer._effective(), Feed(self._parcels()), io)
        try:
            while (receipt := run_blocking(flow.receive())) is not None:
                self._note(receipt)
        except Stopped:
            pass
        except MailError as error:
            self.error = error
        finally:
            for receipt in run_blocking(flow.close()):
                self._note(receipt)
            self.state.flush()

    def _parcels(self) -> Iterator[Parcel]:
        position = 0
        for row in self._rows():
            if self.is_stopping or self.error is not None or self.begun == self.limit:
                return
            try:
                parcel = self.template.parcel_of(row, self.mailer)
            except BadRow as fault:  # a file that is attached is gone, or another one
                self.state.settle(row.number, "deferred", str(fault), None)
                self._tell(row.number, "deferred", str(fault))
                continue
            self.begun += 1
            self._going[position] = (row.number, parcel)
            self._numbers[parcel.message_id] = row.number
            position += 1
            yield parcel

    def _rows(self) -> Iterator[Row]:
        """Yield the rows that are to be sent."""
        for row in self.table:
            known = self.state.phase_of(row.number)
            if known is None or known[1] not in self.phases:
                continue
            key, _ = known
            if row.fault is not None or self.template.recipient_of(row).key != key:
                self.error = MailError(f"{self.table.path} was changed while it was sent: {row.where}")
                return
            yield row

    async def _commit(self, parcel: Parcel) -> None:
        self.state.commit_point(self._numbers[parcel.message_id], parcel.message_id)

    def _note(self, receipt: Receipt) -> None:
        number, parcel = self._going.pop(receipt.position)
        self._numbers.pop(parcel.message_id, None)
        phase, reply = told_by(receipt.recipients.values())
        self.state.settle(number, phase, reply, parcel.message_id)
        self._tell(number, phase, reply, parcel.envelope.recipients[0])
        self._failures = self._failures + 1 if isinstance(receipt.error, ConnectFailed) else 0
        if self._failures == _PATIENCE and self.error is None:
            self.error = receipt.error  # every further mail would be deferred for the same reason

    def _tell(self, number: int, phase: str, reply: str, recipient: str = "") -> None:
        self.counts[phase] = self.counts.get(phase, 0) + 1
        self.progress.sent(number, recipient, phase, reply)


class _Patience(BlockingIO):
    """Waits, and sees soon that it should stop."""

    __slots__ = ("_run",)

    def __init__(self, run: Run, commit_point: CommitPoint | None) -> None:
        super().__init__(commit_point)
        self._run = run

    async def sleep(self, seconds: float) -> None:
        """Block for this many seconds. Raises `Stopped`."""
        end = self.now() + seconds
        while (left := end - self.now()) > 0:
            if self._run.is_stopping:
                raise Stopped
            time.sleep(min(left, _NAP))  # noqa: ASYNC251  # no event loop runs here


def told_by(outcomes: Iterable[Outcome]) -> tuple[str, str]:
    """Return the phase of a row whose mail ended so, and the reply or reason.

    A mail that somebody has is not sent again, whatever became of the others (a layer may have sent it to several).
    """
    found = list(outcomes)
    for status in ("unknown", "accepted", "deferred", "rejected"):
        for outcome in found:
            if outcome.status == status:
                return status, str(outcome.reply if outcome.reply is not None else outcome.reason or "")
    return "rejected", "no mail could be made of it"
