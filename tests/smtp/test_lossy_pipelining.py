"""Servers that offer PIPELINING and do not hear what came together: every mail goes, from then on with less of it."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import faces
import pytest
from accepting import Accepting

from modernmail import Mailer, Message
from modernmail.errors import ConnectFailed
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail import Receipt

pytestmark = pytest.mark.once
FACES = pytest.mark.parametrize("face", ["sync", "async"])
_HELLO = b"250-lossy.test\r\n250 PIPELINING\r\n"


class LossyServer:
    """A server that looks at its input one read at a time.

    `loses` is `"group"`: of commands in one read the last alone is heard. Or it says what becomes of those that come with
    the end of a content: `"ahead"` drops them, `"refused"` answers each by 503, as Haraka does, lest they had been smuggled
    into the content, `"closed"` closes.
    """

    def __init__(self, loses: str) -> None:
        self.loses = loses
        self.taken: list[bytes] = []
        listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = listener.getsockname()[1]
        self._accepting = Accepting(listener, self._serve)
        self.close = self._accepting.close

    @property
    def connections(self) -> int:
        """How many came."""
        return self._accepting.connections

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"220 lossy.test\r\n")
            has_mail = has_recipient = False
            while data := connection.recv(65536):
                lines = data.splitlines(keepends=True)
                for line in lines[-1:] if self.loses == "group" else lines:
                    verb = line[:4].upper()
                    if verb == b"DATA" and has_recipient:
                        connection.sendall(b"354 go on\r\n")
                        content = b""
                        while b"\r\n.\r\n" not in content:
                            content += connection.recv(65536)
                        content, _, behind = content.partition(b"\r\n.\r\n")
                        self.taken.append(content)
                        has_mail = has_recipient = False
                        refusals = b"503 5.5.1 behind a content\r\n" * behind.count(b"\n")
                        connection.sendall(
                            b"250 2.0.0 taken\r\n" + (refusals if self.loses == "refused" else b"")
                        )
                        if self.loses == "closed" and behind:
                            return
                        break
                    answer = {
                        b"EHLO": _HELLO,
                        b"MAIL": b"250 ok\r\n",
                        b"RCPT": b"250 ok\r\n" if has_mail else b"503 5.5.1 Need MAIL before RCPT\r\n",
                        b"DATA": b"503 5.5.1 Need RCPT before DATA\r\n",
                        b"QUIT": b"221 bye\r\n",
                    }.get(verb, b"250 ok\r\n")
                    has_recipient = has_recipient or (verb == b"RCPT" and has_mail)
                    has_mail = has_mail or verb == b"MAIL"
                    connection.sendall(answer)


@pytest.fixture
def lossy(request: pytest.FixtureRequest) -> Iterator[LossyServer]:
    """A server that loses what the test says."""
    server = LossyServer(request.param)
    yield server
    server.close()


def letters(count: int) -> list[Message]:
    """Return so many mails."""
    return [
        Message(f"{n}", f"mail {n}", from_email="me@example.com", to="zoe@example.com") for n in range(count)
    ]


def send_many(mailer: Mailer, mails: list[Message], face: str) -> list[Receipt]:
    """Send them over one connection, twice."""

    async def asend() -> list[Receipt]:
        async with mailer:
            receipts = []
            for _ in range(2):
                async with mailer.asend_many(mails) as sending:
                    receipts += [receipt async for receipt in sending]
            return receipts

    if face == "async":
        return asyncio.run(asend())
    with mailer:
        receipts = []
        for _ in range(2):
            with mailer.send_many(mails) as sending:
                receipts += list(sending)
        return receipts


@FACES
@pytest.mark.parametrize(
    ("lossy", "connections", "told"),
    [
        ("group", 2, "one at a time from now on"),
        ("ahead", 2, "none does from now on"),
        ("refused", 2, "none does from now on"),
        ("closed", 3, "none does from now on"),  # once may be chance
    ],
    indirect=["lossy"],
)
def test_a_server_that_loses_commands_gets_every_mail(
    lossy: LossyServer, connections: int, told: str, face: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs a connection, and a timeout where nothing is said, once for a mailer; each mail goes once, and the log tells."""
    receipts = send_many(Mailer(f"smtp://127.0.0.1:{lossy.port}?timeout=1"), letters(4), face)
    assert [receipt.is_complete for receipt in receipts] == [True] * 8
    assert lossy.connections == connections
    assert sorted(content[-6:] for content in lossy.taken) == sorted(
        [b"mail 0", b"mail 1", b"mail 2", b"mail 3"] * 2
    )
    (record,) = caplog.records
    assert told in record.getMessage()


@FACES
@pytest.mark.parametrize("reply", ["503 5.5.1 nested MAIL command", "554 SMTP synchronization error"])
def test_a_server_that_mistakes_what_came_behind_a_content(face: str, reply: str) -> None:
    """It refuses the MAIL that came with the content before as out of step: that mail begins anew, and is not refused."""
    with ScriptedSMTPServer([Rule("MAIL", session=1, nth=2).reply(reply)]) as server:
        receipts = send_many(Mailer(server.url()), letters(3), face)
        server.wait_until_idle()
        assert len(server.sessions) == 2
        assert len(server.commits) == 6
    assert [receipt.is_complete for receipt in receipts] == [True] * 6


@FACES
def test_a_server_that_ends_the_session_over_what_came_behind_a_content(
    face: str, caplog: pytest.LogCaptureFixture
) -> None:
    """421 to the second MAIL of each session: twice may be no chance, and nothing comes behind a content from then on."""
    with ScriptedSMTPServer([Rule("MAIL", nth=2).reply("421 4.7.0 too fast").close()]) as server:
        receipts = send_many(Mailer(server.url()), letters(3), face)
        assert len(server.commits) == 6
    assert [receipt.is_complete for receipt in receipts] == [True] * 6
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@faces.faces
def test_a_server_out_of_step_refuses_no_recipient(is_async: bool) -> None:
    """503 to MAIL, one at a time: the session is at fault, so that the recipient is deferred, and later is no better."""
    with ScriptedSMTPServer([Rule("MAIL").reply("503 5.5.1 bad sequence of commands")]) as server:
        (message,) = letters(1)
        with pytest.raises(ConnectFailed, match="takes no mail in this session: 503") as caught:
            faces.send(Mailer(server.url()), message, is_async=is_async)
    assert not caught.value.is_transient
    assert caught.value.receipt is not None
    assert caught.value.receipt.count("deferred") == 1
