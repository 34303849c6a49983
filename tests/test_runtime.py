"""The seam between sync and async: the same coroutines run to their end without an event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from modernmail.runtime import AsyncioIO, BlockingIO, run_blocking


async def through(io: BlockingIO | AsyncioIO) -> str:
    """Use everything that a delivery may ask of its IO."""
    before = io.now()
    await io.sleep(0.001)
    lock, signal = io.lock(), io.signal()
    async with lock:
        missed = await signal.wait(0.001)
        signal.set()
        came = await signal.wait(5)
    assert io.now() > before
    return f"{await io.run(threading.get_ident) == threading.get_ident()} {missed} {came}"


def test_the_same_code_runs_both_ways() -> None:
    """Without a loop everything happens in the calling thread; with one, blocking calls happen in another."""
    assert run_blocking(through(BlockingIO())) == "True False True"
    assert asyncio.run(through(AsyncioIO())) == "False False True"
    assert (BlockingIO().is_async, AsyncioIO().is_async) == (False, True)


def test_a_coroutine_that_suspends_is_a_mistake() -> None:
    """Something awaited a loop that is not there: a RuntimeError says to use the async form."""

    async def waits() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="suspended in a sync call"):
        run_blocking(waits())


def test_exceptions_come_through() -> None:
    """What the coroutine raises is raised."""

    async def fails() -> None:
        raise LookupError("x")

    with pytest.raises(LookupError, match="x"):
        run_blocking(fails())


@pytest.mark.parametrize("is_async", [False, True])
def test_a_signal_may_be_set_by_another_thread(is_async: bool) -> None:
    """Who waits goes on when another thread says so."""

    async def waits(io: BlockingIO | AsyncioIO) -> bool:
        signal = io.signal()
        thread = threading.Thread(target=signal.set)
        thread.start()
        came = await signal.wait(10)
        thread.join()
        signal.set()  # a second time changes nothing
        return came

    assert asyncio.run(waits(AsyncioIO())) if is_async else run_blocking(waits(BlockingIO()))
