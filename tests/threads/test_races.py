"""Races between threads, each made to happen: what another thread does comes just where it would do harm."""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from beside import beside, together

from modernmail import Attachment, Mailer, Message, configure, mailers, tasks
from modernmail.backends import pool as pool_module
from modernmail.backends.memory import MemoryBackend
from modernmail.backends.pool import Pool
from modernmail.errors import ConfigurationError, MailError
from modernmail.inbox import DiskStore
from modernmail.insight.connections import Connections
from modernmail.runtime import BlockingIO, run_blocking
from modernmail.runtime.aio import AsyncioIO
from modernmail.smtp.extensions import Extensions
from modernmail.smtp.settings import Settings
from modernmail.tasks.signals import Signal
from modernmail.tasks.thread import ThreadBackend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from modernmail.backends.backend import Backend


def message(name: str = "you") -> Message:
    """Return a message to this name at example.com."""
    return Message("Hi", "Text", from_email="me@example.com", to=f"{name}@example.com")


@pytest.fixture(autouse=True)
def nothing_configured() -> Iterator[None]:
    """Leave no mailer and no queue behind."""
    yield
    tasks.configure({})
    configure({})


# -- the mailers by name


class Name(str):
    """A name that lets something happen when it is looked up for the `turn`th time."""

    __slots__ = ("act", "turn")

    def __hash__(self) -> int:
        self.turn -= 1
        if not self.turn:
            self.act()
        return super().__hash__()


@pytest.mark.parametrize("turn", range(1, 6))
def test_a_configuration_that_comes_in_the_midst_of_a_look_up(turn: int) -> None:
    """It gives the mailer of before, or the error of afterwards; never a KeyError."""
    configure({"news": "memory:"})
    name = Name("news")
    name.turn = turn
    name.act = lambda: beside(lambda: configure({}))
    try:
        found = mailers[name]
    except ConfigurationError:
        return
    assert isinstance(found.backend, MemoryBackend)


def test_threads_that_build_the_default_mailer_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that build it at the same moment from the environment share one: else `close` would know one of two."""
    monkeypatch.setenv("MODERNMAIL_URL", "memory:")
    both = threading.Barrier(2)

    def slowly(url: str, login: Any) -> Backend:
        both.wait(10)
        return MemoryBackend()

    monkeypatch.setattr("modernmail.mailer.backend_from_url", slowly)
    found: list[Mailer] = []
    look = lambda: found.append(mailers["default"])  # noqa: E731
    assert together(look, look) == []
    assert found[0] is found[1]
    monkeypatch.setenv("MODERNMAIL_FROM", "me@example.com")
    assert together(look, look) == []
    assert found[2] is found[3] is not found[0]


# -- connections


class Wire:
    """What the pool sees of a connection."""

    def __init__(self) -> None:
        self.extensions = Extensions({})
        self.last_used = 0.0
        self.served = 0
        self.is_broken = False

    def is_usable(self) -> bool:
        """Return whether it may be reused."""
        return True

    async def close(self, *, polite: bool, until: float = 0.0) -> None:
        """Close."""

    def abandon(self) -> None:
        """Let go."""
        self.is_broken = True


class Holder:
    """A sending that stands still: who looks at it lets something happen."""

    caller = 0
    parcels = None

    def __init__(self) -> None:
        self.act: Callable[[], object] | None = None

    @property
    def turns(self) -> int:
        """An even number: nobody drives it."""
        act = self.act
        if act is not None and act():
            self.act = None
        return 2


def test_places_that_are_freed_while_one_who_waits_looks_at_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """He gets a connection: that the places change while he goes through them is no error of his mail's."""
    monkeypatch.setattr(pool_module, "_LOOK", 0.01)
    io = BlockingIO()

    async def open_wire(until: float) -> Any:
        return Wire()

    pool = Pool(Settings("127.0.0.1", 25, pool=3), open_wire)
    watched, *others = Holder(), Holder(), Holder()
    for holder in (watched, *others):
        run_blocking(pool.acquire(io, holder=holder))
    seen: list[bool] = []

    def free() -> bool:
        if not pool.is_wanted or seen:
            return False
        seen.append(True)
        beside(lambda: [pool.leave(other, io, keep=True) for other in others])
        return True

    watched.act = free
    assert run_blocking(pool.acquire(io, io.now() + 30, Holder())) is not None
    assert seen


def test_a_connection_that_is_taken_while_the_program_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon thread that sends while idle connections are let go has one that nobody closes under its mail."""
    io = BlockingIO()

    async def open_wire(until: float) -> Any:
        return Wire()

    pool = Pool(Settings("127.0.0.1", 25, pool=3), open_wire)
    holders = [Holder() for _ in range(3)]
    wires: list[Any] = [run_blocking(pool.acquire(io, holder=holder)) for holder in holders]
    for holder in holders:
        pool.leave(holder, io, keep=True)
    taken: list[Any] = []

    def closing(_: Connections, wire: object) -> None:
        if wire is wires[-1] and not taken:
            beside(lambda: taken.append(run_blocking(pool.acquire(io, holder=holders[0]))))

    monkeypatch.setattr(Connections, "closing", closing)
    end = next(one for one in weakref.finalize._registry if (found := one.peek()) and found[0] is pool)  # type: ignore[attr-defined]
    end()
    assert len(taken) == 1
    assert not taken[0].is_broken


def test_loops_of_several_threads_may_begin_at_the_same_moment() -> None:
    """A loop that begins while another thread's does, and goes through the loops that there are, disturbs it in nothing."""
    began: list[bool] = []

    async def nothing() -> None: ...

    async def end() -> None:
        await AsyncioIO().at_exit(nothing)

    def trace(frame: Any, event: str, _: object) -> Any:
        if frame.f_code is not weakref.WeakKeyDictionary.__iter__.__code__:
            return None
        if event == "line" and "wr" in frame.f_locals and not began:
            began.append(True)
            beside(lambda: kept.append(held_open()))
        return trace

    def held_open() -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(end())
        return loop

    def traced() -> None:
        sys.settrace(trace)
        try:
            asyncio.run(end())
        finally:
            sys.settrace(None)

    kept = [held_open()]  # so that there is one to go through
    try:
        assert together(traced) == []
    finally:
        for loop in kept:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


# -- sendings


def test_a_sending_belongs_to_one_thread_at_a_time() -> None:
    """Another that takes a receipt of it, or closes it, meanwhile gets an error; and the sending loses nothing."""
    asked, go_on = threading.Event(), threading.Event()
    others: list[BaseException] = []

    def messages() -> Iterator[Message]:
        yield message("a")
        asked.set()
        assert go_on.wait(10)
        yield message("b")

    mailer = Mailer("memory:")
    sending = mailer.send_many(messages())

    def interfere() -> None:
        assert asked.wait(10)
        for act in (lambda: next(sending), sending.finish, sending.close):
            try:
                act()
            except MailError as error:
                others.append(error)
        go_on.set()

    assert together(lambda: list(sending), interfere) == []
    assert [str(error).partition(" is ")[0] for error in others] == ["another thread or task"] * 3
    assert sending.tally.accepted == 2
    assert len(mailer.backend.outbox) == 2  # type: ignore[attr-defined]
    sending.close()


def test_a_sending_belongs_to_one_task_at_a_time() -> None:
    """Another task that takes a receipt of it meanwhile gets an error; and the sending loses nothing."""

    async def main() -> None:
        asked, go_on = asyncio.Event(), asyncio.Event()

        async def messages() -> AsyncIterator[Message]:
            yield message("a")
            asked.set()
            await go_on.wait()
            yield message("b")

        async def drive() -> list[object]:
            return [receipt async for receipt in sending]

        sending = Mailer("memory:").asend_many(messages())
        driver = asyncio.create_task(drive())
        await asked.wait()
        with pytest.raises(MailError, match="let each have a sending of its own"):
            await anext(sending)
        go_on.set()
        assert len(await driver) == 2

    asyncio.run(asyncio.wait_for(main(), 20))


# -- messages


class Slow(Attachment):
    """An attachment that takes its time to be encoded."""

    __slots__ = ("act",)
    act: Callable[[], object] | None

    def pinned(self) -> Any:
        """Let something happen, once."""
        act = getattr(self, "act", None)
        if act is not None:
            object.__setattr__(self, "act", None)
            act()
        return super().pinned()


@pytest.mark.parametrize(
    "change",
    [
        lambda mail: mail.attach("late.txt", "late"),
        lambda mail: mail.alternative("late", "text/markdown"),
        lambda mail: setattr(mail, "text", "late"),
        lambda mail: setattr(mail, "html", "late"),
    ],
    ids=["attach", "alternative", "text", "html"],
)
def test_a_part_that_comes_while_another_thread_sends(change: Callable[[Message], object]) -> None:
    """The next mail has it: what was being rendered then is not kept in its place."""
    slow = Slow("a.txt", "a")
    mail = Message("Hi", "Text", from_email="me@example.com", to="you@example.com", attachments=[slow])
    object.__setattr__(slow, "act", lambda: beside(lambda: change(mail)))
    mail.as_bytes()
    assert b"late" in mail.as_bytes() or b"bGF0ZQ==" in mail.as_bytes()


def test_threads_render_a_message_for_the_first_time_together() -> None:
    """Each sees the same parts, whoever encodes them."""
    content = bytes(range(256)) * 200
    shared = Attachment("data.bin", content)
    mail = Message(
        "Hi", "ü" * 3000, "<p>ü", from_email="me@example.com", to="you@example.com", attachments=[shared]
    )
    found: list[Message] = []
    assert together(*[lambda: found.append(Message.from_bytes(mail.as_bytes()))] * 8) == []
    assert len(found) == 8
    for one in found:
        assert one.attachments[0].content == content
        assert (one.text or "").strip() == "ü" * 3000


# -- tasks


class Receiver:
    """A receiver that lets something happen when it is compared."""

    def __init__(self) -> None:
        self.act: Callable[[], object] | None = None

    def __call__(self, **_: object) -> None:
        """Hear."""

    def __eq__(self, other: object) -> bool:
        act, self.act = self.act, None
        if act is not None:
            act()
        return self is other

    __hash__ = object.__hash__


def test_a_receiver_that_connects_while_another_leaves() -> None:
    """It is called from then on."""
    signal = Signal("something")
    first, second, third = Receiver(), Receiver(), Receiver()
    signal.connect(first)
    signal.connect(second)
    threads: list[threading.Thread] = []
    first.act = lambda: threads.append(beside(lambda: signal.connect(third), patience=0.2))
    assert signal.disconnect(second)
    threads[0].join(10)
    assert signal.disconnect(third)
    assert signal.disconnect(first)
    assert not signal.has_receivers


def test_results_are_kept_by_many_threads() -> None:
    """The last ones are there, whoever enqueued them, and no more of them. (Some Pythons without the GIL crashed here.)"""
    backend = ThreadBackend(workers=2, results=20)
    ids: list[str] = []

    def enqueue() -> None:
        ids.extend([backend.enqueue(CHORE, (), {}).id for _ in range(250)])

    assert together(*[enqueue] * 8) == []
    backend.close()
    assert len(set(ids)) == 2000
    found = 0
    for one in ids:
        try:
            found += backend.get_result(one).is_finished
        except MailError:
            continue
    assert found == 20


@tasks.task
def nothing_much() -> None:
    """Do nothing."""


CHORE: Any = nothing_much


# -- the inbox


def test_an_inbox_that_another_thread_closes_while_a_mail_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mail is kept: the folder is opened again, as for one that is sent after the mailer was closed."""
    closed: list[bool] = []
    add = DiskStore.add

    def late(store: DiskStore, mail: Any) -> Any:
        if not closed:
            closed.append(True)
            beside(mailer.close)
        return add(store, mail)

    monkeypatch.setattr(DiskStore, "add", late)
    with Mailer(f"inbox://{tmp_path}") as mailer:
        assert mailer.send(message()).is_complete
        assert [one.recipients for one in mailer.backend.store] == [("you@example.com",)]  # type: ignore[attr-defined]
