"""What goes over a connection while the other side writes too: nobody waits for ever, and little is kept."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modernmail import Address, Mailer, Message
from modernmail.errors import DeliveryError
from modernmail.smtp.wires import security
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.sink import Sink

    from modernmail import Receipt

    Send = Callable[[str, Message], Receipt]


def a_message(*recipients: str, text: str = "y") -> Message:
    """Return a message to these recipients, one by default."""
    return Message("x", text, from_email="me@example.com", to=recipients or ["you@example.com"])


def _told(error: DeliveryError) -> Receipt:
    assert error.receipt is not None
    return error.receipt


def sync(url: str, message: Message) -> Receipt:
    """Send it; the receipt is an error's when nobody was accepted."""
    try:
        with Mailer(url) as mailer:
            return mailer.send(message)
    except DeliveryError as error:
        return _told(error)


def under_asyncio(url: str, message: Message) -> Receipt:
    """Send it under asyncio."""

    async def run() -> Receipt:
        async with Mailer(url) as mailer:
            return await mailer.asend(message)

    try:
        return asyncio.run(run())
    except DeliveryError as error:
        return _told(error)


faces = pytest.mark.parametrize("send", [sync, under_asyncio], ids=["sync", "async"])


class Stubborn:
    """An LMTP server that takes no further command before its last reply was taken, and talks at length.

    On a Unix socket, where the kernel holds 200 KiB for each side and never more.
    """

    def __init__(self, path: Path) -> None:
        self.url = f"lmtp://{path}"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.recipients = 0
        self.mails = 0
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self) -> None:
        """Serve one session."""
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb", buffering=512) as lines, contextlib.suppress(OSError):
            connection.sendall(b"220 stubborn\r\n")
            in_content = False
            for line in lines:
                if in_content:
                    in_content = line != b".\r\n"
                    reply = b"" if in_content else b"250 2.0.0 taken\r\n" * self.recipients
                    self.mails += not in_content
                elif line.startswith(b"LHLO"):
                    reply = b"250-stubborn\r\n250 PIPELINING\r\n"
                elif line.startswith(b"RCPT"):
                    self.recipients += 1
                    reply = b"250 2.1.5 " + b"very well, " * 40 + str(self.recipients).encode() + b"\r\n"
                elif line.startswith(b"DATA"):
                    in_content, reply = True, b"354 go on\r\n"
                else:
                    reply = b"250 2.0.0 fine\r\n"
                if reply:
                    connection.sendall(reply)
                if line.startswith(b"QUIT"):
                    return

    def close(self) -> None:
        """Wait for the session's end."""
        self.thread.join(30)
        self.listener.close()


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Stubborn]:
    """A server that both writes much and reads only when that is taken."""
    server = Stubborn(tmp_path / "lmtp")
    yield server
    server.close()


@faces
def test_two_sides_that_both_write_do_not_wait_for_each_other(send: Send, stubborn: Stubborn) -> None:
    """10,000 recipients in one transaction of 500 KB, each answered with 450 octets: all are accepted, in one mail."""
    recipients = [f"recipient-{number}@department.example.com" for number in range(10_000)]
    receipt = send(f"{stubborn.url}?max_recipients=10000&timeout=20", a_message(*recipients))
    assert receipt.count("accepted") == 10_000
    assert (stubborn.recipients, stubborn.mails) == (10_000, 1)


@faces
@pytest.mark.parametrize("tls", [None, "starttls"])
def test_a_large_transaction(send: Send, tls: str | None) -> None:
    """2,000 recipients in one transaction, with TLS and without: commands and replies are paired to the last."""
    refused = Rule("RCPT", contains="7@").reply("550 5.1.1 no")
    recipients = [f"recipient-{number}@department.example.com" for number in range(2_000)]
    with ScriptedSMTPServer([refused], tls=tls) as server:
        options = {"max_recipients": 10000, "timeout": 30, "ca": server.ca_file}
        receipt = send(server.url(**options), a_message(*recipients, text="y" * 100_000))
        server.wait_until_idle()
    for address, outcome in receipt.recipients.items():
        assert outcome.status == ("rejected" if "7@" in address else "accepted")
    (commit,) = server.commits
    assert commit.recipients == receipt.accepted


@faces
@pytest.mark.parametrize("tls", [None, "starttls"])
def test_a_server_that_answers_before_the_end_is_heard(send: Send, tls: str | None, tmp_path: Path) -> None:
    """552 in the middle of a content of 80 MB: it is the outcome, and the rest is not written."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    rule = Rule("DATA").reply("354 go").read(1000).reply("552 5.3.4 too big").hang()
    with ScriptedSMTPServer([rule], tls=tls, capabilities=["PIPELINING"]) as server:
        url = server.url(timeout=30, ca=server.ca_file)
        receipt = send(url, a_message().attach_file(path))
        server.wait_until_idle()
    outcome = receipt.recipients["you@example.com"]
    assert (outcome.status, outcome.reply and outcome.reply.code) == ("rejected", 552)
    assert server.commits == []
    assert server.sessions[0].received < 40_000_000  # mostly what the kernel holds


@faces
@pytest.mark.parametrize("tls", [None, "implicit"])
def test_a_flood_of_replies_while_a_content_is_written(send: Send, tls: str | None, tmp_path: Path) -> None:
    """64 MB of replies in the middle of a content of 80 MB: little of them is read, and nothing is kept."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(60_000_000)
    rule = Rule("DATA").reply("354 go").read(1000).flood("250 2.0.0 ok\r\n" * 1000)
    with ScriptedSMTPServer([rule], tls=tls, capabilities=["PIPELINING"]) as server:
        receipt = send(server.url(timeout=30, ca=server.ca_file), a_message().attach_file(path))
        server.wait_until_idle()
    assert receipt.count("deferred") == 1
    assert server.sessions[0].sent < 16 * 1024 * 1024  # mostly what the kernel holds


@faces
@pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="counts the open files of the process by /proc"
)
def test_a_file_is_closed_when_the_server_cuts_in(send: Send, tmp_path: Path) -> None:
    """With the mail, not when the collector happens to run: until then each such mail had its file open."""
    path = tmp_path / "large.bin"
    with path.open("wb") as file:
        file.truncate(20_000_000)
    rule = Rule("DATA").reply("354 go").read(1000).reply("552 5.3.4 too big").hang()
    gc.disable()
    try:
        with ScriptedSMTPServer([rule], capabilities=["PIPELINING"]) as server:
            receipt = send(server.url(timeout=30), a_message().attach_file(path))
        assert receipt.count("rejected") == 1
        found = [os.readlink(one) for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
        assert str(path) not in found
    finally:
        gc.enable()


@faces
def test_a_flood_of_replies_while_commands_are_written(send: Send, tmp_path: Path) -> None:
    """64 MB of replies to 500 KB of commands, none of which is read: no more is read than there are replies to come."""
    listener = socket.socket(socket.AF_UNIX)  # where the kernel holds 200 KiB for each side and never more
    listener.bind(str(tmp_path / "lmtp"))
    listener.listen()
    sent: list[int] = []
    done = threading.Event()

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                if done.is_set():
                    return
                connection.sendall(b"220 flooding\r\n")
                connection.recv(1000)
                connection.sendall(b"250-flooding\r\n250 PIPELINING\r\n")
                connection.recv(1000, socket.MSG_PEEK)
                sent.append(0)
                while sent[-1] < 64_000_000:
                    sent[-1] += connection.send(b"250 2.0.0 ok\r\n" * 1000)

    thread = threading.Thread(target=serve)
    thread.start()
    recipients = [f"recipient-{number}@department.example.com" for number in range(10_000)]
    receipt = send(f"lmtp://{tmp_path / 'lmtp'}?max_recipients=10000&timeout=20", a_message(*recipients))
    done.set()
    with socket.socket(socket.AF_UNIX) as last:
        last.connect(str(tmp_path / "lmtp"))
    thread.join(10)
    listener.close()
    assert receipt.count("deferred") == 10_000
    assert sent
    assert max(sent) < 1_000_000


@faces
def test_a_session_that_breaks_costs_no_comparison_of_all_with_all(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1,000 recipients, of whom the server answered to none: each is looked at a few times, not a thousand."""
    compared = 0
    equal = Address.__eq__

    def counting(one: Address, other: object) -> bool:
        nonlocal compared
        compared += 1
        return equal(one, other)

    recipients = [f"recipient-{number}@department.example.com" for number in range(1_000)]
    with ScriptedSMTPServer([Rule("MAIL").close()]) as server:
        monkeypatch.setattr(Address, "__eq__", counting)
        receipt = send(server.url(max_recipients=1000, timeout=30), a_message(*recipients))
    assert receipt.count("deferred") == 1_000
    assert compared <= 10_000


def test_the_name_of_this_host_is_not_looked_up_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver may take its time: under asyncio a thread waits for it, once; an underscore makes no name for EHLO."""
    asked: list[threading.Thread] = []

    def getfqdn() -> str:
        asked.append(threading.current_thread())
        return "build_7.example.com"

    monkeypatch.setattr(security, "_names", [])
    monkeypatch.setattr(socket, "getfqdn", getfqdn)
    with ScriptedSMTPServer() as server:
        for _ in range(2):
            assert under_asyncio(server.url(), a_message()).is_complete
        greetings = [session.step("EHLO").line for session in server.sessions]
    assert greetings == [b"EHLO [127.0.0.1]\r\n"] * 2
    assert len(asked) == 1
    assert asked[0] is not threading.current_thread()


@faces
def test_of_long_replies_little_is_kept(send: Send) -> None:
    """100 refusals of 60 KB each: every recipient has its code, and all that is kept of the words is 64 KiB."""
    recipients = [f"r{number}@example.com" for number in range(100)]
    flood = "\r\n".join(["550-5.1.1 " + "no " * 150] * 130 + ["550 5.1.1 " + "no " * 150])
    with ScriptedSMTPServer([Rule("RCPT").reply(flood)]) as server:
        receipt = send(server.url(timeout=30), a_message(*recipients))
    assert receipt.count("rejected") == 100
    replies = {id(outcome.reply): outcome.reply for outcome in receipt.recipients.values()}
    assert {reply.code for reply in replies.values() if reply} == {550}
    kept = sum(len(line) for reply in replies.values() if reply for line in reply.lines)
    assert kept <= 65536 + 100 * 128


@faces
@pytest.mark.parametrize("size", [10, 70_000, 400_000])
@pytest.mark.parametrize("chunking", ["off", "on"])
def test_what_arrives_is_what_was_written(send: Send, size: int, chunking: str, tmp_path: Path) -> None:
    """Small and large pieces, gathered or cut, from memory and from a file: octet for octet, dots and all."""
    path = tmp_path / "file.bin"
    path.write_bytes(bytes(range(256)) * (size // 100))
    text = ".dot\n..dots\n" + "line\n.\n" * (size // 7)
    message = a_message(text=text).attach("a.bin", bytes(size), "application/octet-stream").attach_file(path)
    with ScriptedSMTPServer(capabilities=["PIPELINING", "CHUNKING"]) as server:
        mailer = Mailer(server.url(chunking=chunking))
        parcel = mailer.parcel(message)
        receipt = send(server.url(chunking=chunking), parcel)  # type: ignore[arg-type]
        server.wait_until_idle()
    assert receipt.is_complete
    assert [commit.content for commit in server.commits] == [bytes(parcel.content)]
    assert server.sessions[0].violations == []


@faces
@pytest.mark.parametrize("where", ["memory", "file"])
def test_the_whole_mail_is_not_copied(send: Send, where: str, smtp_sink: Sink, tmp_path: Path) -> None:
    """27 MB go out in slices of what is there, or as they are read: less than 2 MB are in use besides, sync and async."""
    message = a_message()
    if where == "memory":
        message.attach("large.bin", bytes(20_000_000), "application/octet-stream")
    else:
        path = tmp_path / "large.bin"
        path.write_bytes(bytes(20_000_000))
        message.attach_file(path)
    with Mailer(smtp_sink.url) as mailer:
        parcel = mailer.parcel(message)
    assert send(smtp_sink.url, parcel).is_complete  # type: ignore[arg-type]  # what is encoded once is there now
    tracemalloc.start()
    try:
        assert send(smtp_sink.url, parcel).is_complete  # type: ignore[arg-type]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2_000_000
