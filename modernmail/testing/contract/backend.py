"""The contract of a backend, rule by rule: `check_backend`.

Rules of the file: a rule is a function with the rule as its docstring; it makes the backends it needs, and knows no kind of
backend.
"""

from __future__ import annotations

import asyncio
import inspect

from modernmail.backends.backend import Backend
from modernmail.runtime import AsyncioIO

from .burst import Burst, check, receipts_of
from .drive import run
from .rule import hold
from .samples import PEOPLE, StreamedMail, folder, mails

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import IO

    Make = Callable[[], Backend]
    Rule = Callable[[Make, Sequence[str], str], None]


def check_backend(make: Make, *, recipients: Sequence[str] = PEOPLE) -> None:
    """Hold a backend to its contract; `make` returns a fresh one, which accepts mail to these recipients (two at least).

    Raises `AssertionError`.

    >>> from modernmail.backends.memory import MemoryBackend
    >>> check_backend(MemoryBackend)
    """
    for rule in BACKEND_RULES:
        hold(rule, make, recipients)


def _is_backend(make: Make, _people: Sequence[str], _mode: str) -> None:
    """A backend is a `Backend`; its methods are coroutine functions; its hosts are a tuple of names."""
    backend = make()
    assert isinstance(backend, Backend), f"{backend!r} is no modernmail.Backend"
    for name in ("send", "verify", "close"):
        assert inspect.iscoroutinefunction(getattr(backend, name)), f"{name} must be an async def"
    assert not inspect.iscoroutinefunction(backend.deliver), "deliver returns a stream: it is no async def"
    assert isinstance(backend.hosts, tuple), "hosts must be a tuple"
    assert isinstance(backend.is_store, bool), "is_store must be True or False"


def _delivers(make: Make, people: Sequence[str], mode: str) -> None:
    """Each parcel that is pulled has one receipt, with the position its source gave, and is accepted for everybody."""

    async def work(io: IO) -> None:
        for is_prompt in (True, False):
            backend = make()
            parcels = mails(people)
            source = Burst(parcels.values(), is_prompt=is_prompt)
            found = await receipts_of(backend.deliver(source, io))
            assert len(source.pulled) == len(parcels), "it did not pull every parcel"
            check(source, found)
            for receipt in found:
                assert receipt.is_complete, f"{receipt!r}: {receipt.error or dict(receipt.refused)}"
            await backend.close(io)

    run(mode, work)


def _sends_one(make: Make, people: Sequence[str], mode: str) -> None:
    """`send` takes one parcel and gives its receipt; the parcel is as it was."""
    backend = make()
    parcel = mails(people)["to everybody, one of them blind"]
    octets = bytes(parcel.content)

    async def work(io: IO) -> Receipt:
        receipt = await backend.send(parcel, io)
        await backend.close(io)
        return receipt

    receipt = run(mode, work)
    assert receipt.is_complete, f"{receipt!r}: {receipt.error}"
    assert set(receipt.recipients) == set(parcel.envelope.recipients), str(dict(receipt.recipients))
    assert bytes(parcel.content) == octets, "the parcel has changed"


def _takes_bursts(make: Make, people: Sequence[str], mode: str) -> None:
    """A burst ends when its source does, an empty one at once; another follows; `close` twice, and it goes on after it."""
    backend = make()

    async def work(io: IO) -> None:
        for count in (0, 1, 3, 0, 2):
            source = Burst(list(mails(people).values())[:count])
            receipts = backend.deliver(source, io)
            check(source, await receipts_of(receipts))
            assert await receipts.next() is None, "a receipt after the end"
            assert await receipts.close() == [], "receipts were left over"
        await backend.verify(io)
        await backend.close(io)
        await backend.close(io)
        source = Burst([mails(people)["plain"]])
        check(source, await receipts_of(backend.deliver(source, io)))
        await backend.close(io)

    run(mode, work)


def _closes_early(make: Make, people: Sequence[str], mode: str) -> None:
    """A burst that is closed early gives a receipt for each parcel that was pulled and has none yet."""

    async def work(io: IO) -> None:
        for count in (0, 1, 3):
            backend = make()
            source = Burst(mails(people).values())
            receipts = backend.deliver(source, io)
            found = []
            for _ in range(count):
                receipt = await receipts.next()
                assert receipt is not None, "the burst ended early"
                found.append(receipt)
            check(source, [*found, *await receipts.close()])
            again = Burst([mails(people)["plain"]])
            check(again, await receipts_of(backend.deliver(again, io)))
            await backend.close(io)

    run(mode, work)


def _streams(make: Make, people: Sequence[str], mode: str) -> None:
    """A content that is streamed from a file is read to its end, at most twice."""
    backend = make()

    async def work(io: IO) -> None:
        with folder() as path:
            mail = StreamedMail(path, people)
            source = Burst([mail.parcel])
            found = await receipts_of(backend.deliver(source, io))
            check(source, found)
            assert found[0].is_complete, str(found[0].error)
            assert 1 <= mail.passes <= 2, f"the streamed part was read {mail.passes} times"
            await backend.close(io)

    run(mode, work)


class _Refused(Exception):
    """What the commit point raises."""


def _asks_before_it_commits(make: Make, people: Sequence[str], mode: str) -> None:
    """Just before a mail is irrevocably given away the commit point is awaited, for each mail."""
    backend = make()
    asked: list[str] = []
    parcels = mails(people).values()

    async def commit(parcel: Parcel) -> None:
        asked.append(parcel.message_id)

    async def work(io: IO) -> None:
        source = Burst(parcels)
        check(source, await receipts_of(backend.deliver(source, io)))
        await backend.close(io)

    run(mode, work, commit_point=commit)
    assert set(asked) == {parcel.message_id for parcel in parcels}, (
        f"asked for {len(set(asked))} of {len(parcels)}"
    )


def _obeys_the_commit_point(make: Make, people: Sequence[str], mode: str) -> None:
    """When the commit point raises, the burst ends with that exception, and nobody has the mail."""
    backend = make()

    async def refuse(_parcel: Parcel) -> None:
        raise _Refused

    async def work(io: IO) -> list[Receipt]:
        source = Burst([mails(people)["plain"]])
        receipts = backend.deliver(source, io)
        try:
            await receipts_of(receipts)
        except _Refused:
            found = await receipts.close()
        else:
            raise AssertionError("the commit point raised, and the burst went on")
        check(source, found)
        await backend.close(io)
        return found

    (found,) = run(mode, work, commit_point=refuse)
    assert not found.accepted, "accepted, although the commit point raised"


def _is_cancelled(make: Make, people: Sequence[str], mode: str) -> None:
    """Cancelled at any moment it lets the cancellation pass, and `close` gives a receipt for each parcel that was pulled."""
    if mode == "async":
        for turns in (0, 1, 2, 3, 5, 8):
            asyncio.run(_cancelled(make(), people, turns))


async def _cancelled(backend: Backend, people: Sequence[str], turns: int) -> None:
    io = AsyncioIO()
    source = Burst(mails(people).values())
    receipts = backend.deliver(source, io)
    found: list[Receipt] = []

    async def collect() -> None:
        while (receipt := await receipts.next()) is not None:
            found.append(receipt)

    task = asyncio.create_task(collect())
    for _ in range(turns):
        await asyncio.sleep(0)
    was_over = task.done()
    task.cancel()
    (ended,) = await asyncio.gather(task, return_exceptions=True)
    assert was_over or isinstance(ended, asyncio.CancelledError), f"the cancellation was swallowed: {ended!r}"
    check(source, [*found, *await receipts.close()])
    await backend.close(io)


BACKEND_RULES: tuple[Rule, ...] = (
    _is_backend,
    _delivers,
    _sends_one,
    _takes_bursts,
    _closes_early,
    _streams,
    _asks_before_it_commits,
    _obeys_the_commit_point,
    _is_cancelled,
)
