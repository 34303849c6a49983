"""The commit point over SMTP: reached before the end of a content is written, and what stops there sends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from arrival import wait_for_news
from faces import faces

from modernmail import Mailer, Message
from modernmail.runtime import AsyncioIO, BlockingIO, run_blocking
from modernmail.testing import Rule, ScriptedSMTPServer
from modernmail.testing.contract.burst import Burst

if TYPE_CHECKING:
    from pathlib import Path

    from modernmail import Parcel, Receipt
    from modernmail.runtime import IO

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


class Hesitant:
    """An LMTP server on a Unix socket that takes one mail's content only when `reads` is set."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reads = threading.Event()
        self.received = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as connection:
            connection.settimeout(10)
            connection.sendall(b"220 hesitant\r\n")
            connection.recv(1000)
            connection.sendall(b"250-hesitant\r\n250 PIPELINING\r\n")
            connection.recv(1000)
            connection.sendall(b"250 sender\r\n250 recipient\r\n354 go on\r\n")
            self.reads.wait(10)
            with contextlib.suppress(ConnectionResetError):
                while data := connection.recv(65536):
                    self.received += len(data)


def deliver(mailer: Mailer, mails: list[Parcel], io: BlockingIO) -> list[Receipt]:
    """Deliver as one burst; after a RuntimeError with the receipts of what was left."""
    return run_blocking(adeliver(mailer, mails, io))


async def adeliver(mailer: Mailer, mails: list[Parcel], io: IO) -> list[Receipt]:
    """The same, with either seam."""
    stream = mailer.backend.deliver(Burst(mails, first=0), io)
    found: list[Receipt] = []
    try:
        while (receipt := await stream.next()) is not None:
            found.append(receipt)
    except RuntimeError:
        found += await stream.close()
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


@ways
@sizes
@faces
@pytest.mark.parametrize("said", ["421 bye", "552 too much", None])
def test_a_server_that_leaves_meanwhile_is_noticed(
    chunking: str, capabilities: list[str], size: int, said: str | None, is_async: bool
) -> None:
    """Nothing has ended the content when the commit point is reached, so what is lost then is never `unknown`."""
    leaves = Rule("DATA", accept=True).reply("354 go on") if chunking == "off" else Rule("EHLO").proceed()
    leaves = leaves.hold("marked")
    if said is not None:
        leaves = leaves.reply(said)

    async def mark(parcel: Parcel) -> None:
        server.release("marked")
        wait_for_news(server.port)
        for _ in range(5 if is_async else 0):
            await asyncio.sleep(0)  # the loop reads it

    async def run() -> list[Receipt]:
        async with mailer:
            return await adeliver(mailer, parcels(size), AsyncioIO(mark))

    with ScriptedSMTPServer(
        [leaves.close(), Rule("CONNECT", session=2).close()], capabilities=capabilities
    ) as server:
        mailer = Mailer(server.url(chunking=chunking))
        (receipt,) = asyncio.run(run()) if is_async else deliver(mailer, parcels(size), BlockingIO(mark))
        mailer.close()
        assert server.commits == []
    outcome = receipt.recipients["r0@example.com"]
    # Inside of DATA a 5xx answers the content; elsewhere nobody asked for it.
    assert outcome.status == ("rejected" if said == "552 too much" and chunking == "off" else "deferred")
    if said is not None and chunking == "off":
        assert str(outcome.reply) == said


@faces
def test_a_mark_that_cannot_be_made_leaves_no_connection(is_async: bool, tmp_path: Path) -> None:
    """Though the server takes no more data now: what is left of the content is not written when it does."""

    async def mark(parcel: Parcel) -> None:
        raise RuntimeError("the mark could not be made")

    async def run() -> list[Receipt]:
        async with mailer:
            receipts = await adeliver(mailer, mails, AsyncioIO(mark))
        server.reads.set()
        await asyncio.to_thread(server.thread.join)
        return receipts

    # A Unix socket holds some 200 KiB, and asyncio as much again before a content waits.
    server, mails = Hesitant(tmp_path / "socket"), parcels(400_000 if is_async else 100_000)
    mailer = Mailer(f"lmtp://{server.path}")
    if is_async:
        (receipt,) = asyncio.run(run())
    else:
        (receipt,) = deliver(mailer, mails, BlockingIO(mark))
        mailer.close()
        server.reads.set()
        server.thread.join()
    assert receipt.retry_recipients() == ("r0@example.com",)
    assert server.received < 300_000


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


def test_a_session_whose_rset_is_refused_is_not_used_again() -> None:
    """After a BDAT that failed only RSET makes the session sure again (RFC 3030 2)."""
    script = [Rule("BODY", nth=1, session=1).reply("554 5.6.0 no"), Rule("RSET").reply("502 5.5.1 what")]
    with ScriptedSMTPServer(script, capabilities=BOTH) as server:
        mailer = Mailer(server.url(chunking="on"))
        first, second = mailer.send_many(parcels(10, 10))
        mailer.close()
        server.wait_until_idle()
        steps = [step.name for step in server.sessions[0].steps]
        ends = [session.end for session in server.sessions]
    assert first.count("rejected") == 1
    assert second.is_complete
    assert steps[-2:] == ["BDAT", "RSET"]
    assert ends == ["eof", "quit"]


@faces
def test_a_content_that_was_taken_though_its_mail_was_refused_is_unknown(is_async: bool) -> None:
    """The server refuses MAIL, takes RCPT and the content: it may have the mail, so that it must not be sent again."""
    torn = Rule("MAIL", nth=1, accept=True).reply("451 4.3.0 later")
    with ScriptedSMTPServer([torn], capabilities=BOTH) as server:
        mailer = Mailer(server.url(chunking="on", window=2, pool=1))
        stream = adeliver(mailer, parcels(10), AsyncioIO() if is_async else BlockingIO())
        (receipt,) = asyncio.run(stream) if is_async else run_blocking(stream)
        mailer.close()
        server.wait_until_idle()
        assert len(server.commits) == 1
    assert receipt.recipients["r0@example.com"].status == "unknown"
    assert receipt.retry_recipients() == ()


@pytest.mark.parametrize("mail", ["250 2.1.0 sender", "550 5.7.1 not you"])
def test_a_data_that_is_answered_as_no_data_can_be_ends_the_session(mail: str) -> None:
    """250 to DATA: whatever it answers, no reply after it can be trusted."""
    script = [Rule("MAIL", session=1).reply(mail), Rule("RCPT", session=1).reply("550 5.1.1 nobody")]
    script.append(Rule("DATA", session=1).reply("250 2.0.0 what"))
    with ScriptedSMTPServer(script) as server:
        mailer = Mailer(server.url())
        (first,) = mailer.send_many(parcels(10))
        (second,) = mailer.send_many(parcels(10))
        mailer.close()
        server.wait_until_idle()
        assert server.sessions[0].end == "eof"
    assert first.retry_recipients() == ("r0@example.com",)
    assert second.is_complete


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
