"""The commit point over SMTP: reached before the end of a content is written, and what stops there sends nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from modernmail import Mailer, Message
from modernmail.runtime import BlockingIO, run_blocking
from modernmail.testing import Rule, ScriptedSMTPServer
from modernmail.testing.contract.burst import Burst

if TYPE_CHECKING:
    from pathlib import Path

    from modernmail import Parcel, Receipt

BOTH = ["PIPELINING", "CHUNKING"]
ways = pytest.mark.parametrize(
    ("chunking", "capabilities"),
    [("off", ["PIPELINING"]), ("off", []), ("on", BOTH)],
    ids=["data", "stepwise", "bdat"],
)
sizes = pytest.mark.parametrize("size", [10, 300_000], ids=["small", "large"])


class Clock(BlockingIO):
    """The blocking seam with a clock that can be put forward."""

    __slots__ = ("ahead",)

    def __init__(self, commit_point: Any) -> None:
        super().__init__(commit_point)
        self.ahead = 0.0

    def now(self) -> float:  # type: ignore[override]
        """Return the time."""
        return time.monotonic() + self.ahead


def parcels(*sizes: int) -> list[Parcel]:
    """Return a parcel for each size."""
    mailer = Mailer("null:")
    return [
        mailer.parcel(
            Message(
                "x",
                "y" * 70 + "\n" * 1 + ("z" * 70 + "\n") * (size // 71),
                from_email="me@example.com",
                to=f"r{number}@example.com",
            )
        )
        for number, size in enumerate(sizes)
    ]


def deliver(mailer: Mailer, mails: list[Parcel], io: BlockingIO) -> list[Receipt]:
    """Deliver as one burst; after an exception what is left is in its `receipts`."""
    stream = mailer.backend.deliver(Burst(mails, first=0), io)
    found: list[Receipt] = []
    try:
        while (receipt := run_blocking(stream.next())) is not None:
            found.append(receipt)
    except RuntimeError:
        found += run_blocking(stream.close())
    return found


@ways
@sizes
def test_it_is_reached_before_the_mail_can_be_taken(
    chunking: str, capabilities: list[str], size: int
) -> None:
    """Once for each mail, in their order, when the server has not taken it."""
    marks: list[tuple[int, int]] = []
    mails = parcels(size, size, size)

    async def mark(parcel: Parcel) -> None:
        marks.append((mails.index(parcel), len(server.commits)))

    with ScriptedSMTPServer(capabilities=capabilities) as server:
        mailer = Mailer(server.url(chunking=chunking))
        receipts = deliver(mailer, mails, BlockingIO(mark))
        mailer.close()
    assert [receipt.is_complete for receipt in receipts] == [True] * 3
    assert [place for place, _ in marks] == [0, 1, 2]
    assert all(committed <= place for place, committed in marks)


@ways
@sizes
def test_one_that_fails_sends_nothing(chunking: str, capabilities: list[str], size: int) -> None:
    """The mail is deferred, no dot and no LAST is written, its connection is gone, and the next is fine."""

    async def mark(parcel: Parcel) -> None:
        raise RuntimeError("the mark could not be made")

    with ScriptedSMTPServer(capabilities=capabilities) as server:
        mailer = Mailer(server.url(chunking=chunking, window=4))
        receipts = deliver(mailer, parcels(size, size), BlockingIO(mark))
        assert receipts[0].retry_recipients() == ("r0@example.com",)
        assert all(receipt.count("deferred") == 1 for receipt in receipts)
        assert mailer.send(parcels(10)[0]).is_complete
        mailer.close()
        server.wait_until_idle()
        assert len(server.commits) == 1
        assert not any(transaction.complete for transaction in server.sessions[0].transactions)
        assert len(server.sessions) == 2


@ways
@sizes
def test_one_that_takes_longer_than_the_deadline_sends_nothing(
    chunking: str, capabilities: list[str], size: int
) -> None:
    """The time of the mail is over when its mark is made: nothing ends its content, and it is deferred."""

    async def mark(parcel: Parcel) -> None:
        io.ahead += 100.0

    io = Clock(mark)
    with ScriptedSMTPServer(capabilities=capabilities) as server:
        mailer = Mailer(server.url(chunking=chunking, deadline=60))
        (receipt,) = deliver(mailer, parcels(size), io)
        mailer.close()
        server.wait_until_idle()
        assert server.commits == []
    assert receipt.retry_recipients() == ("r0@example.com",)
    assert "deadline of 60 s" in str(receipt.error)


@pytest.mark.parametrize("capabilities", [["PIPELINING"], BOTH], ids=["data", "bdat"])
def test_a_file_that_changed_is_never_ended(capabilities: list[str], tmp_path: Path) -> None:
    """The content cannot be read to its end: deferred, and what came of it is not taken; the mails after it go."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(3_000_000))
    message = Message("x", "y", from_email="me@example.com", to="r@example.com").attach_file(path)
    with ScriptedSMTPServer(capabilities=capabilities) as server:
        mailer = Mailer(server.url(chunking="on" if "CHUNKING" in capabilities else "off"))
        parcel = mailer.parcel(message)
        path.write_bytes(bytes(2_000_000))
        first, second = mailer.send_many([parcel, *parcels(10)])
        mailer.close()
        server.wait_until_idle()
        assert [commit.recipients for commit in server.commits] == [("r0@example.com",)]
        begun = [transaction for session in server.sessions for transaction in session.transactions]
        assert [
            transaction.complete for transaction in begun if "r@example.com" in transaction.recipients
        ] in ([], [False])
    assert first.retry_recipients() == ("r@example.com",)
    assert second.is_complete


@sizes
def test_a_kept_connection_that_dies_under_bdat_is_replaced(size: int) -> None:
    """Nothing was answered and the end of the content not written: it is begun anew; once it was, it is unknown."""
    dead = Rule("MAIL", nth=2, session=1).reset()
    with ScriptedSMTPServer([dead], capabilities=BOTH) as server:
        mailer = Mailer(server.url(chunking="on"))
        first, second = mailer.send_many(parcels(10, 16_000_000 if size > 10 else 10))
        mailer.close()
        server.wait_until_idle()
        taken = {commit.recipients[0] for commit in server.commits}
    assert first.is_complete
    assert second.recipients["r1@example.com"].status == ("accepted" if size > 10 else "unknown")
    assert ("r1@example.com" in taken) is (size > 10)


@pytest.mark.parametrize("step", ["MAIL", "RCPT"])
@pytest.mark.parametrize("is_cut", [False, True], ids=["goes-on", "cut"])
def test_a_reply_that_fits_nowhere_ends_the_session(step: str, is_cut: bool) -> None:
    """354 to MAIL or RCPT in a batch of BDAT: no reply can be trusted any more, so the connection is closed."""
    script = [Rule(step, nth=1, session=1).reply("354 what")]
    script += [Rule("BODY", nth=2, session=1).close()] * is_cut
    with ScriptedSMTPServer(script, capabilities=BOTH) as server:
        mailer = Mailer(server.url(chunking="on", window=2, pool=1))
        receipts = list(mailer.send_many(parcels(10, 10, 10)))
        mailer.close()
        server.wait_until_idle()
        taken = {commit.recipients[0] for commit in server.commits}
    for receipt in receipts:
        for address, outcome in receipt.recipients.items():
            assert outcome.status in (
                {"accepted", "unknown"} if address in taken else {"deferred", "unknown"}
            )
    assert receipts[-1].is_complete


@pytest.mark.parametrize("capabilities", [["PIPELINING"], []], ids=["data", "stepwise"])
@sizes
def test_what_is_done_meanwhile_is_done_once_for_each_mail(capabilities: list[str], size: int) -> None:
    """Between the commit point of a mail and its receipt, with all of it written."""
    told: list[str] = []
    mails = parcels(size, size, size)

    async def mark(parcel: Parcel) -> None:
        told.append(f"mark {mails.index(parcel)}")

    with ScriptedSMTPServer(capabilities=capabilities) as server:
        mailer = Mailer(server.url(chunking="off"))
        stream = mailer.backend.deliver(
            Burst(mails, first=0), BlockingIO(mark, lambda: told.append("meanwhile"))
        )
        while (receipt := run_blocking(stream.next())) is not None:
            told.append(f"receipt {receipt.position}")
        mailer.close()
    assert told == [step for at in range(3) for step in (f"mark {at}", "meanwhile", f"receipt {at}")]
