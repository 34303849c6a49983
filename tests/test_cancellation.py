"""Cancel and time out anything at any await: every mail's outcome is told truly, and nothing is left open.

Schedules are random and seeded; what the server has on record is the judge. `nox -s faults` plays ten thousand.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import signal
import socket
import ssl
import threading
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from arrival import wait_for_news, wait_for_request
from faults.schedules import many, message, one, play_all
from interrupting import Interrupted

from modernmail import AsyncSending, Mailer, Message
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from services.certificates import CertificateAuthority


async def schedule(mailer: Mailer, seed: int) -> list[tuple[list[Message], list[Any] | None]]:
    """Play one schedule: some sends at once, some of them cancelled after some turns of the loop."""
    random = Random(seed)
    tasks: list[tuple[list[Message], asyncio.Task[list[Any]]]] = []
    for number in range(random.randint(2, 6)):
        name = f"{seed}-{number}"
        if random.random() < 0.2:
            mails = [message(f"{name}-{place}", random) for place in range(3)]
            tasks.append((mails, asyncio.create_task(many(mailer, mails, random))))
        else:
            mail = message(name, random)
            tasks.append(([mail], asyncio.create_task(one(mailer, mail, random))))
    victims = [task for _, task in tasks if random.random() < 0.6]
    for victim in victims:
        for _ in range(random.randint(0, 25)):
            await asyncio.sleep(0)
        victim.cancel()
        if random.random() < 0.2:
            await asyncio.sleep(0)
            victim.cancel()  # once more, while it tidies up
    await asyncio.wait([task for _, task in tasks])
    return [(mails, None if task.cancelled() else task.result()) for mails, task in tasks]


def test_random_schedules_of_cancel_and_timeout() -> None:
    """200 schedules: no reply is another mail's, nothing is called sent that was not, no connection is left."""
    play_all(schedule, 0, 200)


def test_random_schedules_over_tls(certificate_authority: CertificateAuthority) -> None:
    """100 schedules over connections that begin with TLS."""
    play_all(schedule, 500, 100, certificate_authority)


def test_a_reply_that_comes_as_the_task_is_cancelled_is_no_other_mails() -> None:
    """What came before it pairs as it did, though the task has not heard of its cancellation yet."""
    script = [Rule("MAIL", nth=2).hold("mail").reply("550 5.7.1 not you")]

    async def run() -> AsyncSending:
        async with Mailer(server.url(pool=1)) as mailer:
            sending = mailer.asend_many([message(str(number), Random(1)) for number in range(2)])
            task = asyncio.create_task(sending.finish())
            await asyncio.to_thread(server.wait_for_step, "MAIL", nth=2)
            await asyncio.sleep(0.1)  # the reply to the first content is read
            server.release("mail")
            wait_for_news(server.port)
            asyncio.get_running_loop().call_soon(task.cancel)  # before the loop reads what is there now
            await asyncio.wait((task,))
            assert task.cancelled()
            return sending

    with ScriptedSMTPServer(script) as server:
        sending = asyncio.run(run())
        assert len(server.commits) == 1
    first = next(receipt for receipt in sending.unsent if receipt.position == 0)
    assert {outcome.status for outcome in first.recipients.values()} == {"accepted"}
    assert sending.tally.rejected == 0


@pytest.mark.parametrize("is_left", [False, True], ids=["body", "exit"])
@pytest.mark.parametrize("backend", ["{url}", "failover({url})"], ids=["plain", "failover"])
def test_a_limit_of_time_that_ends_while_a_stream_is_left(backend: str, is_left: bool) -> None:
    """Nothing waits for what is on its way, which is told; the limit is raised, and cancels nothing after it."""

    async def leave(sending: AsyncSending) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(None) as limit, sending:
            await anext(sending)
            await asyncio.to_thread(server.wait_for_step, "BODY", session=2)
            limit.reschedule(loop.time() + 0.05)
            if not is_left:
                await asyncio.sleep(60)

    async def run() -> AsyncSending:
        async with Mailer(backend.format(url=server.url(pool=2))) as mailer:
            sending = mailer.asend_many([message(str(number), Random(1)) for number in range(2)])
            with pytest.raises(TimeoutError):
                await leave(sending)
            await asyncio.sleep(0)
            return sending

    with ScriptedSMTPServer([Rule("BODY", session=2).hold("content").close()]) as server:
        sending = asyncio.run(run())  # nothing lets go of the content
    outcomes = [outcome for receipt in sending.unsent for outcome in receipt.recipients.values()]
    assert [outcome.status for outcome in outcomes] == ["unknown"]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "BODY"])
@pytest.mark.parametrize("capabilities", [["PIPELINING"], []], ids=["pipelined", "stepwise"])
def test_a_sync_send_that_a_signal_interrupts(step: str, capabilities: list[str]) -> None:
    """The exception carries the receipt: unknown after the dot, deferred before; the connection is gone, the next is fine."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    def when_reached(server: ScriptedSMTPServer, thread: int) -> None:
        server.wait_for_step(step)
        signal.pthread_kill(thread, signal.SIGUSR1)

    mail = Message("x", "y", from_email="me@example.com", to="you@example.com")
    before = signal.signal(signal.SIGUSR1, interrupt)
    held = Rule(step, session=1, nth=1).hold("go").proceed()
    try:
        with (
            ScriptedSMTPServer([held], capabilities=capabilities) as server,
            Mailer(server.url(pool=1)) as mailer,
        ):
            me = threading.get_ident()
            killer = threading.Thread(target=when_reached, args=(server, me))
            killer.start()
            with pytest.raises(Interrupted) as interrupted:
                mailer.send(mail)
            killer.join()
            server.release("go")
            receipt: Any = interrupted.value.receipt  # type: ignore[attr-defined]
            assert mailer.send(mail).is_complete
            mailer.close()
            server.wait_until_idle()
            assert receipt.recipients["you@example.com"].status == (
                "unknown" if step == "BODY" else "deferred"
            )
            assert len(server.commits) == (2 if step == "BODY" else 1)
            assert len(server.sessions) == 2
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals")
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_a_tls_handshake_that_a_signal_interrupts(tls: str) -> None:
    """The connection is gone at once, though the exception lives on."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    def when_reached(server: ScriptedSMTPServer, thread: int) -> None:
        server.wait_for_step("TLS")
        wait_for_request(server.port)  # the client has begun it
        signal.pthread_kill(thread, signal.SIGUSR1)

    mail = Message("x", "y", from_email="me@example.com", to="you@example.com")
    before = signal.signal(signal.SIGUSR1, interrupt)
    held = Rule("TLS", session=1).hold("go").proceed()
    try:
        with ScriptedSMTPServer([held], tls=tls) as server, Mailer(server.url(pool=1)) as mailer:
            killer = threading.Thread(target=when_reached, args=(server, threading.get_ident()))
            killer.start()
            with pytest.raises(Interrupted) as interrupted:
                mailer.send(mail)
            killer.join()
            server.release("go")
            server.wait_until_idle()
            assert interrupted.value is not None
            assert mailer.send(mail).is_complete
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_connection_that_becomes_no_wire_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception just when the session is open: it ends at once, though the exception lives on."""

    def interrupt() -> None:
        raise Interrupted

    mail = Message("x", "y", from_email="me@example.com", to="you@example.com")
    with ScriptedSMTPServer() as server, Mailer(server.url()) as mailer:
        with monkeypatch.context() as patch:
            patch.setattr(select, "poll", interrupt)
            with pytest.raises(Interrupted) as interrupted:
                mailer.send(mail)
        server.wait_until_idle()
        assert interrupted.value is not None
        assert mailer.send(mail).is_complete


def shake_hands_halfway(listener: socket.socket, context: ssl.SSLContext, meeting: threading.Barrier) -> bool:
    """Serve one TLS handshake up to the client's last flight, meeting the test before it answers, and after.

    Return whether the connection then ended, though nothing more is said: no farewell of TLS either.
    """
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(5)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        side = context.wrap_bio(incoming, outgoing, server_side=True)
        incoming.write(connection.recv(65536))
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
        meeting.wait(5)
        meeting.wait(5)
        connection.sendall(outgoing.read())
        meeting.wait(5)
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


@pytest.mark.parametrize("turns", range(5))
def test_a_cancellation_as_the_tls_handshake_ends(
    certificate_authority: CertificateAuthority, turns: int
) -> None:
    """The connection is dropped at once, whether or not the server answers a farewell."""
    context = certificate_authority.issue().context()
    meeting = threading.Barrier(2)

    async def run() -> bool:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            server = asyncio.create_task(asyncio.to_thread(shake_hands_halfway, listener, context, meeting))
            url = f"smtps://127.0.0.1:{listener.getsockname()[1]}?ca={certificate_authority.ca_file}"
            async with Mailer(url) as mailer:
                mail = Message("x", "y", from_email="me@example.com", to="you@example.com")
                sending = asyncio.create_task(mailer.asend(mail))
                await asyncio.to_thread(meeting.wait, 5)
                sending.cancel()
                for _ in range(turns):
                    await asyncio.sleep(0)
                meeting.wait(5)
                meeting.wait(5)  # what the server said is there when the loop looks next
                with pytest.raises(asyncio.CancelledError):
                    await sending
                return await server

    assert asyncio.run(run())


@pytest.mark.faults
@pytest.mark.parametrize("part", range(10))
def test_ten_thousand_schedules_of_cancel_and_timeout(part: int) -> None:
    """The same for ten thousand, in ten parts."""
    play_all(schedule, 1000 * (part + 1), 1000)


@pytest.mark.faults
@pytest.mark.parametrize("part", range(3))
def test_three_thousand_schedules_over_tls(certificate_authority: CertificateAuthority, part: int) -> None:
    """And three thousand over TLS."""
    play_all(schedule, 20_000 + 1000 * part, 1000, certificate_authority)
