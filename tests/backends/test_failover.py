"""Failover and round robin: what one server cannot take another gets, once; the receipt says how."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from faces import send
from services.process import free_port

from modernmail import Backend, Mailer, Message, Outcome, Receipt, Reply
from modernmail.backends.backend import accepted
from modernmail.backends.failover import Failover
from modernmail.backends.members import Member, choose
from modernmail.backends.memory import MemoryBackend
from modernmail.backends.roundrobin import RoundRobin
from modernmail.backends.url import backend_from_url
from modernmail.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    ContentRefused,
    DeliveryError,
    OutcomeUnknown,
    RecipientsRefused,
)
from modernmail.layers import Retry
from modernmail.runtime import AsyncioIO
from modernmail.testing import Rule, ScriptedSMTPServer
from modernmail.testing.contract import BACKEND_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modernmail import Parcel
    from modernmail.runtime import IO

ANN, BOB = "ann@example.com", "bob@example.com"


def message(*to: str) -> Message:
    """Return a small mail."""
    return Message("Hi", "Text.\n", from_email="me@example.com", to=list(to or (ANN,)))


def nobody() -> str:
    """Return the URL of a port where nobody listens."""
    return f"smtp://127.0.0.1:{free_port()}"


# -- the contract


@pytest.mark.parametrize("rule", BACKEND_RULES, ids=lambda rule: rule.__name__.strip("_"))
@pytest.mark.parametrize("kind", ["failover", "roundrobin"])
@pytest.mark.parametrize("first", ["up", "down"])
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_contract(
    kind: str, first: str, rule: Callable[[Callable[[], Backend], Sequence[str], str], None], mode: str
) -> None:
    """A backend of backends keeps the contract, with all members up, and with the first one down."""
    with ScriptedSMTPServer() as one, ScriptedSMTPServer() as two:
        other = one.url(pool=2) if first == "up" else nobody()
        url = f"{kind}({other} {two.url()})"
        rule(lambda: backend_from_url(url), [ANN, BOB, "zoe@example.com"], mode)


# -- what fails over


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    "rules",
    [
        [Rule("CONNECT").reply("421 4.3.2 busy").close()],
        [Rule("CONNECT").reply("554 5.3.2 no").close()],
        [Rule("CONNECT").close()],
        [Rule("MAIL").close()],
        [Rule("MAIL").reply("451 4.3.0 later")],
        [Rule("RCPT").reply("450 4.2.1 later")],
        [Rule("DATA").reply("451 4.3.0 later")],
        [Rule("BODY").reply("452 4.3.1 full")],
        [Rule("BODY").reply("421 4.3.2 closing").close()],
    ],
    ids=[
        "421",
        "554 greeting",
        "closed",
        "closed at MAIL",
        "MAIL",
        "RCPT",
        "DATA",
        "content",
        "421 to the content",
    ],
)
def test_what_was_not_sent_goes_to_the_next(rules: list[Rule], is_async: bool) -> None:
    """No connection, a connection lost before the content was sent, any 4xx: the next server gets the same parcel."""
    with ScriptedSMTPServer(rules) as one, ScriptedSMTPServer() as two:
        mailer = Mailer(f"failover({one.url()} {two.url()})")
        receipt = send(mailer, message(), is_async=is_async)
        assert receipt.is_complete
        assert not one.commits
        assert [commit.recipients for commit in two.commits] == [(ANN,)]
        assert str(one.port) in receipt.notes[0]


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize(
    ("rules", "error"),
    [
        ([Rule("RCPT").reply("550 5.1.1 no such user")], RecipientsRefused),
        ([Rule("BODY").reply("554 5.7.1 spam")], ContentRefused),
        ([Rule("BODY").close()], OutcomeUnknown),
        ([Rule("BODY").commit().close()], OutcomeUnknown),
    ],
    ids=["RCPT", "content", "unknown", "unknown, and there"],
)
def test_what_another_cannot_cure_does_not(rules: list[Rule], error: type[Exception], is_async: bool) -> None:
    """A 5xx for the recipient or the content is final; a mail that may have arrived is not sent again."""
    with ScriptedSMTPServer(rules) as one, ScriptedSMTPServer() as two:
        mailer = Mailer(f"failover({one.url()} {two.url()})")
        with pytest.raises(error):
            send(mailer, message(), is_async=is_async)
        assert not two.sessions


def test_only_those_who_have_it_not_go_on() -> None:
    """Of two recipients the deferred one alone goes to the second server; the receipt has both."""
    with (
        ScriptedSMTPServer([Rule("RCPT", contains="bob@").reply("450 4.2.1 later")]) as one,
        ScriptedSMTPServer() as two,
        Mailer(f"failover({one.url()} {two.url()})") as mailer,
    ):
        receipt = mailer.send(message(ANN, BOB))
        assert receipt.is_complete
        assert list(receipt.recipients) == [ANN, BOB]
        assert [commit.recipients for commit in one.commits + two.commits] == [(ANN,), (BOB,)]
        assert one.commits[0].content == two.commits[0].content


def test_what_the_server_lacks_another_may_have() -> None:
    """A mail too large, or in need of 8BITMIME, goes to the server that can take it."""
    with ScriptedSMTPServer(capabilities=["PIPELINING", "SIZE 300"]) as one, ScriptedSMTPServer() as two:
        letter = message().copy(text="grün\n" * 100, body_encoding="8bit")
        with Mailer(f"failover({one.url()} {two.url()})") as mailer:
            assert mailer.send(letter).is_complete
        assert len(two.commits) == 1


def test_an_unreadable_file_is_nobodys_fault(tmp_path: object) -> None:
    """A content that cannot be read fails over to nobody."""
    from pathlib import Path

    path = Path(str(tmp_path)) / "a.bin"
    path.write_bytes(bytes(2 << 20))
    letter = message().attach_file(path)
    with ScriptedSMTPServer() as one, ScriptedSMTPServer() as two:
        with Mailer(f"failover({one.url()} {two.url()})") as mailer:
            parcel = mailer.parcel(letter)
            path.write_bytes(b"changed")
            with pytest.raises(ContentRefused):
                mailer.send(parcel)
        assert not two.sessions


def test_the_error_names_each_attempt() -> None:
    """When nobody takes it the error has every member's answer, and is of the last one's kind."""
    with ScriptedSMTPServer([Rule("RCPT").reply("450 4.2.1 later")]) as two:
        down = nobody()
        with Mailer(f"failover({down} {two.url()})") as mailer, pytest.raises(RecipientsRefused) as caught:
            mailer.send(message())
    port = down.rpartition(":")[2]
    assert f"SMTPBackend 127.0.0.1:{port}: 127.0.0.1:{port}: Connection refused (" in str(caught.value)
    assert f"SMTPBackend 127.0.0.1:{two.port}: the server refused {ANN}: 450 4.2.1 later" in str(caught.value)
    assert caught.value.is_transient
    assert caught.value.reply is not None
    assert caught.value.receipt is not None
    assert caught.value.receipt.recipients[ANN].status == "deferred"


def test_retry_stands_around_it() -> None:
    """A layer around all of them tries the whole choice again."""
    with ScriptedSMTPServer([Rule("RCPT", nth=1).reply("450 4.2.1 later")]) as two:
        url = f"retry(failover({nobody()} {two.url()}))?delay=0.001&max_attempts=2"
        with Mailer(url) as mailer:
            assert mailer.send(message()).is_complete


# -- credentials


def test_a_refused_login_fails_over_and_is_not_repeated() -> None:
    """A server that does not take the password is left alone for its period; all mails go by the other."""
    with (
        ScriptedSMTPServer(credentials={"me": "right"}) as one,
        ScriptedSMTPServer() as two,
    ):
        url = one.url(username="me", password="wrong", tls="off")
        with Mailer(f"failover({url} {two.url()})") as mailer:
            assert mailer.send_many([message()] * 5).finish().accepted == 5
        assert len(one.sessions) == 1
        assert len(two.commits) == 5


def test_refused_by_all_ends_the_sending() -> None:
    """When every server refuses the login the sending ends, as it does with one: accounts get locked."""
    with (
        ScriptedSMTPServer(credentials={"me": "right"}) as one,
        ScriptedSMTPServer(credentials={"me": "right"}) as two,
    ):
        urls = " ".join(server.url(username="me", password="wrong", tls="off") for server in (one, two))
        mailer = Mailer(f"failover({urls})?retry_period=3600")
        sending = mailer.send_many([message()] * 10)
        with pytest.raises(AuthenticationFailed) as caught:
            sending.finish()
        assert caught.value.not_attempted >= 7  # type: ignore[attr-defined]
        assert sending.tally.messages == 10 - caught.value.not_attempted  # type: ignore[attr-defined]
        with pytest.raises(AuthenticationFailed):
            mailer.send(message())
        assert (len(one.sessions), len(two.sessions)) == (1, 1)
        assert "wrong" not in str(caught.value)


# -- who is asked when


class Switch(Backend):
    """A backend that is up or down as the test says."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_up = True
        self.asked = 0
        self.sent: list[str] = []

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Take it, or not."""
        self.asked += 1
        if not self.is_up:
            raise ConnectFailed(f"{self.name} is down", is_transient=True)
        self.sent.append(parcel.message_id)
        return accepted(parcel, self.name)

    def __repr__(self) -> str:
        return f"<{self.name}>"


def test_one_that_is_down_is_left_alone_for_its_period(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked again when its period is over, and not before; then it is the first again."""
    now = 1000.0
    monkeypatch.setattr("modernmail.backends.several.monotonic", lambda: now)
    monkeypatch.setattr("modernmail.backends.members.monotonic", lambda: now)
    one, two = Switch("one"), Switch("two")
    mailer = Mailer(Failover([one, two], retry_period=60))
    one.is_up = False
    for _ in range(3):
        mailer.send(message())
    assert (one.asked, len(two.sent)) == (1, 3)
    now += 59
    mailer.send(message())
    assert one.asked == 1
    now += 2
    mailer.send(message())
    assert (one.asked, len(two.sent)) == (2, 5)
    one.is_up = True
    now += 61
    mailer.send_many([message()] * 3).finish()
    assert (len(one.sent), len(two.sent)) == (3, 5)


def test_a_large_sending_goes_back_when_the_first_is_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within one sending, too, mails go to the first member again when its period is over."""
    now = 1000.0
    monkeypatch.setattr("modernmail.backends.several.monotonic", lambda: now)
    monkeypatch.setattr("modernmail.backends.members.monotonic", lambda: now)
    one, two = Switch("one"), Switch("two")
    one.is_up = False

    def letters() -> object:
        nonlocal now
        for number in range(10):
            if number == 5:
                one.is_up = True
                now += 61
            yield message()

    tally = Mailer(Failover([one, two])).send_many(letters()).finish()  # type: ignore[arg-type]
    assert tally.accepted == 10
    # The mail in whose making the period ended had been asked for by the second.
    assert (len(one.sent), len(two.sent)) == (4, 6)


def test_with_all_down_somebody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than nowhere a mail goes to the one that has been down longest, once a second at most."""
    now = 1000.0
    monkeypatch.setattr("modernmail.backends.several.monotonic", lambda: now)
    monkeypatch.setattr("modernmail.backends.members.monotonic", lambda: now)
    one, two = Switch("one"), Switch("two")
    one.is_up = two.is_up = False
    mailer = Mailer(Failover([one, two]))
    with pytest.raises(ConnectFailed, match="one: one is down; two: two is down"):
        mailer.send(message())
    now += 0.5
    with pytest.raises(ConnectFailed, match="one: not asked, as it was down: one is down"):
        mailer.send(message())
    assert (one.asked, two.asked) == (1, 1)
    now += 1
    one.is_up = True
    assert mailer.send(message()).is_complete
    assert (one.asked, two.asked) == (2, 1)


def test_choose_is_a_pure_decision() -> None:
    """Those that are up in their turn, then those whose period is over; bad logins never before it."""
    a, b, c = (Member(MemoryBackend()) for _ in range(3))
    members = [a, b, c]
    assert [choose(members, (), start, 60, 0.0) for start in range(3)] == [0, 1, 2]
    assert choose(members, (0,), 0, 60, 0.0) == 1
    assert choose(members, (0, 1, 2), 0, 60, 0.0) is None
    for member, at in ((a, 100.0), (b, 90.0), (c, 95.0)):
        member.failed(ConnectFailed("down"))
        member.failed_at = at
    assert choose(members, (), 0, 60, 100.5) == 1, "the one that has been down longest"
    assert choose(members, (2,), 0, 60, 100.5) is None, (
        "a mail that was somewhere does not go where it is down"
    )
    assert choose(members, (), 2, 60, 151.0) == 1, "its period is over"
    b.error = AuthenticationFailed("no")
    c.error = AuthenticationFailed("no")
    assert choose(members, (), 0, 60, 149.0) == 0
    a.error = AuthenticationFailed("no")
    assert choose(members, (), 0, 60, 149.0) is None


# -- round robin


@pytest.mark.asyncio
async def test_a_stream_that_is_left_waits_for_no_connection_of_its_own() -> None:
    """The one connection that both turns send over is given back by one of them as it ends, and the other ends, too."""
    letters = [message() for _ in range(20)]
    with ScriptedSMTPServer() as up:
        url = f"roundrobin({nobody()} {up.url(pool=1)})"
        for _ in range(5):
            async with Mailer(url) as mailer, asyncio.timeout(20):
                sending = mailer.asend_many(letters)
                async with sending:
                    await anext(sending)
                assert sending.tally.messages == sending.tally.accepted + sending.tally.deferred


def test_single_mails_alternate() -> None:
    """Mail by mail, each member has its turn."""
    backends = [Switch("one"), Switch("two"), Switch("three")]
    mailer = Mailer(RoundRobin(backends))
    for _ in range(9):
        mailer.send(message())
    assert [len(one.sent) for one in backends] == [3, 3, 3]


@pytest.mark.parametrize("is_async", [False, True])
def test_large_sendings_are_shared(is_async: bool) -> None:
    """Of many mails every member gets its part, and one that is down gets none and loses none."""
    backends = [Switch("one"), Switch("two"), Switch("three")]
    backends[1].is_up = False
    mailer = Mailer(RoundRobin(backends))

    async def asend() -> list[int]:
        return [receipt.position async for receipt in mailer.asend_many([message() for _ in range(200)])]

    if is_async:
        positions = asyncio.run(asend())
    else:
        positions = [receipt.position for receipt in mailer.send_many([message() for _ in range(200)])]
    assert sorted(positions) == list(range(200))
    counts = [len(one.sent) for one in backends]
    assert sum(counts) == 200
    assert counts[1] == 0
    assert min(counts[0], counts[2]) >= 40
    assert Counter(backends[0].sent + backends[2].sent).most_common(1)[0][1] == 1


# -- words


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("failover(memory:)?retry_period=soon", "retry_period='soon'"),
        ("failover(memory:)?retry_period=-1", "retry_period=-1"),
        ("failover(memory:)?period=5", "no option 'period'; there are retry_period"),
        ("roundrobin(retry(memory:) memory:)", "a layer stands around all of them"),
        ("failover(smtp://me:secret@a?tls=maybe memory:)", "tls='maybe'"),
        ("failover( )", "is empty"),
    ],
)
def test_mistakes_in_urls_are_named(url: str, why: str) -> None:
    """Every mistake is a ConfigurationError that says what would be right."""
    with pytest.raises(ConfigurationError, match=why) as caught:
        Mailer(url)
    assert "secret" not in str(caught.value)


def test_mistakes_in_code_are_named() -> None:
    """No members, or something that is no backend."""
    with pytest.raises(ConfigurationError, match="Failover needs at least one"):
        Failover([])
    with pytest.raises(ConfigurationError, match="str is no Backend"):
        RoundRobin(["memory:"])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="into the URLs of its members"):
        Mailer("failover(memory:)", username="me", password="x")


def test_verify_tells_of_each() -> None:
    """One that is ready is enough; the others say why they are not; none is an error that names all."""
    with ScriptedSMTPServer() as one:
        down = nobody()
        with Mailer(f"failover({down} {one.url()})") as mailer:
            facts = mailer.verify()
        assert list(facts.values())[1] == "ready"
        assert "Connection refused" in next(iter(facts.values()))
    with (
        Mailer(f"failover({down} {nobody()})") as mailer,
        pytest.raises(ConnectFailed, match=r"refused \(.*\); .*refused \("),
    ):
        mailer.verify()


# -- under fire


class Flaky(Backend):
    """A server that dies, revives, defers and refuses at random, and sometimes breaks after it took a mail."""

    def __init__(self, name: str, dice: random.Random) -> None:
        self.name = name
        self.dice = dice
        self.is_up = True
        self.taken: Counter[tuple[str, str]] = Counter()

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Do as the dice say."""
        dice = self.dice
        if io.is_async and dice.random() < 0.2:
            await asyncio.sleep(0)
        if dice.random() < 0.05:
            self.is_up = not self.is_up
        if not self.is_up:
            raise ConnectFailed(f"{self.name} is down", is_transient=True)
        outcomes = {}
        is_lost = dice.random() < 0.03
        for name in parcel.envelope.recipients:
            roll = dice.random()
            if roll < 0.15:
                outcomes[name] = Outcome("deferred", reply=Reply(450, ("4.2.1 later",)), phase="rcpt")
            elif roll < 0.25:
                outcomes[name] = Outcome("rejected", reply=Reply(550, ("5.1.1 no",)), phase="rcpt")
            else:
                if not is_lost or dice.random() < 0.5:
                    self.taken[parcel.message_id, name] += 1
                outcomes[name] = (
                    Outcome("unknown", reason="lost", phase="content")
                    if is_lost
                    else Outcome("accepted", reply=Reply(250, ("2.0.0 ok",)), phase="done")
                )
        from modernmail.smtp.delivery import error_for

        error = None if any(o.is_accepted for o in outcomes.values()) else error_for(outcomes)
        return Receipt(parcel.message_id, parcel.envelope, outcomes, error=error)


def check(receipts: Sequence[Receipt], taken: Sequence[Counter[tuple[str, str]]], count: int) -> Counter[str]:
    """Hold what was reported against what the servers have: nothing lost, nothing twice, nothing untrue."""
    assert sorted(receipt.position for receipt in receipts) == list(range(count))
    have: Counter[tuple[str, str]] = sum(taken, Counter())
    assert not have or max(have.values()) == 1, "somebody got a mail twice"
    tally: Counter[str] = Counter()
    for receipt in receipts:
        assert receipt.envelope is not None
        assert set(receipt.recipients) == set(receipt.envelope.recipients)
        for name, outcome in receipt.recipients.items():
            tally[outcome.status] += 1
            is_there = have[receipt.message_id or "", name]
            if outcome.status != "unknown":
                assert is_there == (outcome.status == "accepted"), f"{outcome} and there: {is_there}"
        if not receipt.accepted:
            assert isinstance(receipt.error, DeliveryError)
    return tally


@pytest.mark.parametrize("kind", [Failover, RoundRobin])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_lost_or_doubled_at_random(kind: type[Failover], is_async: bool, seed: int) -> None:
    """Three flaky backends, nested, with retries: every recipient of 1,000 mails has its true outcome, none a mail twice."""
    dice = random.Random(seed)
    servers = [Flaky(name, dice) for name in ("one", "two", "three")]
    backend = kind([servers[0], RoundRobin(servers[1:], retry_period=0)], retry_period=0)
    mailer = Mailer(backend, layers=[Retry(4, delay=0)])
    letters = [message(ANN, BOB) for _ in range(1000)]

    async def asend() -> list[Receipt]:
        return [receipt async for receipt in mailer.asend_many(letters)]

    receipts = asyncio.run(asend()) if is_async else list(mailer.send_many(letters))
    tally = check(receipts, [server.taken for server in servers], len(letters))
    assert min(tally.values()) > 0
    assert len(tally) == 4


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["{}", "failover({})", "roundrobin({})"])
async def test_one_mail_that_is_cancelled_leaves_its_connection_to_nobody(url: str) -> None:
    """`send` of a backend tells what became of the mail, and the next one does not wait for its place."""
    with ScriptedSMTPServer([Rule("BODY", nth=1, session=1).hold("go").proceed()]) as server:
        backend, io = backend_from_url(url.format(server.url(pool=1))), AsyncioIO()
        parcel = Mailer("null:").parcel(message(ANN))
        task = asyncio.create_task(backend.send(parcel, io))
        await asyncio.to_thread(server.wait_for_step, "BODY")
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as cancelled:
            await task
        server.release("go")
        assert cancelled.value.receipt.count("unknown") == 1  # type: ignore[attr-defined]
        async with asyncio.timeout(30):
            assert (await backend.send(parcel, io)).is_complete
        await backend.close(io)
