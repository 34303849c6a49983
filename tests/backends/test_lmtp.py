"""LMTP: one reply for each recipient after the dot, over TCP and over a Unix socket, to a real Dovecot."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from accepting import Accepting
from faces import send

from modernmail import Mailer, Message, Receipt
from modernmail.backends.url import backend_from_url
from modernmail.errors import ConfigurationError, ConnectFailed, OutcomeUnknown, RecipientsRefused
from modernmail.testing import Rule, ScriptedSMTPServer
from modernmail.testing.contract import BACKEND_RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from services.dovecot import Dovecot

    from modernmail import Backend

ANN, BOB, ZOE = "ann@example.com", "bob@example.com", "zoe@example.com"


def message(*to: str) -> Message:
    """Return a small mail."""
    return Message("Hi", ".\nText.\n", from_email="me@example.com", to=list(to or (ANN,)))


# -- a server that says what it should for any number of recipients


class Server:
    """A small LMTP server that takes every mail: one reply a recipient; on a port, or on a Unix socket."""

    def __init__(self, path: Path | None = None) -> None:
        self.mails: list[tuple[list[str], bytes]] = []
        self.hellos: list[bytes] = []
        if path is None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.url = f"lmtp://127.0.0.1:{self._listener.getsockname()[1]}"
        else:
            self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._listener.bind(str(path))
            self._listener.listen()
            self.url = f"lmtp://{path}"
        self.close = Accepting(self._listener, self._serve).close

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError):  # the client may go at any time
            self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if connection.family == socket.AF_INET:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, connection.makefile("rwb") as file:

            def say(*lines: bytes) -> None:
                file.write(b"".join(line + b"\r\n" for line in lines))
                file.flush()

            recipients: list[str] = []
            say(b"220 small LMTP")
            while line := file.readline():
                verb = line[:4].upper().strip()
                if verb == b"LHLO":
                    self.hellos.append(line.strip())
                    say(b"250-small", b"250-PIPELINING", b"250-8BITMIME", b"250 SMTPUTF8")
                elif verb == b"RCPT":
                    recipients.append(line[line.index(b"<") + 1 : line.index(b">")].decode())
                    say(b"250 2.1.5 ok")
                elif verb == b"DATA":
                    say(b"354 go on")
                    content = []
                    while (line := file.readline()) != b".\r\n":
                        if not line:
                            return
                        content.append(line[1:] if line.startswith(b".") else line)
                    self.mails.append((recipients, b"".join(content)))
                    say(*(b"250 2.0.0 <%b> saved" % name.encode() for name in recipients))
                    recipients = []
                elif verb == b"QUIT":
                    say(b"221 bye")
                    return
                elif verb in (b"EHLO", b"HELO"):
                    say(b"500 5.5.1 this is LMTP")
                else:
                    recipients = []
                    say(b"250 ok")


@pytest.fixture(params=["tcp", "unix"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server that takes everything."""
    running = Server(tmp_path / "lmtp" if request.param == "unix" else None)
    yield running
    running.close()


@pytest.mark.parametrize("rule", BACKEND_RULES, ids=lambda rule: rule.__name__.strip("_"))
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_contract(
    server: Server, rule: Callable[[Callable[[], Backend], Sequence[str], str], None], mode: str
) -> None:
    """It keeps the contract of a backend."""
    rule(lambda: backend_from_url(server.url), [ANN, BOB, ZOE], mode)


@pytest.mark.parametrize("is_async", [False, True])
def test_many_mails_with_many_recipients(server: Server, is_async: bool) -> None:
    """Pipelined over one session each reply is paired with its recipient, whatever their number."""
    letters = [message(*[f"p{number}@example.com" for number in range(1 + count % 7)]) for count in range(40)]

    async def asend() -> list[Receipt]:
        async with Mailer(server.url) as mailer:
            return [receipt async for receipt in mailer.asend_many(letters)]

    if is_async:
        receipts = asyncio.run(asend())
    else:
        with Mailer(server.url) as mailer:
            receipts = list(mailer.send_many(letters))
    assert [len(recipients) for recipients, _ in server.mails] == [1 + count % 7 for count in range(40)]
    assert len(server.hellos) == 1
    assert server.hellos[0].startswith(b"LHLO ")
    for receipt in receipts:
        assert receipt.is_complete
        for name, outcome in receipt.recipients.items():
            assert outcome.reply is not None
            assert f"<{name}> saved" in outcome.reply.text
    assert b"\r\n\r\n.\r\nText." in server.mails[0][1]


# -- what a server may say


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("delivery", ["whole", "line", "byte"])
def test_each_recipient_has_its_own_outcome(is_async: bool, delivery: str) -> None:
    """Taken, full for now, refused: the replies after the dot stand for the recipients in their order."""
    rules = [
        Rule("RCPT", contains="bob@").reply("550 5.1.1 no such user"),
        Rule("BODY").reply("250 2.0.0 ann\r\n452 4.2.2 carl is full\r\n554 5.7.1 not for zoe"),
    ]
    with ScriptedSMTPServer(rules, lmtp=True, delivery=delivery) as scripted:
        receipt = send(Mailer(scripted.url()), message(ANN, BOB, "carl@example.com", ZOE), is_async=is_async)
    assert {name: str(outcome) for name, outcome in receipt.recipients.items()} == {
        ANN: "accepted: 250 2.0.0 ann",
        BOB: "rejected: 550 5.1.1 no such user",
        "carl@example.com": "deferred: 452 4.2.2 carl is full",
        ZOE: "rejected: 554 5.7.1 not for zoe",
    }


@pytest.mark.parametrize("is_async", [False, True])
def test_whose_reply_did_not_come_is_unknown(is_async: bool) -> None:
    """A session that ends among the replies leaves those unknown that were not answered, and only those."""
    rules = [Rule("BODY").reply("250 2.0.0 ann\r\n552 5.2.2 bob").close()]
    with ScriptedSMTPServer(rules, lmtp=True) as scripted:
        receipt = send(Mailer(scripted.url()), message(ANN, BOB, ZOE), is_async=is_async)
        assert [outcome.status for outcome in receipt.recipients.values()] == [
            "accepted",
            "rejected",
            "unknown",
        ]
    with ScriptedSMTPServer([Rule("BODY").close()], lmtp=True) as scripted, pytest.raises(OutcomeUnknown):
        send(Mailer(scripted.url()), message(ANN), is_async=is_async)
    rules = [Rule("BODY").reply("250 2.0.0 ann\r\n421 4.3.2 closing").close()]
    with ScriptedSMTPServer(rules, lmtp=True) as scripted:
        receipt = send(Mailer(scripted.url()), message(ANN, BOB, ZOE), is_async=is_async)
        assert [outcome.status for outcome in receipt.recipients.values()] == [
            "accepted",
            "deferred",
            "unknown",
        ]


@pytest.mark.parametrize("is_async", [False, True])
def test_nobody_taken(is_async: bool) -> None:
    """When every RCPT was refused there is no content and no dot, though the server says 354."""
    for data in ("503 5.5.1 no valid recipients", "354 go on"):
        rules = [Rule("RCPT").reply("550 5.1.1 no"), Rule("DATA").reply(data)]
        with ScriptedSMTPServer(rules, lmtp=True) as scripted:
            with pytest.raises(RecipientsRefused):
                send(Mailer(scripted.url()), message(ANN, BOB), is_async=is_async)
            assert not scripted.commits
            assert b".\r\n" not in b"".join(scripted.sessions[0].commands)


def test_an_smtp_server_is_not_greeted_by_helo() -> None:
    """LMTP has LHLO alone: a server that does not know it is not LMTP, and is told so."""
    with ScriptedSMTPServer() as scripted:
        with pytest.raises(ConnectFailed, match="refused the greeting: 500"):
            send(Mailer(scripted.url().replace("smtp:", "lmtp:")), message(), is_async=False)
        with pytest.raises(ConnectFailed, match="refused the greeting: 500"):
            send(Mailer(scripted.url().replace("smtp:", "lmtp:")), message(), is_async=True)
        said = [step.name for session in scripted.sessions for step in session.steps]
        assert set(said) <= {"CONNECT", "LHLO", "QUIT"}


# -- Dovecot


@pytest.mark.parametrize("is_async", [False, True])
def test_dovecot(dovecot: Dovecot, is_async: bool) -> None:
    """Of three recipients one has no room, one does not exist; the third has the mail as it was sent."""
    letter = message("zoe@example.com", "full@example.com", "nobody@example.com")
    receipt = send(Mailer(f"lmtp://127.0.0.1:{dovecot.lmtp_port}?tls=off"), letter, is_async=is_async)
    assert receipt.accepted == ("zoe@example.com",)
    full, nobody = (receipt.recipients[f"{name}@example.com"] for name in ("full", "nobody"))
    assert (full.status, full.phase) == ("rejected", "content")
    assert (nobody.status, nobody.phase) == ("rejected", "rcpt")
    (delivered,) = dovecot.mailbox("zoe@example.com")
    assert b"\n.\nText." in delivered.raw.replace(b"\r\n", b"\n")


# -- words


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("lmtp://", "needs a host, such as lmtp://mail.example.com, or a socket"),
        ("lmtp:///", "needs a host"),
        ("lmtp://host/path", "takes no path beside a host"),
        ("lmtp://host?chunking=on", "no option 'chunking'"),
        ("smtp:///run/socket", "needs a host"),
    ],
)
def test_mistakes_in_urls_are_named(url: str, why: str) -> None:
    """Every mistake is a ConfigurationError that says what would be right."""
    with pytest.raises(ConfigurationError, match=why):
        Mailer(url)


def test_its_names() -> None:
    """Port 24 by default; the guard of the tests knows a socket from a host; errors name the socket."""
    assert repr(backend_from_url("lmtp://mail.example.com")) == "<LMTPBackend mail.example.com:24>"
    backend = backend_from_url("lmtp:///nowhere/lmtp")
    assert (repr(backend), backend.hosts) == ("<LMTPBackend /nowhere/lmtp>", ())
    with pytest.raises(ConnectFailed, match="/nowhere/lmtp: No such file"):
        Mailer(backend).send(message())
    with pytest.raises(ConnectFailed, match="/nowhere/lmtp"):
        asyncio.run(Mailer(backend).asend(message()))
