"""Every fault of the corpus, played against the SMTP backend: what became of each recipient is told rightly.

By default a row runs sync and async, in one mode each, the modes taking turns from row to row, and every other row once
over TLS; `nox -s faults` runs every row in every mode, with TLS and without. Rows that must run into a timeout are played
beside the others, some at a time.
"""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import faces
import pytest
from faults.judge import problems
from faults.play import CORPUS_TIMEOUT, Mode, modes_of, play
from faults.row import rows

from modernmail import Mailer, Message
from modernmail.errors import DeliveryError
from modernmail.testing import Rule, ScriptedSMTPServer

ROWS = rows()
AT_ONCE = 6  # rows that wait for a timeout, played side by side
DELIVERIES = ("whole", "line", "byte")


def case(row, mode):
    """Return a row in a mode as a parameter."""
    return pytest.param((row, mode), id=f"{row.id}-{mode}")


def representative():
    """Yield some modes of each row: once sync and once async; pipelining, delivery and stream take turns."""
    for index, row in enumerate(ROWS):
        for turn, face in ((index, "sync"), (index + 1, "async")):
            face = (
                face
                if turn % 4 < 2 or len(row.sends) == 1 or f"{face}-many" not in row.faces
                else f"{face}-many"
            )
            delivery = DELIVERIES[turn % 3] if DELIVERIES[turn % 3] in row.deliveries else row.deliveries[0]
            yield case(row, Mode(face, turn % 2 == 0, delivery))


def everything():
    """Yield each row in every mode that means something for it."""
    for row in ROWS:
        for mode in modes_of(row):
            yield case(row, mode)


def is_for_tls(row):
    """Return whether a row means the same over a connection that begins with TLS."""
    is_of_tls = row.tls is not None or "tls" in row.client or "password_in_clear" in row.must_not
    return row.server == "scripted" and not is_of_tls


def over_tls():
    """Yield every other row that means something over TLS, in one mode; no row that waits for a timeout."""
    chosen = [row for row in ROWS if is_for_tls(row) and not row.waits]
    for index, row in enumerate(chosen[::2]):
        modes = modes_of(row)
        yield case(row, replace(modes[index * 7 % len(modes)], tls="implicit"))


def everything_over_tls():
    """Yield each row in every mode that means something over TLS."""
    for row in ROWS:
        if is_for_tls(row):
            for mode in modes_of(row):
                yield case(row, replace(mode, tls="implicit"))


@pytest.fixture(scope="module")
def rehearsed(request):
    """The rows that wait for a timeout, already being played: a future for each."""
    items = (
        [] if hasattr(request.config, "workerinput") else request.session.items
    )  # xdist deals the items out
    cases = [item.callspec.params["case"] for item in items if "rehearsed" in item.fixturenames]
    gc.collect()
    gc.disable()  # a connection that only the collector closes is a leak, and shall be seen as one
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield {(row.id, mode): pool.submit(play, row, mode) for row, mode in cases if row.waits}
    finally:
        gc.enable()


def judge(case, rehearsed):
    """Fail with all that is wrong, and with the conversation."""
    row, mode = case
    future = rehearsed.get((row.id, mode))
    played = play(row, mode) if future is None else future.result()
    wrong = problems(row, played)
    if wrong and row.waits:
        # A machine that is busy elsewhere may spend the short timeout on itself: the proper one decides.
        played = play(row, mode, CORPUS_TIMEOUT)
        wrong = problems(row, played)
    assert not wrong, f"{row.id} {row.name} [{mode}]:\n" + "\n".join(wrong) + "\n" + played.transcript()


@pytest.mark.parametrize("case", list(representative()))
def test_the_outcome_of_a_fault_is_told_rightly(case, rehearsed):
    """Each recipient's status, the time it took and what was sent are right, once sync and once async."""
    judge(case, rehearsed)


@pytest.mark.parametrize("case", list(over_tls()))
def test_the_outcome_of_a_fault_over_tls(case, rehearsed):
    """TLS changes nothing of it."""
    judge(case, rehearsed)


@pytest.mark.faults
@pytest.mark.parametrize("case", list(everything()))
def test_the_outcome_of_a_fault_is_told_rightly_in_every_mode(case, rehearsed):
    """The same for every row in every mode."""
    judge(case, rehearsed)


@pytest.mark.faults
@pytest.mark.parametrize("case", list(everything_over_tls()))
def test_the_outcome_of_a_fault_over_tls_in_every_mode(case, rehearsed):
    """The same for every row in every mode, over TLS."""
    judge(case, rehearsed)


# -- what no script of a server can do


def a_message(**changes):
    """Return a message to one recipient."""
    return Message(subject="x", text="y", from_email="me@example.com", to="you@example.com", **changes)


def send(url, message, face):
    """Send one message and return its receipt, whether an error carries it or not."""

    try:
        return faces.send(Mailer(url), message, is_async=face == "async")
    except DeliveryError as error:
        return error.receipt


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize("harm", ["shortened", "gone", "replaced"])
def test_content_that_fails_midway_is_never_ended_with_a_dot(face, harm, tmp_path):
    """A streamed file that changes after the snapshot leaves `deferred`; the server gets nothing complete."""
    path = tmp_path / "large.bin"
    path.write_bytes(b"x" * 4_000_000)
    message = a_message().attach_file(path)
    with ScriptedSMTPServer([Rule("DATA").hold("harmed").proceed()]) as server:
        told = []
        thread = threading.Thread(target=lambda: told.append(send(server.url(timeout=10), message, face)))
        thread.start()
        server.wait_for_step("DATA")
        if harm == "shortened":
            path.write_bytes(b"x" * 2_000_000)
        elif harm == "gone":
            path.unlink()
        else:
            other = tmp_path / "other.bin"
            other.write_bytes(b"y" * 4_000_000)
            other.replace(path)
        server.release("harmed")
        thread.join()
        server.wait_until_idle()
        assert server.commits == []
        assert not any(transaction.complete for transaction in server.sessions[0].transactions)
    assert told[0].recipients["you@example.com"].status == "deferred"


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY", "QUIT"])
@pytest.mark.parametrize("text", ["250-flood flood flood flood\r\n", "x" * 80])
def test_a_flood_is_cut_off_and_not_kept(face, step, text):
    """Of 64 MiB of reply little is taken from the wire, and less than 1 MiB of memory is used for it."""
    rule = Rule(step).raw("250-").flood(text)
    with ScriptedSMTPServer([rule]) as server:
        url = server.url(timeout=10, final_timeout=10)
        send(url, a_message(), face)  # imports and caches are not the flood's
        tracemalloc.start()
        try:
            send(url, a_message(), face)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        server.wait_until_idle()
    assert max(session.sent for session in server.sessions) < 16 * 1024 * 1024  # mostly the kernel's buffers
    assert peak < 1024 * 1024


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY"])
@pytest.mark.parametrize("capabilities", [["PIPELINING"], []])
def test_a_cancelled_send_says_what_became_of_it_and_spoils_nothing(step, capabilities):
    """CancelledError carries the receipt: unknown after the dot, deferred before; the next mail is fine."""

    async def scenario(server):
        async with Mailer(server.url(timeout=10)) as mailer:
            task = asyncio.create_task(mailer.asend(a_message()))
            await asyncio.to_thread(server.wait_for_step, step)
            task.cancel()
            with pytest.raises(asyncio.CancelledError) as cancelled:
                await task
            server.release("go")
            receipt = await mailer.asend(a_message())
        return cancelled.value.receipt, receipt

    rule = Rule(step, session=1, nth=1).hold("go").proceed()
    with ScriptedSMTPServer([rule], capabilities=capabilities) as server:
        cancelled, receipt = asyncio.run(scenario(server))
        server.wait_until_idle()
        assert receipt.accepted == ("you@example.com",)
        assert cancelled.recipients["you@example.com"].status == ("unknown" if step == "BODY" else "deferred")
        assert len(server.commits) == (2 if step == "BODY" else 1)


SLOW_FILTER = Rule("BODY").sleep(1.0).proceed()


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize("chunking", ["on", "off"])
def test_the_reply_to_the_content_has_a_patience_of_its_own(face, chunking):
    """A server that filters longer than `timeout`, and less than `final_timeout`, is waited for."""
    with ScriptedSMTPServer([SLOW_FILTER], capabilities=["PIPELINING", "CHUNKING"]) as server:
        receipt = send(server.url(timeout=0.4, final_timeout=30, chunking=chunking), a_message(), face)
        assert receipt.accepted == ("you@example.com",)
        assert ("BDAT" in {step.name for step in server.sessions[0].steps}) is (chunking == "on")


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize(
    ("chunking", "step"), [("off", "MAIL"), ("off", "RCPT"), ("off", "DATA"), ("on", "MAIL"), ("on", "RCPT")]
)
def test_other_replies_do_not_have_the_patience_of_the_content(face, chunking, step):
    """A server that hangs before the content, in the second mail of a stream, is given up after `timeout`."""

    def sync(url):
        with Mailer(url) as mailer, mailer.send_many([a_message(), a_message()]) as sending:
            return list(sending)

    async def stream(url):
        async with Mailer(url) as mailer, mailer.asend_many([a_message(), a_message()]) as sending:
            return [receipt async for receipt in sending]

    script = [Rule(step, nth=2).hang(), *([SLOW_FILTER] if step == "MAIL" else [])]
    with ScriptedSMTPServer(script, capabilities=["PIPELINING", "CHUNKING"]) as server:
        url = server.url(timeout=0.4, final_timeout=600, chunking=chunking, pool=1)
        first, second = sync(url) if face == "sync" else asyncio.run(stream(url))
        assert first.accepted == ("you@example.com",)
        # with BDAT the content went along, so who knows; without, it is begun anew on another connection
        assert second.count("unknown" if chunking == "on" else "accepted") == 1


@pytest.mark.parametrize("face", ["sync", "async"])
@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY"])
@pytest.mark.parametrize("capabilities", [["PIPELINING"], []], ids=["pipelined", "stepwise"])
def test_the_deadline_of_a_send_bounds_all_of_it(face, step, capabilities):
    """A server that drips at any step is given up when the whole send's time is over, long before `timeout`."""
    rule = Rule(step).drip("250-" + "x" * 200, every=0.05)
    with ScriptedSMTPServer([rule], capabilities=capabilities) as server:
        url = server.url(timeout=30, final_timeout=30, deadline=0.3)
        began = time.monotonic()
        receipt = send(url, a_message(), face)
        assert time.monotonic() - began < 5
        assert receipt.count("unknown" if step == "BODY" else "deferred") == 1
        assert "0.3 s" in str(receipt.error)


@pytest.mark.parametrize("face", ["sync", "async"])
def test_replies_that_come_while_a_content_is_still_written_are_no_fault(face, tmp_path):
    """With BDAT MAIL and RCPT are answered before a large content has gone out: the mail is taken, once."""
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(16_000_000))  # more than the sockets between client and server hold
    refused = Rule("RCPT", contains="other@").reply("550 5.1.1 no such user")
    message = a_message(cc="other@example.com").attach_file(path)
    capabilities = ["PIPELINING", "CHUNKING"]
    with ScriptedSMTPServer([refused], capabilities=capabilities, delivery="byte") as server:
        receipt = send(server.url(timeout=60, chunking="on"), message, face)
        server.wait_until_idle()
        assert receipt.accepted == ("you@example.com",)
        assert receipt.recipients["other@example.com"].status == "rejected"
        assert [commit.recipients for commit in server.commits] == [("you@example.com",)]
        assert [len(session.transactions) for session in server.sessions] == [1]


@pytest.mark.parametrize("face", ["sync", "async"])
def test_who_was_put_off_before_the_session_broke_is_asked_once(face):
    """452 to the second recipient, then a 250 to DATA, which fits nothing: both go over another connection, once each."""
    script = [
        Rule("RCPT", nth=3, session=1).reply("452 4.5.3 too many"),
        Rule("DATA", nth=2, session=1).reply("250 2.0.0 what"),
    ]
    messages = [a_message(), a_message(cc="other@example.com")]
    with ScriptedSMTPServer(script) as server:
        url = server.url(pool=1)

        async def stream():
            async with Mailer(url) as mailer, mailer.asend_many(messages) as sending:
                return [receipt async for receipt in sending]

        if face == "async":
            receipts = asyncio.run(stream())
        else:
            with Mailer(url) as mailer, mailer.send_many(messages) as sending:
                receipts = list(sending)
        server.wait_until_idle()
        asked = [step.line for step in server.sessions[1].steps if step.name == "RCPT"]
    assert [receipt.is_complete for receipt in receipts] == [True, True]
    assert asked == [b"RCPT TO:<you@example.com>\r\n", b"RCPT TO:<other@example.com>\r\n"]
    assert [commit.recipients for commit in server.commits][1:] == [("you@example.com", "other@example.com")]
