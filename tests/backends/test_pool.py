"""The pool: who gets which connection, in what order, until when; and what event loops, threads, forks and `close` leave."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from forked import forks, in_a_child
from hypothesis import given
from hypothesis import strategies as st

from modernmail import Mailer, Message
from modernmail.backends.pool import Pool, choose
from modernmail.errors import ConnectFailed, RecipientsRefused
from modernmail.insight import Failed
from modernmail.runtime import AsyncioIO, BlockingIO
from modernmail.smtp.extensions import Extensions
from modernmail.smtp.settings import Settings
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

IO = AsyncioIO()


class FakeWire:
    """What the pool sees of a wire."""

    def __init__(
        self,
        *,
        usable: bool = True,
        last_used: float = 0.0,
        served: int = 0,
        slow: bool = False,
        limits: str = "",
    ) -> None:
        self.extensions = Extensions({"LIMITS": limits})
        self.usable = usable
        self.last_used = last_used
        self.served = served
        self.slow = slow
        self.is_broken = False
        self.ends: list[str] = []

    def is_usable(self) -> bool:
        """Return whether it may be reused."""
        return self.usable and not self.ends

    async def close(self, *, polite: bool, until: float = 0.0) -> None:
        """Close."""
        if self.slow:
            await asyncio.sleep(3600)
        self.ends.append("closed")

    def abandon(self) -> None:
        """Let go."""
        self.ends.append("abandoned")


class Opener:
    """Opens fake wires, and keeps them."""

    def __init__(self) -> None:
        self.wires: list[FakeWire] = []
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    async def __call__(self, until: float) -> Any:
        """Open a wire."""
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.wires.append(FakeWire())
        return self.wires[-1]

    @property
    def is_sound(self) -> bool:
        """Whether every wire that was opened was closed, or let go."""
        return all(wire.ends for wire in self.wires)


def settings(**changes: Any) -> Settings:
    """Return settings for a server that nobody connects to."""
    return Settings("127.0.0.1", 25, **changes)


def a_message(name: str = "you") -> Message:
    """Return a message to this name at example.com."""
    return Message("x", "y", from_email="me@example.com", to=f"{name}@example.com")


# -- the decision


wires = st.builds(
    FakeWire,
    usable=st.booleans(),
    last_used=st.floats(0, 200),
    served=st.integers(0, 12),
    limits=st.sampled_from(["", "MAILMAX=20", "MAILMAX=4"]),
)


@given(st.lists(wires, max_size=6), st.integers(0, 6), st.floats(0, 200), st.integers(1, 6))
def test_the_decision_is_sound(idle: list[FakeWire], busy: int, now: float, most: int) -> None:
    """A wire in doubt is never reused, the warmest of the good ones is; no more than `pool` are ever open."""
    chosen = settings(pool=most, idle=60, max_messages=10)
    action, wire, stale = choose(idle, busy + len(idle), now, chosen, most)  # type: ignore[arg-type]
    good = [
        one
        for one in idle
        if one.usable
        and now - one.last_used <= 60
        and one.served < (4 if "=4" in one.extensions.offered["LIMITS"] else 10)
    ]
    assert stale == [one for one in idle if one not in good]
    assert wire is (good[-1] if good else None)
    if good:
        assert action == "reuse"
    else:
        assert action == ("open" if busy < most else "wait")


# -- waiting


@pytest.mark.asyncio
async def test_who_waits_is_served_in_the_order_of_coming() -> None:
    """Ten wait for one connection: each is served in turn, and nobody who comes later passes them."""
    pool = Pool(settings(pool=1), Opener())
    first = await pool.acquire(IO)
    order: list[int] = []

    async def one(number: int) -> None:
        wire = await pool.acquire(IO)
        order.append(number)
        assert wire is not None
        await asyncio.sleep(0)
        await pool.release(wire, IO)
        if number < 5:  # who comes back at once stands at the end of the line
            await one(number + 10)

    tasks = [asyncio.create_task(one(number)) for number in range(10)]
    await asyncio.sleep(0)
    assert first is not None
    await pool.release(first, IO)
    await asyncio.gather(*tasks)
    assert order == [*range(10), *range(10, 15)]


@pytest.mark.asyncio
async def test_who_waits_too_long_gets_nothing_and_takes_nothing() -> None:
    """A wait that ran out leaves the line: the next one is served as if it had never been there."""
    pool = Pool(settings(pool=1), Opener())
    wire = await pool.acquire(IO)
    late = asyncio.create_task(pool.acquire(IO, IO.now() + 0.01))
    await asyncio.sleep(0)
    patient = asyncio.create_task(pool.acquire(IO))
    assert await late is None
    assert wire is not None
    await pool.release(wire, IO)
    assert await patient is wire


@pytest.mark.asyncio
async def test_a_cancelled_wait_hands_on_what_it_was_given() -> None:
    """Cancelled in the moment of being served: the wire goes to the next in line, and is not lost."""
    opener = Opener()
    pool = Pool(settings(pool=1), opener)
    wire = await pool.acquire(IO)
    assert wire is not None
    doomed, heir = (asyncio.create_task(pool.acquire(IO)) for _ in range(2))
    await asyncio.sleep(0)
    await pool.release(wire, IO)
    doomed.cancel()
    assert await heir is wire
    assert doomed.cancelled()
    await pool.release(wire, IO)
    await pool.close()
    assert opener.is_sound


@pytest.mark.asyncio
async def test_a_failed_or_cancelled_opening_gives_its_place_back() -> None:
    """The place of one whose opening fails, or is cancelled, is the next one's."""
    opener = Opener()
    pool = Pool(settings(pool=1), opener)
    opener.error = ConnectFailed("no")
    with pytest.raises(ConnectFailed):
        await pool.acquire(IO)
    opener.error, opener.gate = None, asyncio.Event()
    doomed, heir = (asyncio.create_task(pool.acquire(IO)) for _ in range(2))
    await asyncio.sleep(0)
    doomed.cancel()
    await asyncio.sleep(0)
    opener.gate.set()
    assert await heir is opener.wires[0]
    assert len(opener.wires) == 1


@pytest.mark.asyncio
async def test_a_cancellation_while_an_old_wire_is_closed_loses_no_place() -> None:
    """Cancelled while a stale connection says QUIT: that one is let go, and the pool is as good as before."""
    opener = Opener()
    pool = Pool(settings(pool=2), opener)
    old, good = [await pool.acquire(IO) for _ in range(2)]
    for wire in (old, good):
        await pool.release(wire, IO)  # type: ignore[arg-type]
    opener.wires[0].usable, opener.wires[0].slow = False, True
    doomed = asyncio.create_task(pool.acquire(IO))
    await asyncio.sleep(0)
    doomed.cancel()
    await asyncio.gather(doomed, return_exceptions=True)
    assert opener.wires[0].ends == ["abandoned"]
    assert [await pool.acquire(IO), await pool.acquire(IO)] == [good, opener.wires[2]]


@pytest.mark.asyncio
async def test_a_cancellation_while_a_worn_wire_is_closed_frees_its_place() -> None:
    """Cancelled while a connection that has served enough says QUIT: whoever waits opens another."""
    opener = Opener()
    pool = Pool(settings(pool=1, max_messages=1), opener)
    wire = await pool.acquire(IO)
    assert wire is not None
    wire.served = 1
    opener.wires[0].slow = True
    release = asyncio.create_task(pool.release(wire, IO))
    heir = asyncio.create_task(pool.acquire(IO))
    await asyncio.sleep(0)
    release.cancel()
    assert await heir is opener.wires[1]


@pytest.mark.asyncio
async def test_a_wire_that_went_bad_in_use_is_not_handed_on() -> None:
    """Who waits gets the place of a broken connection, never the connection."""
    opener = Opener()
    pool = Pool(settings(pool=1), opener)
    wire = await pool.acquire(IO)
    heir = asyncio.create_task(pool.acquire(IO))
    await asyncio.sleep(0)
    opener.wires[0].usable = False
    await pool.release(wire, IO)  # type: ignore[arg-type]
    assert await heir is opener.wires[1]
    assert opener.wires[0].ends


@pytest.mark.parametrize("is_async", [False, True])
def test_a_busy_pool_is_waited_for_no_longer_than_the_deadline(is_async: bool) -> None:
    """The error says that all connections were busy; the mail is deferred; the one that was going goes through."""
    with ScriptedSMTPServer([Rule("BODY", nth=1).hold("go").proceed()]) as server:
        url = server.url(pool=1, deadline=0.2)
        told: list[Any] = []

        async def tasks() -> None:
            async with Mailer(server.url(pool=1)) as patient, Mailer(url) as hasty:
                hasty.backend.pools = patient.backend.pools  # type: ignore[attr-defined]  # one pool, two deadlines
                going = asyncio.create_task(patient.asend(a_message()))
                await asyncio.to_thread(server.wait_for_step, "BODY")
                with pytest.raises(ConnectFailed, match="busy") as failed:
                    await hasty.asend(a_message())
                server.release("go")
                told.extend([failed.value, await going])

        def threads() -> None:
            with Mailer(server.url(pool=1)) as patient, Mailer(url) as hasty:
                hasty.backend.pools = patient.backend.pools  # type: ignore[attr-defined]
                receipts: list[Any] = []
                thread = threading.Thread(target=lambda: receipts.append(patient.send(a_message())))
                thread.start()
                server.wait_for_step("BODY")
                with pytest.raises(ConnectFailed, match="busy") as failed:
                    hasty.send(a_message())
                server.release("go")
                thread.join()
                told.extend([failed.value, receipts[0]])

        asyncio.run(tasks()) if is_async else threads()
        error, receipt = told
        assert "deadline of 0.2 s" in str(error)
        assert error.is_transient
        assert error.receipt.retry_recipients() == ("you@example.com",)
        assert receipt.accepted == ("you@example.com",)
        assert len(server.commits) == 1


def test_a_busy_pool_is_no_dead_server() -> None:
    """A stream whose first mail waited in vain for a connection goes on with the others when there is one."""
    with ScriptedSMTPServer([Rule("BODY", nth=1, session=1).hold("go").proceed()]) as server:
        url = server.url(pool=1, deadline=0.2)
        with Mailer(server.url(pool=1)) as patient, Mailer(url) as hasty:
            hasty.backend.pools = patient.backend.pools  # type: ignore[attr-defined]
            thread = threading.Thread(target=lambda: patient.send(a_message()))
            thread.start()
            server.wait_for_step("BODY")
            statuses = []
            for receipt in hasty.send_many(a_message(str(number)) for number in range(3)):
                statuses.append(receipt.recipients[f"{receipt.position}@example.com"].status)
                if receipt.position == 0:
                    server.release("go")
                    thread.join()
        assert statuses == ["deferred", "accepted", "accepted"]


@pytest.mark.asyncio
@pytest.mark.parametrize("options", [{}, {"chunking": "on", "window": 8}])
async def test_a_long_stream_does_not_keep_a_single_mail_waiting(options: dict[str, Any]) -> None:
    """With one connection for both, a mail that comes during a stream of 300 is through after some fifty of them."""
    capabilities = ["PIPELINING", "CHUNKING"]
    with ScriptedSMTPServer([Rule("BODY", nth=1).hold("go").proceed()], capabilities=capabilities) as server:
        async with Mailer(server.url(pool=1, **options)) as mailer:
            sending = mailer.asend_many([a_message(f"r{number}") for number in range(300)])
            stream = asyncio.create_task(sending.finish())
            await asyncio.to_thread(server.wait_for_step, "BODY" if not options else "BDAT")
            single = asyncio.create_task(mailer.asend(a_message("single")))
            await asyncio.sleep(0)
            server.release("go")
            assert (await single).is_complete
            assert (await stream).accepted == 300
        await asyncio.to_thread(server.wait_until_idle)
    order = [commit.recipients[0] for commit in server.commits]
    assert order.index("single@example.com") <= 60
    assert [name for name in order if name[0] == "r"] == [f"r{number}@example.com" for number in range(300)]
    assert len(server.sessions) == 1


def test_streams_take_turns() -> None:
    """Two threads with a stream each share one connection, some fifty mails at a time, and both come to their end."""
    held = Rule("BODY", nth=1).hold("go").proceed()
    with ScriptedSMTPServer([held]) as server, Mailer(server.url(pool=1)) as mailer:

        def stream(name: str) -> None:
            tally = mailer.send_many([a_message(f"{name}{number}") for number in range(200)]).finish()
            assert tally.accepted == 200

        threads = [threading.Thread(target=stream, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        pool = mailer.backend.pools.of(BlockingIO())  # type: ignore[attr-defined]
        while not pool.is_wanted:
            threads[0].join(0.001)
        server.release("go")
        for thread in threads:
            thread.join()
        order = "".join(commit.recipients[0][0] for commit in server.commits)
    assert (order.count("a"), order.count("b")) == (200, 200)
    assert max(len(run) for run in order[:300].replace("ab", "a b").replace("ba", "b a").split()) <= 60
    assert len(server.sessions) == 1


# -- one who would wait for himself


def test_who_goes_through_receipts_may_send_beside_them() -> None:
    """A mail from the loop over a sending's receipts would wait for its connection: it has one more, which is closed."""
    with ScriptedSMTPServer() as server, Mailer(server.url(pool=1, deadline=2)) as mailer:
        for receipt in mailer.send_many(a_message(f"r{number}") for number in range(3)):
            assert mailer.send(a_message(f"beside{receipt.position}")).is_complete
        assert mailer.send(a_message("later")).is_complete
        server.wait_for_commits(7)
        assert [commit.recipients[0] for commit in server.commits if commit.session == 1] == [
            "r0@example.com", "r1@example.com", "r2@example.com", "later@example.com",
        ]  # fmt: skip
        assert len(server.sessions) == 4


def test_a_generator_of_messages_may_send() -> None:
    """Nor does a mail wait for the sending that pulls the messages from where it is sent."""

    def messages() -> Iterator[Message]:
        for number in range(3):
            assert mailer.send(a_message(f"beside{number}")).is_complete
            yield a_message(f"r{number}")

    with ScriptedSMTPServer() as server, Mailer(server.url(pool=1, deadline=2)) as mailer:
        assert mailer.send_many(messages()).finish().accepted == 3


def test_an_alert_about_a_mail_is_sent_beside_it() -> None:
    """A subscriber, or a handler of the log, that mails what became of a mail does not wait for that mail's connection."""
    rule = Rule("RCPT", contains="gone@").reply("550 5.1.1 no such user")
    with ScriptedSMTPServer([rule]) as server, Mailer(server.url(pool=1, deadline=2)) as mailer:

        def alert(event: object) -> None:
            if isinstance(event, Failed):
                assert mailer.send(a_message("ops")).is_complete

        with mailer.subscribe(alert), pytest.raises(RecipientsRefused):
            mailer.send(a_message("gone"))
        assert [commit.recipients for commit in server.commits] == [("ops@example.com",)]


@pytest.mark.asyncio
@pytest.mark.parametrize("connections", [1, 2])
async def test_a_task_that_goes_through_receipts_may_send_beside_them(connections: int) -> None:
    """As in a thread; also when the sending has all connections, and pauses because its receipts are not taken."""
    with ScriptedSMTPServer() as server:
        async with Mailer(server.url(pool=connections, deadline=5)) as mailer:
            async for receipt in mailer.asend_many([a_message(f"r{number}") for number in range(20)]):
                if receipt.position < 3:
                    assert (await mailer.asend(a_message("beside"))).is_complete
        assert len(server.commits) == 23


def test_others_wait_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more connection is for who would wait for himself alone: another thread waits for a place."""
    monkeypatch.setattr("modernmail.backends.standstill.PATIENCE", 60.0)
    with ScriptedSMTPServer() as server, Mailer(server.url(pool=1, deadline=5)) as mailer:
        pool = mailer.backend.pools.of(BlockingIO())  # type: ignore[attr-defined]
        other = threading.Thread(target=mailer.send, args=(a_message("other"),))
        for receipt in mailer.send_many(a_message(f"r{number}") for number in range(2)):
            if receipt.position == 0:
                other.start()
                while not pool.is_wanted:
                    other.join(0.001)
                assert mailer.send(a_message("beside")).is_complete
                assert pool.is_wanted
        other.join()
        assert server.commits[-1].recipients == ("other@example.com",)
        assert len(server.sessions) == 2


@pytest.mark.asyncio
@pytest.mark.parametrize("connections", [1, 2])
async def test_tasks_that_a_loop_over_receipts_waits_for(connections: int) -> None:
    """Nobody asks for the next receipt, so that its connections stay taken: one more serves them all, one after another."""
    with ScriptedSMTPServer() as server:
        async with Mailer(server.url(pool=connections, deadline=10)) as mailer:
            async for receipt in mailer.asend_many([a_message(f"r{number}") for number in range(20)]):
                if receipt.position == 1:
                    beside = [mailer.asend(a_message(f"beside{number}")) for number in range(4)]
                    assert all(one.is_complete for one in await asyncio.gather(*beside))
                    assert (await asyncio.create_task(mailer.asend(a_message("one")))).is_complete
        assert len(server.commits) == 25
        assert len(server.sessions) <= connections + 1


def test_threads_that_a_loop_over_receipts_waits_for() -> None:
    """As tasks do; when the loop goes on there is no place more."""
    with ScriptedSMTPServer() as server, Mailer(server.url(pool=1, deadline=10)) as mailer:
        with ThreadPoolExecutor(3) as pool:
            for receipt in mailer.send_many(a_message(f"r{number}") for number in range(3)):
                if receipt.position == 1:
                    messages = [a_message(f"beside{number}") for number in range(6)]
                    assert all(one.is_complete for one in pool.map(mailer.send, messages))
            assert len(server.sessions) == 2
            assert mailer.send(a_message("later")).is_complete
        server.wait_for_commits(10)
        assert [commit.session for commit in server.commits if "r" in commit.recipients[0][0]] == [1, 1, 1]


# -- loops, threads, processes


def test_each_run_of_a_loop_has_its_own_connections_and_leaves_none() -> None:
    """`asyncio.run` three times on one mailer: three sessions, each ended by QUIT; the dead loops are collected."""
    loops = []
    with ScriptedSMTPServer() as server:
        mailer = Mailer(server.url())

        async def twice() -> None:
            loops.append(weakref.ref(asyncio.get_running_loop()))
            await mailer.asend(a_message())
            await mailer.asend(a_message())

        for _ in range(3):
            asyncio.run(twice())
        server.wait_until_idle()
        assert [session.end for session in server.sessions] == ["quit"] * 3
        assert len(server.commits) == 6
        gc.collect()
        assert [loop() for loop in loops] == [None] * 3


def test_a_loop_that_was_closed_without_shutdown_holds_up_nobody() -> None:
    """Its connections are let go, and itself is collected, when the mailer is used or closed the next time."""
    loops = []
    with ScriptedSMTPServer() as server:
        mailer = Mailer(server.url())

        async def once() -> None:
            loops.append(weakref.ref(asyncio.get_running_loop()))
            await mailer.asend(a_message())

        loop = asyncio.new_event_loop()
        loop.run_until_complete(once())
        loop.close()
        del loop
        asyncio.run(once())
        server.wait_until_idle()
        assert [session.end for session in server.sessions] == ["eof", "quit"]
        gc.collect()
        assert [loop() for loop in loops] == [None, None]


def test_two_loops_in_two_threads_share_a_mailer() -> None:
    """Each has its own connections: neither waits for the other, none is used from the wrong loop."""
    with ScriptedSMTPServer() as server:
        mailer = Mailer(server.url(pool=1))
        meet = threading.Barrier(2)

        async def some(name: str) -> None:
            for number in range(20):
                await mailer.asend(a_message(f"{name}{number}"))
                if not number:
                    meet.wait(10)  # both have a connection open now

        threads = [threading.Thread(target=lambda n=name: asyncio.run(some(n))) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        server.wait_until_idle()
        assert len(server.sessions) == 2
        assert sorted(commit.recipients[0] for commit in server.commits) == sorted(
            f"{name}{number}@example.com" for name in "ab" for number in range(20)
        )
        for session in server.sessions:
            assert len({one.recipients[0][0] for one in session.transactions}) == 1


@forks
@pytest.mark.parametrize("is_async", [False, True])
def test_a_child_process_opens_its_own_connection(is_async: bool) -> None:
    """After a fork parent and child send on over different sessions, and the child says nothing on the parent's."""
    with ScriptedSMTPServer() as server, Mailer(server.url(pool=1)) as mailer:

        def send(name: str) -> None:
            if is_async:
                asyncio.run(mailer.asend(a_message(name)))
            else:
                mailer.send(a_message(name))

        mailer.send(a_message("before"))
        in_a_child(lambda: send("child"))
        mailer.send(a_message("after"))
        mine = [one.recipients[0] for one in server.sessions[0].transactions]
        assert mine == ["before@example.com", "after@example.com"]
        assert server.sessions[0].end is None
        assert [one.recipients[0] for one in server.sessions[1].transactions] == ["child@example.com"]


# -- the end


@pytest.fixture
def held() -> Iterator[ScriptedSMTPServer]:
    """A server that holds its answer to the first content back until `go` is released."""
    with ScriptedSMTPServer([Rule("BODY", nth=1).hold("go").proceed()]) as server:
        yield server


def test_close_waits_for_the_mails_of_other_threads(held: ScriptedSMTPServer) -> None:
    """A mail that another thread has on its way is through when `close` returns, and its connection is closed."""
    mailer = Mailer(held.url())
    thread = threading.Thread(target=lambda: mailer.send(a_message()))
    thread.start()
    held.wait_for_step("BODY")
    closing = threading.Thread(target=mailer.close)
    closing.start()
    closing.join(0.1)
    assert closing.is_alive()
    held.release("go")
    closing.join(10)
    assert len(held.commits) == 1
    thread.join()
    held.wait_until_idle()
    assert [session.end for session in held.sessions] == ["quit"]


@pytest.mark.asyncio
async def test_close_waits_for_the_mails_of_other_tasks(held: ScriptedSMTPServer) -> None:
    """The same under asyncio; those that wait for a connection are through as well."""
    mailer = Mailer(held.url(pool=1))
    tasks = [asyncio.create_task(mailer.asend(a_message(str(number)))) for number in range(4)]
    await asyncio.to_thread(held.wait_for_step, "BODY")
    closing = asyncio.create_task(mailer.aclose())
    done, _ = await asyncio.wait((closing,), timeout=0.1)
    assert not done
    held.release("go")
    await closing
    assert all(task.done() for task in tasks)
    assert len(held.commits) == 4
    await asyncio.to_thread(held.wait_until_idle)
    assert {session.end for session in held.sessions} == {"quit"}


def test_close_does_not_wait_for_a_sending_that_nobody_drives() -> None:
    """A sending half-way in the same thread is on its way to nowhere: `close` returns, and it can be gone on with."""
    with ScriptedSMTPServer() as server:
        mailer = Mailer(server.url(pool=1))
        sending = mailer.send_many(a_message(str(number)) for number in range(3))
        next(sending)
        mailer.close()
        assert sending.finish().accepted == 3
        server.wait_until_idle()  # its connection was closed when it came back
        assert [session.end for session in server.sessions] == ["quit"]
        mailer.send(a_message())
        assert len(server.sessions) == 2
        mailer.close()


@pytest.mark.asyncio
async def test_close_gives_up_after_the_timeout(held: ScriptedSMTPServer) -> None:
    """A server that does not answer holds `close` up for `timeout`, and no longer; the mail is not cut off."""
    mailer = Mailer(held.url(timeout=0.1))
    task = asyncio.create_task(mailer.asend(a_message()))
    await asyncio.to_thread(held.wait_for_step, "BODY")
    await mailer.aclose()
    assert not task.done()
    held.release("go")
    assert (await task).accepted == ("you@example.com",)
    await asyncio.to_thread(held.wait_until_idle)
