"""The rules for a layer in a mailer's stream of mails, rather than hook by hook; `layer` has the others."""

from __future__ import annotations

import threading

from modernmail.backends.backend import Backend
from modernmail.flow.feed import Feed
from modernmail.flow.flow import Flow
from modernmail.mailer import Mailer
from modernmail.outcome import STATUSES

from .drive import run
from .samples import mails, outcome, receipt_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail.layers.layer import Layer
    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import IO

    Make = Callable[[], Layer]


class _Various(Backend):
    """Gives each recipient another outcome, by turns, and remembers who was sent what."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        outcomes = {}
        for name in parcel.envelope.recipients:
            self.sent.append((parcel.message_id, name))
            outcomes[name] = outcome(STATUSES[len(self.sent) % 4])
        return receipt_of(parcel, outcomes)


def one_receipt_each(make: Make, mode: str) -> None:
    """Through a mailer every mail has exactly one receipt, whatever the server says to it."""
    parcels = list(mails().values()) * 3
    mailer = Mailer(_Various(), layers=[make()])

    async def send(io: IO) -> list[Receipt]:
        flow = Flow(mailer, mailer.backend, Feed(parcels), io)
        found = []
        while (receipt := await flow.receive()) is not None:
            found.append(receipt)
        assert await flow.close() == [], "receipts were left over"
        await mailer._close(io)
        return found

    found = run(mode, send, may_sleep=True)
    positions = sorted(receipt.position for receipt in found)
    assert positions == list(range(len(parcels))), f"receipts for {positions}"
    for receipt in found:
        assert receipt.recipients, f"a receipt without recipients: {receipt!r}"
        assert receipt.accepted or receipt.error is not None, "nobody accepted, and no error"


def closes_early(make: Make, mode: str) -> None:
    """A sending that is closed early gives a receipt for each mail it has taken, and the layer can go on afterwards."""
    parcels = list(mails().values()) * 3
    mailer = Mailer(_Various(), layers=[make()])

    async def send(io: IO) -> None:
        for count in (0, 1, 4):
            flow = Flow(mailer, mailer.backend, Feed(parcels), io)
            found = [await flow.receive() for _ in range(count)]
            found += await flow.close()
            taken = len(parcels) - (flow.not_attempted() or 0)
            positions = sorted(receipt.position for receipt in found if receipt is not None)
            assert positions == list(range(taken)), f"{taken} mails were taken, receipts for {positions}"

    run(mode, send, may_sleep=True)


def serves_threads(make: Make, mode: str) -> None:
    """One layer serves any number of threads at once."""
    layer = make()
    parcels = list(mails().values())
    faults: list[BaseException] = []
    counts: list[int] = []

    async def send(io: IO) -> int:
        mailer = Mailer(_Various(), layers=[layer])
        flow = Flow(mailer, mailer.backend, Feed(parcels), io)
        count = 0
        while await flow.receive() is not None:
            count += 1
        return count

    def work() -> None:
        try:
            counts.append(run(mode, send, may_sleep=True))
        except Exception as error:  # noqa: BLE001  # raised again below, in the caller's thread
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, f"in several threads: {faults[0]!r}"
    assert counts == [len(parcels)] * len(threads), f"in several threads: receipts {counts}"
