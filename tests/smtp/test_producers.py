"""How far ahead a stream is pulled: one mail with DATA, a window with BDAT, and never so that one mail waits for a slow next.

What counts is the order of events: how many mails the server has taken each time the producer is asked. The producer's
clock is moved by hand.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from faces import faces

import modernmail.backends.smtp_receipts as backend
import modernmail.flow.flow
import modernmail.smtp.chunking as chunking
from modernmail import Mailer, Message
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator


class Clock:
    """A clock that the producer moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return what time it is."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock by which it is judged whether a producer is slow."""
    made = Clock()
    monkeypatch.setattr(modernmail.flow.flow, "monotonic", made)
    return made


def message(number: int, size: int = 10) -> Message:
    """Return a mail of that size."""
    return Message(
        "x", ("y" * 70 + "\n") * (1 + size // 71), from_email="me@example.com", to=f"r{number}@example.com"
    )


def send_all(server: ScriptedSMTPServer, messages: Any, *, is_async: bool, **options: Any) -> int:
    """Send them over one connection and return how many were accepted."""
    url = server.url(pool=1, **options)

    async def run() -> int:
        async with Mailer(url) as mailer:
            return (await mailer.asend_many(messages).finish()).accepted

    if is_async:
        return asyncio.run(run())
    with Mailer(url) as mailer:
        return mailer.send_many(messages).finish().accepted


def producer(
    server: ScriptedSMTPServer, clock: Clock, seconds: list[float], taken: list[int], size: int = 10
) -> Iterator[Message]:
    """Yield a mail for each of `seconds`, having taken so long; note how many the server had when it was asked."""
    for number, took in enumerate(seconds):
        taken.append(len(server.commits))
        clock.now += took
        yield message(number, size)
    taken.append(len(server.commits))


@faces
def test_a_quick_producer_is_one_mail_ahead(clock: Clock, is_async: bool) -> None:
    """Asked for the mail after next while the content of one is still unwritten: once, and no further."""
    taken: list[int] = []
    with ScriptedSMTPServer() as server:
        assert send_all(server, producer(server, clock, [0.0] * 6, taken), is_async=is_async) == 6
    assert taken == [0, 0, 1, 2, 3, 4, 5]


@faces
def test_a_slow_producer_is_asked_after_the_mail_before_is_taken(clock: Clock, is_async: bool) -> None:
    """One that takes a millisecond or more never holds a mail back: the content goes first."""
    taken: list[int] = []
    with ScriptedSMTPServer() as server:
        assert send_all(server, producer(server, clock, [0.001] * 5, taken), is_async=is_async) == 5
    assert taken == [0, 1, 2, 3, 4, 5]


@faces
def test_one_that_turns_slow_holds_back_one_mail_by_one_pull(clock: Clock, is_async: bool) -> None:
    """The fourth pull is slow and was not foreseen: the third mail waits for it; then contents go first again."""
    taken: list[int] = []
    seconds = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    with ScriptedSMTPServer() as server:
        assert send_all(server, producer(server, clock, seconds, taken), is_async=is_async) == 9
    #        pulls: 1  2  3  4: slow 5  6  7  8: quick again  9  end
    assert taken == [0, 0, 1, 2, 4, 5, 6, 6, 7, 8]


@faces
def test_a_sequence_is_looked_ahead_whatever_it_takes(clock: Clock, is_async: bool) -> None:
    """A list has the next mail there already: its rendering is not waiting for somebody."""
    with ScriptedSMTPServer() as server:
        assert send_all(server, [message(number) for number in range(5)], is_async=is_async) == 5
        steps = [step.name for step in server.sessions[0].steps if step.name in ("MAIL", "BODY")]
        assert steps == ["MAIL", "BODY"] * 5
        begun = [server.sessions[0].step("MAIL", nth).offset for nth in range(1, 6)]
        ended = [server.sessions[0].step("BODY", nth).offset for nth in range(1, 6)]
    assert all(begin <= end for begin, end in zip(begun, ended, strict=True))


@faces
@pytest.mark.parametrize(
    ("window", "size", "most"),
    [(1, 10, 1), (4, 10, 4), (8, 10, 8), (8, 25_000, 3), (8, 70_000, 1)],
)
def test_a_window_and_64_kib_bound_what_is_in_flight(
    clock: Clock, window: int, size: int, most: int, is_async: bool
) -> None:
    """By BDAT at most `window` mails are pulled and not answered, and no more than 64 KiB unless one mail is larger."""
    taken: list[int] = []
    extensions = ["PIPELINING", "CHUNKING"]
    with ScriptedSMTPServer(capabilities=extensions) as server:
        messages = producer(server, clock, [0.0] * 24, taken, size)
        options = {"chunking": "on", "window": window}
        assert send_all(server, messages, is_async=is_async, **options) == 24
    ahead = [pulled - had for pulled, had in enumerate(taken)]
    # one that does not fit any more was pulled, too: it goes with the next ones
    assert max(ahead) in (most - 1, most)
    assert len(server.commits) == 24


@faces
def test_a_batch_is_not_held_back_by_a_slow_producer(clock: Clock, is_async: bool) -> None:
    """A window of eight does not wait to be full when the next mail takes a while."""
    taken: list[int] = []
    with ScriptedSMTPServer(capabilities=["PIPELINING", "CHUNKING"]) as server:
        messages = producer(server, clock, [0.001] * 4, taken)
        assert send_all(server, messages, is_async=is_async, chunking="on", window=8) == 4
    assert taken == [0, 1, 2, 3, 4]


@faces
def test_an_idle_connection_is_tried_before_bdat(is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first group on a connection that was idle is RSET alone: were it dead, BDAT would leave the mail unknown."""
    monkeypatch.setattr(chunking, "_IDLE", -1.0)
    dead = Rule("RSET", session=1).close()
    with ScriptedSMTPServer([dead], capabilities=["PIPELINING", "CHUNKING"]) as server:
        url = server.url(chunking="on")

        async def run() -> list[Any]:
            async with Mailer(url) as mailer:
                return [await mailer.asend(message(number)) for number in range(3)]

        if is_async:
            receipts = asyncio.run(run())
        else:
            with Mailer(url) as mailer:
                receipts = [mailer.send(message(number)) for number in range(3)]
        steps = [[step.name for step in session.steps][2:] for session in server.sessions]
    assert all(receipt.is_complete for receipt in receipts)
    assert steps[0] == ["MAIL", "RCPT", "BDAT", "RSET"]
    assert steps[1][:7] == ["MAIL", "RCPT", "BDAT", "RSET", "MAIL", "RCPT", "BDAT"]
    assert len(server.commits) == 3


@faces
@pytest.mark.usefixtures("clock")
def test_a_producer_that_fails_leaves_nobody_without_a_receipt(is_async: bool) -> None:
    """What was pulled into a batch before the producer raised is deferred, and told."""

    def failing() -> Iterator[Message]:
        yield message(0)
        yield message(1)
        raise LookupError("no more")

    unsent: list[Any] = []
    with ScriptedSMTPServer(capabilities=["PIPELINING", "CHUNKING"]) as server:
        url = server.url(chunking="on", window=8, pool=1)

        async def run() -> None:
            async with Mailer(url) as mailer:
                sending = mailer.asend_many(failing())
                with pytest.raises(LookupError):
                    await sending.finish()
                unsent.extend(sending.unsent)

        if is_async:
            asyncio.run(run())
        else:
            with Mailer(url) as mailer:
                sending = mailer.send_many(failing())
                with pytest.raises(LookupError):
                    sending.finish()
                unsent.extend(sending.unsent)
        committed = {commit.recipients[0] for commit in server.commits}
    deferred = {name for receipt in unsent for name in receipt.retry_recipients()}
    assert committed | deferred >= {"r0@example.com", "r1@example.com"} - committed
    assert not committed & deferred
    assert deferred == {"r0@example.com", "r1@example.com"}


def test_a_dead_server_costs_one_attempt_and_not_one_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """What follows at once after a connection could not be opened is deferred without another attempt."""
    monkeypatch.setattr(backend, "_RESPITE", 3600.0)
    with ScriptedSMTPServer([Rule("CONNECT").close()]) as server:
        with Mailer(server.url()) as mailer:
            tally = mailer.send_many([message(number) for number in range(20)]).finish()
        assert tally.deferred == 20
        assert len(server.sessions) == 1
