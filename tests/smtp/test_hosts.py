"""A host of several addresses: the first that answers has the connection; one that swallows packets holds nobody up."""

from __future__ import annotations

import asyncio
import gc
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest
from faces import faces, send

from modernmail import Mailer, Message
from modernmail.errors import AuthenticationFailed, ConnectFailed
from modernmail.smtp.wires import race
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    HasAddresses = Callable[..., None]

MAIL = Message("x", "y", from_email="me@example.com", to="you@example.com")
UNREACHABLE = ("255.255.255.255", 25)  # to all at once there is no connection: that fails as it begins


@pytest.fixture
def silent() -> Iterator[int]:
    """A port of 127.0.0.1 that answers no SYN: the queue of its listener is full, and nobody accepts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def refusing() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def has_addresses(monkeypatch: pytest.MonkeyPatch) -> HasAddresses:
    """Say which ports of 127.0.0.1, and which other addresses, the name localhost has."""

    def say(*ports: int | tuple[str, int]) -> None:
        addresses = [("127.0.0.1", port) if isinstance(port, int) else port for port in ports]
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *_, **__: found if host == "localhost" else []
        )

    return say


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """The sockets of all races, in the order of their beginning."""
    sockets: list[socket.socket] = []
    begin = race._begun

    def begin_and_tell(address: race.Address) -> socket.socket:
        sockets.append(begin(address))
        return sockets[-1]

    monkeypatch.setattr(race, "_begun", begin_and_tell)
    return sockets


@pytest.fixture
def all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address is given time before the next is asked."""
    monkeypatch.setattr(race, "_DELAY", 0.0)


def are_closed(sockets: list[socket.socket]) -> bool:
    """Return whether none of these is open, whoever holds them."""
    return all(sock.fileno() == -1 for sock in sockets)


@faces
@pytest.mark.parametrize("tls", [None, "starttls", "implicit"])
def test_an_address_that_swallows_packets_holds_nobody_up(
    silent: int, has_addresses: HasAddresses, tls: str | None, *, is_async: bool
) -> None:
    """The second address has the connection, though the first would use the whole timeout up."""
    with ScriptedSMTPServer(tls=tls) as server:
        has_addresses(silent, server.port)
        url = server.url(timeout=60).replace("127.0.0.1", "localhost")
        assert send(Mailer(url), MAIL, is_async=is_async).is_complete


@faces
def test_an_address_that_refuses_is_passed_over(
    refusing: int, silent: int, has_addresses: HasAddresses, *, is_async: bool
) -> None:
    """What refuses, first or last, is no reason to fail while another address may answer."""
    with ScriptedSMTPServer() as server:
        has_addresses(refusing, silent, refusing, server.port)
        assert send(Mailer("smtp://localhost?timeout=60"), MAIL, is_async=is_async).is_complete


@faces
def test_an_address_that_refuses_is_passed_over_at_once(
    refusing: int, has_addresses: HasAddresses, monkeypatch: pytest.MonkeyPatch, *, is_async: bool
) -> None:
    """A failure is an answer: nobody waits for another."""
    monkeypatch.setattr(race, "_DELAY", 60.0)
    with ScriptedSMTPServer() as server:
        has_addresses(UNREACHABLE, refusing, server.port)
        assert send(Mailer("smtp://localhost?timeout=10"), MAIL, is_async=is_async).is_complete


@faces
@pytest.mark.parametrize("tls", [None, "starttls", "implicit"])
@pytest.mark.parametrize(
    "rule",
    [
        Rule("CONNECT").reply("421 4.3.2 not now").close(),
        Rule("CONNECT").close(),
        Rule("CONNECT").reset(),
        Rule("EHLO").close(),
    ],
    ids=["not-now", "closed", "reset", "closed-at-ehlo"],
)
def test_an_address_that_connects_and_is_no_use(
    rule: Rule,
    tls: str | None,
    refusing: int,
    has_addresses: HasAddresses,
    begun: list[socket.socket],
    *,
    is_async: bool,
) -> None:
    """The others are asked (RFC 5321 5.1); one that refuses is no reason to stop."""
    with ScriptedSMTPServer([rule], tls=tls) as first, ScriptedSMTPServer(tls=tls) as second:
        has_addresses(first.port, refusing, second.port)
        url = second.url(timeout=10).replace("127.0.0.1", "localhost")
        assert send(Mailer(url), MAIL, is_async=is_async).is_complete
        assert (len(first.sessions), len(second.sessions)) == (1, 1)
    assert are_closed(begun)


@faces
def test_no_address_is_of_use(
    refusing: int, has_addresses: HasAddresses, begun: list[socket.socket], *, is_async: bool
) -> None:
    """Each is asked once, the error tells the last failure, and its conversation every one."""
    busy = [Rule("CONNECT").reply("421 4.3.2 not now").close()]
    with ScriptedSMTPServer(busy) as first, ScriptedSMTPServer(busy) as second:
        has_addresses(first.port, second.port)
        with pytest.raises(ConnectFailed, match="not now") as failed:
            send(Mailer("smtp://localhost"), MAIL, is_async=is_async)
        assert [line[:2] for line in failed.value.conversation] == ["< ", "! ", "< ", "! "]
        assert (len(first.sessions), len(second.sessions)) == (1, 1)
        has_addresses(first.port, refusing)
        with pytest.raises(ConnectFailed, match="Connection refused") as failed:
            send(Mailer("smtp://localhost"), MAIL, is_async=is_async)
        assert "421 4.3.2 not now" in failed.value.conversation[0]
        assert len(first.sessions) == 2
    assert are_closed(begun)


@faces
@pytest.mark.parametrize(
    "script",
    [
        [Rule("CONNECT").reply("554 5.7.1 go away").close()],
        [Rule("AUTH").reply("535 5.7.8 wrong")],
        [Rule("AUTH").reply("454 4.7.0 not now")],
    ],
    ids=["greeting", "login", "login-later"],
)
def test_a_refusal_is_not_asked_for_again(
    script: list[Rule], has_addresses: HasAddresses, *, is_async: bool
) -> None:
    """What every address would say, too, is heard once: ten of them would be ten wrong passwords."""
    with (
        ScriptedSMTPServer(script, tls="starttls", credentials={"me": "secret"}) as first,
        ScriptedSMTPServer(tls="starttls") as second,
    ):
        has_addresses(first.port, second.port)
        url = first.url(username="me", password="secret").replace("127.0.0.1", "localhost")
        with pytest.raises((ConnectFailed, AuthenticationFailed)):
            send(Mailer(url), MAIL, is_async=is_async)
        assert (len(first.sessions), len(second.sessions)) == (1, 0)


@faces
def test_another_is_asked_within_one_timeout(has_addresses: HasAddresses, *, is_async: bool) -> None:
    """An address that says nothing uses the time up: the others wait for the next attempt."""
    with ScriptedSMTPServer([Rule("CONNECT").hang()]) as first, ScriptedSMTPServer() as second:
        has_addresses(first.port, second.port)
        with pytest.raises(ConnectFailed, match=r"within 0\.3 s"):
            send(Mailer("smtp://localhost?timeout=0.3"), MAIL, is_async=is_async)
        assert (len(first.sessions), len(second.sessions)) == (1, 0)


@faces
def test_no_address_answers(
    refusing: int, has_addresses: HasAddresses, begun: list[socket.socket], *, is_async: bool
) -> None:
    """When all refuse it is said at once, in the system's words."""
    has_addresses(refusing, refusing)
    with pytest.raises(ConnectFailed) as failed:
        send(Mailer("smtp://localhost?timeout=60"), MAIL, is_async=is_async)
    assert str(failed.value).startswith("localhost:25: Connection refused (nothing listens there")
    assert failed.value.is_transient
    assert are_closed(begun)


@faces
def test_addresses_that_fail_for_different_reasons(
    refusing: int, has_addresses: HasAddresses, begun: list[socket.socket], *, is_async: bool
) -> None:
    """The last failure is told, in the system's words: nobody is told that the server closed a connection."""
    has_addresses(refusing, UNREACHABLE)
    with pytest.raises(ConnectFailed, match=r"^localhost:25: Network is unreachable$"):
        send(Mailer("smtp://localhost"), MAIL, is_async=is_async)
    assert are_closed(begun)


@faces
def test_a_host_without_an_address(has_addresses: HasAddresses, *, is_async: bool) -> None:
    """A resolver that finds nothing, and says so by an empty list."""
    has_addresses()
    with pytest.raises(ConnectFailed, match="the host has no address"):
        send(Mailer("smtp://localhost"), MAIL, is_async=is_async)


@faces
def test_the_timeout_bounds_all_addresses(
    silent: int, has_addresses: HasAddresses, all_at_once: None, begun: list[socket.socket], *, is_async: bool
) -> None:
    """Three that swallow packets take one timeout together."""
    has_addresses(silent, silent, silent)
    with pytest.raises(ConnectFailed, match=r"no answer within 0\.6 s"):
        send(Mailer("smtp://localhost?timeout=0.6"), MAIL, is_async=is_async)
    assert len(begun) == 3
    assert are_closed(begun)


@faces
def test_the_deadline_bounds_all_addresses(
    silent: int, has_addresses: HasAddresses, all_at_once: None, begun: list[socket.socket], *, is_async: bool
) -> None:
    """What a mail has left is all that a race may take."""
    has_addresses(silent, silent)
    with pytest.raises(ConnectFailed, match=r"deadline"):
        send(Mailer("smtp://localhost?timeout=60&deadline=0.3"), MAIL, is_async=is_async)
    assert len(begun) == 2
    assert are_closed(begun)


@faces
def test_one_connection_is_left_of_a_race(
    has_addresses: HasAddresses, begun: list[socket.socket], *, is_async: bool
) -> None:
    """Two addresses that both answer: the second is never asked."""
    with ScriptedSMTPServer() as first, ScriptedSMTPServer() as second:
        has_addresses(first.port, second.port)
        assert send(Mailer("smtp://localhost"), MAIL, is_async=is_async).is_complete
        assert (len(first.sessions), len(second.sessions)) == (1, 0)
        assert len(begun) == 1


@faces
def test_the_one_that_comes_second_is_closed(
    has_addresses: HasAddresses,
    monkeypatch: pytest.MonkeyPatch,
    begun: list[socket.socket],
    *,
    is_async: bool,
) -> None:
    """Two that answer at the same time: one has the conversation, the other hears that it is not wanted."""
    monkeypatch.setattr(race, "_DELAY", 0.0)
    with ScriptedSMTPServer() as first, ScriptedSMTPServer() as second:
        has_addresses(first.port, second.port)
        assert send(Mailer("smtp://localhost"), MAIL, is_async=is_async).is_complete
        assert len(first.commits) + len(second.commits) == 1
        first.wait_until_idle()
        second.wait_until_idle()
        assert are_closed(begun)
    gc.collect()


async def until_under_way(begun: list[socket.socket], count: int, seconds: float = 0.005) -> None:
    """Wait until so many addresses of a race were asked, looking every so many seconds."""
    while len(begun) < count:  # noqa: ASYNC110  # what begins them is no event
        await asyncio.sleep(seconds)


def test_a_race_that_is_cancelled_leaves_nothing(
    silent: int, has_addresses: HasAddresses, begun: list[socket.socket]
) -> None:
    """No socket, no task, and nothing that the loop watches still, as soon as the cancelled task has ended."""

    async def run(count: int) -> None:
        async with Mailer("smtp://localhost?timeout=60") as mailer:
            sending = asyncio.create_task(mailer.asend(MAIL))
            await until_under_way(begun, count)
            numbers = [sock.fileno() for sock in begun]
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert are_closed(begun)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert not any(asyncio.get_running_loop().remove_writer(number) for number in numbers)

    has_addresses(silent, silent)
    for count in (1, 2):
        begun.clear()
        asyncio.run(run(count))


def uvloop_that_is_told() -> asyncio.AbstractEventLoop:
    """Return a loop of uvloop's that asks Python for addresses, as the tests say them there."""
    uvloop = pytest.importorskip("uvloop")

    class Loop(uvloop.Loop):  # type: ignore[misc, name-defined]
        async def getaddrinfo(self, host: str, port: int, **_: object) -> list[Any]:
            return socket.getaddrinfo(host, port)

    return Loop()  # type: ignore[no-any-return]


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop_that_is_told], ids=["asyncio", "uvloop"])
def test_a_race_that_is_cancelled_at_any_step_leaves_nothing(
    refusing: int,
    has_addresses: HasAddresses,
    all_at_once: None,
    begun: list[socket.socket],
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    """From its first address to the mail: whoever owns a socket just then has closed it."""

    async def run(turns: int) -> bool:
        async with Mailer("smtp://localhost?tls=off") as mailer:
            sending = asyncio.create_task(mailer.asend(MAIL))
            await until_under_way(begun, 1, seconds=0)
            for _ in range(turns):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait((sending,))
            return sending.cancelled()

    with ScriptedSMTPServer() as first, ScriptedSMTPServer() as second:
        has_addresses(refusing, first.port, second.port)
        are_cancelled = []
        for turns in range(60):
            begun.clear()
            with asyncio.Runner(loop_factory=new_loop) as runner:
                are_cancelled.append(runner.run(run(turns)))
            assert are_closed(begun)
        first.wait_until_idle()
        second.wait_until_idle()
    assert any(are_cancelled)
    gc.collect()


def test_a_loop_that_ends_in_mid_race_leaves_nothing(
    silent: int, has_addresses: HasAddresses, begun: list[socket.socket]
) -> None:
    """Its program fails while one connection is opened for a mail and three for a sending, which the traceback holds."""

    async def fail(mailer: Mailer) -> None:
        single = asyncio.create_task(mailer.asend(MAIL))
        sending = mailer.asend_many([MAIL] * 6)
        several = asyncio.create_task(anext(sending))  # type: ignore[arg-type]
        await until_under_way(begun, 6)
        raise KeyError(single, several)

    has_addresses(silent, silent)
    with pytest.raises(KeyError) as held:
        asyncio.run(fail(Mailer("smtp://localhost?timeout=60&pool=3")))
    assert len(begun) == 6
    assert are_closed(begun)
    del held
    gc.collect()


def test_a_literal_address_is_not_raced(begun: list[socket.socket]) -> None:
    """Who names the address has no other: the loop connects to it, and nothing is looked up."""
    with ScriptedSMTPServer() as server:
        assert send(Mailer(server.url()), MAIL, is_async=True).is_complete
    assert begun == []


def test_a_loop_that_watches_no_sockets_asks_one_address_after_the_other(
    refusing: int, has_addresses: HasAddresses, begun: list[socket.socket]
) -> None:
    """That of Windows has no `add_writer`."""

    class Loop(asyncio.SelectorEventLoop):
        add_writer = asyncio.AbstractEventLoop.add_writer  # type: ignore[assignment]

    async def run() -> bool:
        async with Mailer("smtp://localhost") as mailer:
            return (await mailer.asend(MAIL)).is_complete

    with ScriptedSMTPServer() as server, asyncio.Runner(loop_factory=Loop) as runner:
        has_addresses(refusing, server.port)
        assert runner.run(run())
    assert begun == []
