"""Threads that enqueue at the same time share one commit, and nothing else."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

import chores
import pytest
from forked import forks, in_a_child

from modernmail import Message
from modernmail.errors import IdempotencyConflict, MailError, QueueUnavailable
from modernmail.tasks.sqlite.job import NewJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail.tasks.sqlite import SQLiteBackend


def at_once(backend: SQLiteBackend, *steps: Callable[[], object]) -> list[object]:
    """Return what each step returns or raises, all of them having waited for the lead at the same time."""
    found: list[object] = [None] * len(steps)

    def take(at: int) -> None:
        try:
            found[at] = steps[at]()
        except MailError as error:
            found[at] = error

    threads = [threading.Thread(target=take, args=(at,)) for at in range(len(steps))]
    intake = backend.jobs._intake
    with intake._lead:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 20
        while len(intake._waiting) < len(steps):
            assert time.monotonic() < deadline
            time.sleep(0.001)
    intake._hand_over()
    for thread in threads:
        thread.join()
    return found


def test_those_who_wait_are_committed_together(backend: SQLiteBackend) -> None:
    """Eight tasks and four mails cost one transaction; each has an id of its own and is there."""
    seen: list[str] = []
    connection = backend.database._connection
    assert connection is not None
    connection.set_trace_callback(seen.append)
    steps: list[Callable[[], Any]] = [lambda at=at: chores.note.enqueue(at) for at in range(8)]
    steps += [lambda: Message("Hello", "Text", to=["you@example.com"]).enqueue() for _ in range(4)]
    found = at_once(backend, *steps)
    connection.set_trace_callback(None)
    assert seen.count("COMMIT") == seen.count("BEGIN IMMEDIATE") == 1
    assert len({result.id for result in found}) == 12  # type: ignore[attr-defined]
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(12,)]
    for result in found:
        result.refresh()  # type: ignore[attr-defined]


def test_coroutines_are_committed_together(backend: SQLiteBackend) -> None:
    """What fifty of them enqueue at once costs one transaction; what they bring meanwhile, another."""
    seen: list[str] = []
    connection = backend.database._connection
    assert connection is not None

    async def main() -> list[Any]:
        first = asyncio.gather(*(chores.note.aenqueue(at) for at in range(50)))
        backend.database.lock.acquire()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second = asyncio.gather(*(chores.note.aenqueue(at) for at in range(50, 60)))
        await asyncio.sleep(0)
        backend.database.lock.release()
        return [*await first, *await second]

    connection.set_trace_callback(seen.append)
    results = asyncio.run(main())
    connection.set_trace_callback(None)
    assert seen.count("COMMIT") == 2
    assert [result.args[0] for result in results] == list(range(60))
    assert len({result.id for result in results}) == 60
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(60,)]


def test_mails_of_coroutines_are_stored_each_as_itself(backend: SQLiteBackend) -> None:
    """Every ticket has its own mail, with its content."""
    messages = [Message(f"Mail {at}", "Text", to=[f"u{at}@example.com"]) for at in range(20)]

    async def main() -> list[Any]:
        return await asyncio.gather(*(message.aenqueue() for message in messages))

    for at, ticket in enumerate(asyncio.run(main())):
        ticket.refresh()
        assert ticket.recipients == {f"u{at}@example.com": "queued"}
        content = backend.jobs.content(int(ticket.id, 16))
        assert f"Subject: Mail {at}\r\n".encode() in (content or b"")


def test_a_coroutine_that_is_cancelled_takes_nobody_along(backend: SQLiteBackend) -> None:
    """The others of the same commit have their results; a loop that ends leaves no one waiting."""

    async def main() -> list[Any]:
        backend.database.lock.acquire()
        calls = [asyncio.create_task(chores.note.aenqueue(at)) for at in range(3)]
        await asyncio.sleep(0)
        calls[1].cancel()
        await asyncio.sleep(0)
        backend.database.lock.release()
        return await asyncio.gather(*calls, return_exceptions=True)

    first, second, third = asyncio.run(main())
    assert isinstance(second, asyncio.CancelledError)
    assert (first.args, third.args) == ([0], [2])


def test_errors_reach_the_coroutines_they_concern(backend: SQLiteBackend) -> None:
    """A database that is locked is everybody's error; afterwards all goes on, on another loop too."""
    own = sqlite3.connect(backend.database.path, isolation_level=None, check_same_thread=False)
    own.execute("BEGIN IMMEDIATE")

    async def main() -> list[Any]:
        return await asyncio.gather(*(chores.note.aenqueue(at) for at in range(3)), return_exceptions=True)

    found = asyncio.run(main())
    own.execute("ROLLBACK")
    own.close()
    assert [type(error) for error in found] == [QueueUnavailable] * 3
    assert all(result.id for result in asyncio.run(main()))


def test_a_key_that_is_taken_is_an_error_of_its_own_job(backend: SQLiteBackend) -> None:
    """The others in the same commit are stored."""
    insert = backend.jobs.insert
    taken = insert(NewJob("task", "chores.add", "{}", key="k", digest=b"1"))
    found = at_once(
        backend,
        lambda: insert(NewJob("task", "chores.add", "{}", key="k", digest=b"2")),
        lambda: insert(NewJob("task", "chores.add", "{}", key="k", digest=b"1")),
        lambda: insert(NewJob("task", "chores.add", "{}")),
    )
    assert isinstance(found[0], IdempotencyConflict)
    assert found[1] == taken
    assert isinstance(found[2], int)
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(2,)]


def test_an_error_of_the_database_is_everybodys(backend: SQLiteBackend) -> None:
    """Nobody is told that his job is stored when the commit failed; afterwards all goes on."""
    own = sqlite3.connect(backend.database.path, isolation_level=None, check_same_thread=False)
    own.execute("BEGIN IMMEDIATE")
    found = at_once(backend, *(lambda: chores.note.enqueue(1) for _ in range(3)))
    own.execute("ROLLBACK")
    own.close()
    assert [type(error) for error in found] == [QueueUnavailable] * 3
    assert all("is locked by another process" in str(error) for error in found)
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(0,)]
    assert chores.note.enqueue(2).id


@forks
def test_a_forked_child_does_not_store_what_waits_in_its_parent(backend: SQLiteBackend) -> None:
    """A job that another thread was about to store at the moment of the fork is stored once."""
    thread = threading.Thread(target=chores.note.enqueue, args=("parent",))
    with backend.jobs._intake._lead:
        thread.start()
        while not backend.jobs._intake._waiting:
            time.sleep(0.001)
        in_a_child(lambda: chores.note.enqueue("child"))
    backend.jobs._intake._hand_over()
    thread.join()
    rows = backend.database.rows("SELECT payload FROM modernmail_job")
    assert sorted("parent" in str(row[0]) for row in rows) == [False, True]


def test_threads_that_come_all_the_time_are_all_served(backend: SQLiteBackend) -> None:
    """Eight threads store forty jobs each: nobody waits for ever, and every id is another."""
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.extend(chores.note.enqueue(at).id for at in range(40)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(set(found)) == 320
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(320,)]


class Alarm(Exception):
    """What the signal raises."""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs pthread_kill")
@pytest.mark.parametrize("is_heir", [False, True])
def test_a_signal_to_one_who_waits_does_not_hold_up_the_others(backend: SQLiteBackend, is_heir: bool) -> None:
    """Its job is not stored, even when it was about to store those of the others; theirs is."""

    def alarmed(*_: object) -> None:
        raise Alarm

    intake = backend.jobs._intake
    other = threading.Thread(target=chores.note.enqueue, args=("other",))
    me = threading.get_ident()

    def disturb() -> None:
        while not intake._waiting or intake._waiting[0].gate is None:
            time.sleep(0.001)
        other.start()
        while len(intake._waiting) < 2:
            time.sleep(0.001)
        if is_heir:
            intake._waiting[0].leads = True
        signal.pthread_kill(me, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, alarmed)
    intake._lead.acquire()
    try:
        disturber = threading.Thread(target=disturb)
        disturber.start()
        with pytest.raises(Alarm):
            chores.note.enqueue("mine")
        disturber.join()
    finally:
        signal.signal(signal.SIGUSR1, before)
    if not is_heir:
        intake._lead.release()
        intake._hand_over()
    other.join(20)
    assert [
        json.loads(str(row[0]))["args"] for row in backend.database.rows("SELECT payload FROM modernmail_job")
    ] == [["other"]]
    assert chores.note.enqueue("next").id


def test_a_lead_that_was_lost_is_taken_up(backend: SQLiteBackend) -> None:
    """Should a signal end a leader before he hands over, who waits takes the lead himself after a second."""
    intake = backend.jobs._intake
    with intake._lead:
        thread = threading.Thread(target=chores.note.enqueue, args=("waits",))
        thread.start()
        while not intake._waiting or intake._waiting[0].gate is None:
            time.sleep(0.001)
    thread.join(20)
    assert backend.database.rows("SELECT count(*) FROM modernmail_job") == [(1,)]
