"""A scope of anyio that is cancelled around a send: it ends there, the outcome is told, and nothing of it is left behind.

FastAPI and Starlette are made of such scopes. One cancels at every await until it is left, not once, and takes for its own the
cancellations that bear its words; any other goes through it, to the end of the request or the server.
"""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import anyio
import pytest
from faults.schedules import message, play_all, receipt_of

from modernmail import Mailer, Message
from modernmail.errors import ConfigurationError, DeliveryError
from modernmail.testing import Rule, ScriptedSMTPServer

Told = list[tuple[list[Message], list[Any] | None]]


async def one(mailer: Mailer, mail: Message, told: list[Any]) -> None:
    """Send one mail and tell its receipt, also when it is cancelled."""
    try:
        told.append(await mailer.asend(mail))
    except (DeliveryError, asyncio.CancelledError) as error:
        told.append(receipt_of(error))
        if isinstance(error, asyncio.CancelledError):
            raise


async def several(mailer: Mailer, mails: list[Message], told: list[Any]) -> None:
    """Send some as a stream and tell their receipts."""
    sending = mailer.asend_many(mails)
    try:
        async with sending:
            async for receipt in sending:
                told.append(receipt)  # noqa: PERF401  # those before a cancellation count
    finally:
        told += sending.unsent


async def within(scope: anyio.CancelScope, send: Any) -> None:
    """Await the send in a scope; what comes out of it, or after it, is a fault."""
    with scope:
        await send
    for _ in range(3):
        await asyncio.sleep(0)


async def schedule(mailer: Mailer, seed: int) -> Told:
    """Play one schedule: some sends at once, each in a scope, some of which are cancelled after some turns of the loop."""
    random = Random(seed)
    sends: list[tuple[list[Message], list[Any], anyio.CancelScope, asyncio.Task[None]]] = []
    for number in range(random.randint(2, 6)):
        name = f"{seed}-{number}"
        told: list[Any] = []
        mails = [message(f"{name}-{place}", random) for place in range(random.choice((1, 1, 1, 3)))]
        send = one(mailer, mails[0], told) if len(mails) == 1 else several(mailer, mails, told)
        scope = anyio.CancelScope()
        sends.append((mails, told, scope, asyncio.create_task(within(scope, send))))
    await asyncio.sleep(0)
    for _, _, scope, _ in sends:
        if random.random() < 0.6:
            for _ in range(random.randint(0, 25)):
                await asyncio.sleep(0)
            scope.cancel()
    await asyncio.wait([task for _, _, _, task in sends])
    for *_, task in sends:
        task.result()
    return [(mails, told) for mails, told, _, _ in sends]


def test_random_schedules_of_scopes() -> None:
    """200 schedules: no cancellation comes out of its scope or after it, and all is told truly."""
    play_all(schedule, 0, 200)


@pytest.mark.faults
@pytest.mark.parametrize("part", range(3))
def test_three_thousand_schedules_of_scopes(part: int) -> None:
    """The same for three thousand."""
    play_all(schedule, 30_000 + 1000 * part, 1000)


@pytest.mark.parametrize("is_stream", [False, True], ids=["send", "send_many"])
@pytest.mark.parametrize("step", ["CONNECT", "MAIL", "BODY"])
def test_a_limit_of_time_is_a_limit_and_no_more(step: str, is_stream: bool) -> None:
    """The scope catches its cancellation, and what is awaited after it is not cancelled."""
    mail = Message("x", "y", from_email="me@example.com", to="you@example.com")

    async def run() -> None:
        async with Mailer(server.url(pool=1)) as mailer:
            with anyio.move_on_after(0.05) as scope:
                if is_stream:
                    await mailer.asend_many([mail, mail]).finish()
                else:
                    await mailer.asend(mail)
            assert scope.cancelled_caught
            await asyncio.sleep(0)
            server.release("go")
            receipt = await mailer.asend(mail)
            assert receipt.is_complete

    with ScriptedSMTPServer([Rule(step, session=1, nth=1).hold("go").proceed()]) as server:
        asyncio.run(run())


@pytest.mark.parametrize("is_stream", [False, True], ids=["send", "send_many"])
def test_without_asyncio_it_is_said_what_to_do(is_stream: bool) -> None:
    """What drives the coroutine as trio does, without a loop of asyncio, gets an error that says so; nothing is sent."""
    mail = Message("x", "y", from_email="me@example.com", to="you@example.com")

    async def run() -> None:
        async with Mailer(server.url()) as mailer:
            await (mailer.asend_many([mail]).finish() if is_stream else mailer.asend(mail))

    with ScriptedSMTPServer() as server:
        with pytest.raises(ConfigurationError, match=r"trio\.to_thread.run_sync"):
            run().send(None)
        assert not server.sessions
