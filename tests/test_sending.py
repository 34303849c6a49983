"""Many mails: `send_many` and `asend_many`, their receipts, their tally, and how they end early."""

from __future__ import annotations

import asyncio
import gc
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from faces import faces

from modernmail import AsyncSending, Envelope, Mailer, Message, Receipt, Sending, Tally
from modernmail.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    InvalidAddress,
    InvalidMessage,
    SecurityFailed,
)
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


def message(number: int) -> Message:
    """Return the message of this number, from me to its own recipient."""
    return Message(f"{number}", "text", from_email="me@example.com", to=f"r{number}@example.com")


def nobody() -> Message:
    """Return a message without recipients."""
    return Message("nobody", "text", from_email="me@example.com")


async def gathered(sending: AsyncSending) -> list[Receipt]:
    """Return every receipt of a sending."""
    return [receipt async for receipt in sending]


@pytest.fixture
def server() -> Iterator[ScriptedSMTPServer]:
    """A good server."""
    with ScriptedSMTPServer() as running:
        yield running


# -- receipts


@pytest.mark.parametrize("url", ["memory:", "null:", None])
@pytest.mark.parametrize("bad", [(), (0,), (1, 2), (0, 1, 4, 5), (0, 1, 2, 3, 4, 5)])
def test_every_message_has_a_receipt_in_order(
    url: str | None, bad: tuple[int, ...], server: ScriptedSMTPServer
) -> None:
    """One connection gives receipts in the order of the input, whichever messages are invalid."""
    messages = [nobody() if number in bad else message(number) for number in range(6)]
    with Mailer(url or server.url()) as mailer:
        receipts = list(mailer.send_many(messages))
        again = asyncio.run(gathered(mailer.asend_many(messages)))
    for found in (receipts, again):
        assert [receipt.position for receipt in found] == list(range(6))
        assert [receipt.is_complete for receipt in found] == [number not in bad for number in range(6)]
        assert all(isinstance(found[number].error, InvalidMessage) for number in bad)


def test_over_one_connection(server: ScriptedSMTPServer) -> None:
    """A hundred mails use one session; what arrives is in order."""
    with Mailer(server.url()) as mailer:
        tally = mailer.send_many(message(number) for number in range(100)).finish()
    assert (tally.messages, tally.accepted) == (100, 100)
    assert len(server.sessions) == 1
    assert [commit.recipients for commit in server.commits] == [
        (f"r{number}@example.com",) for number in range(100)
    ]


def test_several_connections_under_asyncio(server: ScriptedSMTPServer) -> None:
    """With `pool=3` three connections are used, and each receipt has its place in the input."""

    async def send() -> list[Receipt]:
        async with Mailer(server.url(pool=3)) as mailer:
            return await gathered(mailer.asend_many([message(number) for number in range(30)]))

    receipts = asyncio.run(send())
    assert sorted(receipt.position for receipt in receipts) == list(range(30))
    assert {receipt.position: receipt.accepted for receipt in receipts} == {
        number: (f"r{number}@example.com",) for number in range(30)
    }
    assert len(server.sessions) == 3


def test_an_async_producer(server: ScriptedSMTPServer) -> None:
    """An async generator that waits now and then is a producer like any other."""

    async def produced() -> AsyncIterator[Message]:
        for number in range(6):
            if number % 2:
                await asyncio.sleep(0)
            yield message(number) if number != 3 else nobody()

    async def send() -> list[Receipt]:
        async with Mailer(server.url()) as mailer:
            return await gathered(mailer.asend_many(produced()))

    receipts = asyncio.run(send())
    assert [receipt.position for receipt in receipts] == list(range(6))
    assert len(server.commits) == 5
    assert len(server.sessions) == 1


def test_memory_stays_bounded(server: ScriptedSMTPServer) -> None:
    """Messages are pulled as their receipts are taken: never more than one is looked ahead."""
    pulled = 0

    def produced() -> Iterator[Message]:
        nonlocal pulled
        for number in range(50):
            pulled += 1
            yield message(number)

    with Mailer(server.url()) as mailer:
        for taken, _ in enumerate(mailer.send_many(produced()), 1):
            assert pulled <= taken + 1


def test_a_parcel_an_email_and_an_error_are_taken() -> None:
    """Besides messages the input may hold parcels, and errors in the place of messages that could not be made."""
    mailer = Mailer("memory:")
    error = InvalidAddress("to", "a@", "the domain is missing")
    receipts = list(mailer.send_many([message(0).parcel(), error, "no message", message(3)]))  # type: ignore[list-item]
    assert [receipt.is_complete for receipt in receipts] == [True, False, False, True]
    assert receipts[1].error is error
    assert "must be a Message" in str(receipts[2].error)


def test_refusals_of_the_server_are_receipts() -> None:
    """Neither a refused recipient nor a refused content stops the others."""
    rules = [Rule("RCPT", contains="r1@").reply("550 5.1.1 no"), Rule("BODY", nth=2).reply("554 5.7.1 spam")]
    with ScriptedSMTPServer(rules) as server, Mailer(server.url()) as mailer:
        sending = mailer.send_many(message(number) for number in range(4))
        statuses = [receipt.recipients[f"r{receipt.position}@example.com"].status for receipt in sending]
    assert statuses == ["accepted", "rejected", "rejected", "accepted"]
    assert (sending.tally.accepted, sending.tally.rejected) == (2, 2)
    assert [receipt.position for receipt in sending.tally.problems] == [1, 2]


# -- the tally


def test_the_tally_counts() -> None:
    """Recipients by status, messages, invalid ones; the first hundred problems are kept."""
    tally = Mailer("null:").send_many([nobody(), *(message(number) for number in range(3))]).finish()
    assert isinstance(tally, Tally)
    assert (tally.messages, tally.accepted, tally.invalid) == (4, 3, 1)
    assert (tally.deferred, tally.rejected, tally.unknown) == (0, 0, 0)
    assert repr(tally) == "<Tally of 4 messages: 3 accepted, 0 deferred, 0 rejected, 0 unknown, 1 invalid>"
    many = Mailer("null:").send_many(nobody() for _ in range(150)).finish()
    assert (many.invalid, len(many.problems)) == (150, 100)


def test_the_tally_while_it_goes() -> None:
    """`tally` counts what has come so far; after the end, more receipts do not come."""
    sending = Mailer("null:").send_many(message(number) for number in range(3))
    next(sending)
    assert sending.tally.messages == 1
    assert sending.finish() is sending.tally
    assert sending.tally.messages == 3
    assert list(sending) == []
    assert sending.finish().messages == 3


def test_finish_under_asyncio() -> None:
    """`await sending.finish()` gives the same tally."""

    async def send() -> Tally:
        return await Mailer("null:").asend_many([message(0), message(1)]).finish()

    assert asyncio.run(send()).accepted == 2


# -- early ends


def test_leaving_the_block_stops(server: ScriptedSMTPServer) -> None:
    """What was pulled and not sent is in `unsent`, deferred; the rest was never asked for; a generator is closed."""
    is_closed = False

    def produced() -> Iterator[Message]:
        nonlocal is_closed
        try:
            for number in range(1000):
                yield message(number)
        finally:
            is_closed = True

    with Mailer(server.url()) as mailer:
        with mailer.send_many(produced()) as sending:
            first = next(sending)
        assert first.is_complete
        assert is_closed
        for receipt in sending.unsent:
            assert [outcome.status for outcome in receipt.recipients.values()] == ["deferred"]
        told = {first.position, *(receipt.position for receipt in sending.unsent)}
        assert told == set(range(sending.tally.messages))
        assert sending.tally.accepted == len(server.commits)
        assert list(sending) == []
        assert mailer.send(message(0)).is_complete  # the mailer goes on


def test_leaving_the_block_stops_under_asyncio(server: ScriptedSMTPServer) -> None:
    """`async with` the same; `close()` may be called twice."""

    async def send() -> AsyncSending:
        async with Mailer(server.url()) as mailer:
            async with mailer.asend_many([message(number) for number in range(10)]) as sending:
                async for _ in sending:
                    break
            await sending.close()
            return sending

    sending = asyncio.run(send())
    assert sending.tally.accepted == len(server.commits)
    assert sending.tally.messages == 1 + len(sending.unsent)


def test_a_dropped_sending_warns() -> None:
    """A sending that nobody began to take from is a mistake worth a RuntimeWarning."""
    mailer = Mailer("memory:")

    def drop(make: Callable[[list[Message]], object]) -> None:
        make([message(0)])
        gc.collect()

    for make in (mailer.send_many, mailer.asend_many):
        with pytest.warns(
            RuntimeWarning, match="dropped before anything was sent: iterate over it, or call finish"
        ):
            drop(make)
    assert mailer.backend.outbox == []  # type: ignore[attr-defined]


def test_a_used_sending_does_not_warn() -> None:
    """Begun, finished, or closed in time: nothing to say."""
    mailer = Mailer("null:")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mailer.send_many([message(0)]).finish()
        next(mailer.send_many([message(0), message(1)]))
        with mailer.send_many([message(0)]):
            pass
        mailer.send_many([message(0)]).close()
        gc.collect()


def test_a_sending_left_half_way_gives_its_connection_back(server: ScriptedSMTPServer) -> None:
    """`break` out of the loop, without a `with`: the mailer can send at once, over its one connection."""
    with Mailer(server.url(deadline=5)) as mailer:
        for _ in mailer.send_many(message(number) for number in range(5)):
            break
        gc.collect()
        assert mailer.send(message(9)).is_complete


def test_an_async_sending_left_half_way_gives_its_connection_back(server: ScriptedSMTPServer) -> None:
    """The same under asyncio, with several connections too."""

    async def send(url: str) -> Receipt:
        async with Mailer(url) as mailer:
            async for _ in mailer.asend_many([message(number) for number in range(50)]):
                break
            gc.collect()
            return await mailer.asend(message(9))

    for pool in (1, 3):
        assert asyncio.run(send(server.url(deadline=5, pool=pool))).is_complete


def test_an_error_of_the_producer_comes_through(server: ScriptedSMTPServer) -> None:
    """The producer's own exception is raised as it is; who was pulled before has a receipt, and is not sent twice."""

    def produced() -> Iterator[Message]:
        yield message(0)
        yield message(1)
        raise LookupError("the database has gone")

    receipts: list[Receipt] = []
    with Mailer(server.url()) as mailer:
        sending = mailer.send_many(produced())
        with pytest.raises(LookupError, match="the database has gone"):
            receipts.extend(sending)
    assert len(receipts) + len(sending.unsent) == 2
    accepted = [receipt.position for receipt in (*receipts, *sending.unsent) if receipt.is_complete]
    assert [commit.recipients for commit in server.commits] == [
        (f"r{position}@example.com",) for position in accepted
    ]


def test_an_error_of_an_async_producer_comes_through(server: ScriptedSMTPServer) -> None:
    """The same under asyncio."""

    async def produced() -> AsyncIterator[Message]:
        yield message(0)
        await asyncio.sleep(0)
        raise LookupError("the database has gone")

    async def send() -> None:
        async with Mailer(server.url()) as mailer:
            await mailer.asend_many(produced()).finish()

    with pytest.raises(LookupError, match="the database has gone"):
        asyncio.run(send())


@pytest.mark.parametrize("messages", [None, 7, Message("x", from_email="a@example.com", to="b@example.com")])
def test_what_is_no_iterable_is_refused(messages: object) -> None:
    """One message is no iterable of messages."""
    mailer = Mailer("memory:")
    for send_many in (mailer.send_many, mailer.asend_many):
        with pytest.raises(InvalidMessage, match=r"messages: .*must be an iterable of messages"):
            send_many(messages)  # type: ignore[arg-type]


def test_an_async_iterable_needs_the_async_form() -> None:
    """A sync sending cannot wait for an async producer."""

    async def produced() -> AsyncIterator[Message]:
        yield message(0)

    with pytest.raises(InvalidMessage, match=r"messages: .*must be an iterable .*asend_many$"):
        Mailer("memory:").send_many(produced())  # type: ignore[arg-type]


# -- faults of the whole sending


@faces
def test_a_wrong_password_ends_it(is_async: bool) -> None:
    """One bad login is enough: the error says how many were not attempted; nobody's account is locked."""
    with ScriptedSMTPServer(tls="starttls", credentials={"zoe": "right"}) as server:
        mailer = Mailer(server.url(username="zoe", password="wrong"))
        messages = [message(number) for number in range(10)]
        sending = mailer.asend_many(messages) if is_async else mailer.send_many(messages)
        with pytest.raises(AuthenticationFailed) as caught:
            asyncio.run(sending.finish()) if is_async else sending.finish()  # type: ignore[arg-type]
        assert len(server.sessions) == 1
        assert server.commits == []
    assert caught.value.not_attempted == 9  # type: ignore[attr-defined]
    assert caught.value.__notes__ == ["9 messages were not attempted"]
    assert [receipt.position for receipt in sending.unsent] == [0]
    assert sending.unsent[0].recipients["r0@example.com"].status == "deferred"


def test_missing_tls_ends_it() -> None:
    """A server without STARTTLS is a fault of the configuration, not of a mail."""
    with ScriptedSMTPServer() as server:
        sending = Mailer(server.url(tls="required")).send_many(message(number) for number in range(10))
        with pytest.raises(SecurityFailed, match="does not offer STARTTLS"):
            sending.finish()
        assert len(server.sessions) == 1
        assert [step.name for step in server.sessions[0].steps] == ["CONNECT", "EHLO"]


def test_a_dead_server_is_no_fault_of_the_sending() -> None:
    """No connection: each mail is deferred with the error, and the stream goes to its end."""
    receipts = list(Mailer("smtp://127.0.0.1:1").send_many([message(number) for number in range(5)]))
    assert len(receipts) == 5
    for receipt in receipts:
        assert isinstance(receipt.error, ConnectFailed)
        assert [outcome.status for outcome in receipt.recipients.values()] == ["deferred"]


def test_a_sending_is_of_one_face() -> None:
    """The sync sending is no async iterable, and the other way round."""
    mailer = Mailer("null:")
    with mailer.send_many([message(0)]) as sending:
        assert isinstance(sending, Sending)
        assert not hasattr(sending, "__aiter__")
    assert not hasattr(AsyncSending, "__iter__")


def test_layers_that_are_none_are_refused() -> None:
    """A mailer takes layers, not functions."""
    with pytest.raises(ConfigurationError, match=r"layers: .* is no Layer"):
        Mailer("null:", layers=[print])  # type: ignore[list-item]


def test_an_envelope_belongs_to_one_mail() -> None:
    """`send_many` computes envelopes; parcels bring their own."""
    parcel = Mailer("null:").parcel(message(0), Envelope("", ["other@example.com"]))
    (receipt,) = Mailer("null:").send_many([parcel])
    assert receipt.accepted == ("other@example.com",)


async def left_by_break(mailer: Mailer) -> None:
    """Leave a sending in the middle, and the loop right after."""
    async for _ in mailer.asend_many(message(number) for number in range(6)):
        break


async def left_by_name(mailer: Mailer) -> None:
    """Forget a sending in the middle."""
    sending = mailer.asend_many(message(number) for number in range(6))
    await anext(sending)
    del sending


async def left_by_error(mailer: Mailer) -> None:
    """Leave by an exception, whose traceback outlives the loop and holds the sending."""
    sending = mailer.asend_many(message(number) for number in range(6))
    await anext(sending)
    raise KeyError("mine")


@pytest.mark.parametrize("leave", [left_by_break, left_by_name, left_by_error])
@pytest.mark.parametrize("pool", [1, 3])
def test_a_sending_that_is_left_as_its_loop_ends_leaves_no_connection(leave, pool) -> None:
    """Nobody closed it, and no task of the loop gets to run any more: its connection is closed all the same."""
    with ScriptedSMTPServer() as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        mailer = Mailer(server.url(pool=pool, tls="off"))
        with suppress(KeyError):
            asyncio.run(leave(mailer))
        del mailer
        gc.collect()
        server.wait_until_idle(5)
    assert [str(one.message) for one in caught if "unclosed" in str(one.message)] == []


@pytest.mark.parametrize(("pool", "sent"), [(1, 1), (3, 7)])
def test_a_sending_that_is_held_as_its_loop_ends_has_no_connection(pool: int, sent: int) -> None:
    """Its connections are closed in the loop, and not when somebody collects it: no order of collecting is the right one."""

    async def leave(mailer: Mailer) -> None:
        sending = mailer.asend_many(message(number) for number in range(9))
        await anext(sending)
        # Now its streams wait until somebody takes receipts: each of three pauses when more than three of them wait.
        await asyncio.to_thread(server.wait_for, lambda server: len(server.commits) == sent)
        raise KeyError("mine")

    with ScriptedSMTPServer() as server:
        mailer = Mailer(server.url(pool=pool, tls="off"))
        with pytest.raises(KeyError) as held:
            asyncio.run(leave(mailer))
        server.wait_until_idle(5)
        del held, mailer


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_sending_that_outlives_its_loop_leaves_no_connection() -> None:
    """The loop was closed in the middle, and its tasks were never ended: what they hold is closed with the sending."""

    async def begin(mailer: Mailer) -> AsyncSending:
        sending = mailer.asend_many(message(number) for number in range(50))
        async for _ in sending:
            await asyncio.to_thread(server.wait_for_step, "BODY", nth=2)
            await asyncio.to_thread(server.wait_for_step, "BODY", session=2)
            break
        return sending

    script = [Rule("BODY", nth=1, session=1).proceed(), Rule("BODY").hold("never")]
    with ScriptedSMTPServer(script) as server:
        mailer = Mailer(server.url(pool=2, tls="off"))
        loop = asyncio.new_event_loop()
        sending = loop.run_until_complete(begin(mailer))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        del sending, mailer
        gc.collect()
        server.release("never")
        server.wait_until_idle(5)


@faces
def test_the_reply_to_rset_is_not_the_reply_to_mail(is_async: bool) -> None:
    """A group that begins with RSET and is cut off in the middle: each reply that came is its own recipient's."""
    script = [
        Rule("RCPT", session=1, nth=1).reply("550 5.1.1 the first"),
        Rule("RCPT", session=1, nth=2).reply("550 5.1.1 nobody").close(),
    ]
    two = Message("2", "text", from_email="me@example.com", to=["nobody@example.com", "zoe@example.com"])
    with ScriptedSMTPServer(script, capabilities=["PIPELINING"]) as server:
        mailer = Mailer(server.url(pool=1, tls="off"))
        if is_async:
            receipts = asyncio.run(gathered(mailer.asend_many([message(0), two])))
        else:
            receipts = list(mailer.send_many([message(0), two]))
        commands = [step.name for step in server.sessions[0].steps]
    assert "RSET" in commands
    found = receipts[1].recipients
    assert str(found["nobody@example.com"].reply) == "550 5.1.1 nobody"
    assert found["nobody@example.com"].status == "rejected"
    assert found["zoe@example.com"].status == "accepted"


@faces
@pytest.mark.parametrize("capabilities", [[], ["PIPELINING"]], ids=["singly", "pipelined"])
def test_rset_is_said_once(capabilities: list[str], is_async: bool) -> None:
    """It ends the transaction that was refused; the mails that follow need none."""
    script = [Rule("RCPT", nth=1).reply("550 5.1.1 nobody")]
    with ScriptedSMTPServer(script, capabilities=capabilities) as server:
        mailer = Mailer(server.url(pool=1, tls="off"))
        messages = [message(number) for number in range(4)]
        if is_async:
            receipts = asyncio.run(gathered(mailer.asend_many(messages)))
        else:
            receipts = list(mailer.send_many(messages))
            mailer.close()
        server.wait_until_idle()
        (session,) = server.sessions
    assert [receipt.is_complete for receipt in receipts] == [False, True, True, True]
    assert [step.name for step in session.steps].count("RSET") == 1


# -- several connections, and a stop in the middle


def on_the_way(pool: int) -> tuple[list[Message], list[Rule]]:
    """Return mails, and a script that answers none of their contents before `pool` of them are there."""
    return [message(number) for number in range(20)], [Rule("BODY", nth=1).hold("all there").proceed()]


@pytest.mark.asyncio
async def test_who_stops_early_knows_what_became_of_each_mail() -> None:
    """The mails that are on their way on the other connections end: nothing is unknown, what was taken is told."""
    messages, script = on_the_way(4)
    script.insert(0, Rule("BODY", nth=1, session=1).proceed())
    given: list[str] = []
    with ScriptedSMTPServer(script) as server:
        async with Mailer(server.url(pool=4)) as mailer, mailer.asend_many(messages) as sending:
            async for receipt in sending:
                given += receipt.accepted
                for session in (2, 3, 4):
                    await asyncio.to_thread(server.wait_for_step, "BODY", session=session)
                asyncio.get_running_loop().call_later(0.05, server.release, "all there")
                break
        taken = sorted(commit.recipients[0] for commit in server.commits)
    assert sending.tally.unknown == 0
    told = [name for receipt in sending.unsent for name in receipt.accepted]
    assert sorted(given + told) == taken
    assert len(taken) >= 4


@pytest.mark.asyncio
async def test_a_login_that_fails_on_one_connection_leaves_the_mails_of_the_others_known() -> None:
    """It ends the sending; what is on its way elsewhere is not interrupted."""
    messages, script = on_the_way(3)
    script += [Rule("AUTH", session=3).hold("two there").reply("535 5.7.8 no")]
    with ScriptedSMTPServer(script, credentials={"zoe": "secret"}) as server:
        url = server.url(pool=3, username="zoe", password="secret", tls="off")
        async with Mailer(url) as mailer:
            sending = mailer.asend_many(messages)
            task = asyncio.create_task(sending.finish())
            for session in (1, 2):
                await asyncio.to_thread(server.wait_for_step, "BODY", session=session)
            server.release("two there")
            await asyncio.to_thread(
                server.wait_for,
                lambda server: [session.end for session in server.sessions][2:3] not in ([], [None]),
            )
            server.release("all there")
            with pytest.raises(AuthenticationFailed):
                await task
        assert len(server.commits) == 2
    assert (sending.tally.accepted, sending.tally.unknown) == (2, 0)


@pytest.mark.asyncio
async def test_who_is_cancelled_does_not_wait_for_the_mails_on_their_way() -> None:
    """A cancellation ends the sending at once, and says that it is not known what became of them."""
    messages, script = on_the_way(2)
    with ScriptedSMTPServer(script) as server:
        async with Mailer(server.url(pool=2, timeout=600)) as mailer:
            sending = mailer.asend_many(messages)
            task = asyncio.create_task(sending.finish())
            for session in (1, 2):
                await asyncio.to_thread(server.wait_for_step, "BODY", session=session)
            task.cancel()
            done, _ = await asyncio.wait((task,), timeout=60)
            assert done == {task}
            assert task.cancelled()
        server.release("all there")
    assert sending.tally.unknown == 2


@pytest.mark.asyncio
@pytest.mark.parametrize(("url", "pool"), [("{}", 2), ("roundrobin({0} {0})", 1)])
async def test_who_stops_early_does_not_wait_for_a_connection_that_is_being_opened(
    url: str, pool: int
) -> None:
    """Nothing of the mail that would go over it is sent, and the mail is deferred."""
    with ScriptedSMTPServer([Rule("CONNECT", session=2).hold("never").proceed()]) as server:
        async with (
            asyncio.timeout(20),
            Mailer(url.format(server.url(pool=pool, timeout=60))) as mailer,
            mailer.asend_many([message(number) for number in range(20)]) as sending,
        ):
            async for receipt in sending:
                assert receipt.is_complete
                await asyncio.to_thread(server.wait_for, lambda server: len(server.sessions) >= 2)
                break
        server.release("never")
    assert sending.tally.unknown == 0
    assert sending.tally.deferred >= 1


@pytest.mark.asyncio
async def test_a_server_that_says_nothing_more_is_waited_for_no_longer_than_the_timeout() -> None:
    """Who stops early waits for the ordinary timeout at most; then it is unknown what became of the mails."""
    messages, script = on_the_way(2)
    script.insert(0, Rule("BODY", nth=1, session=1).proceed())
    with ScriptedSMTPServer(script) as server:
        async with Mailer(server.url(pool=2, timeout=0.5)) as mailer, mailer.asend_many(messages) as sending:
            async for _ in sending:
                await asyncio.to_thread(server.wait_for_step, "BODY", session=2)
                break
        server.release("all there")
    assert sending.tally.unknown == 1
