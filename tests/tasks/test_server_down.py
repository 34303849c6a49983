"""A server that lets nobody in, for an hour or for two days: what waits for it is kept, and is no burden to anybody."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from working import work

import modernmail
from modernmail import Mailer, Message, tasks
from modernmail.backends.backend import Backend, accepted
from modernmail.errors import ConnectFailed
from modernmail.registry import mailers
from modernmail.tasks.sqlite.mail import MailStore
from modernmail.tasks.sqlite.pause import BRIEF
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.parcel import Parcel
    from modernmail.receipt import Receipt
    from modernmail.runtime import IO
    from modernmail.tasks.sqlite import SQLiteBackend


LONGER = (50.0, 3000.0)  # so that a machine that stands still for a while ends no pause


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make the pauses ten times as long, and close the mailer afterwards."""
    monkeypatch.setattr("modernmail.tasks.sqlite.pause.BRIEF", LONGER)
    yield
    if "default" in mailers:
        mailers["default"].close()


def mail() -> Message:
    """Return a message to somebody."""
    return Message("Hello", "Text", to=["you@example.com"])


def use(url: str) -> None:
    """Send by this server from now on."""
    modernmail.configure({"default": {"url": url, "from_email": "shop@example.com"}})


def lapse(backend: SQLiteBackend) -> None:
    """Have all pauses be over, and all mail that waits be due."""
    backend.database.execute("UPDATE modernmail_pause SET until = 0")
    backend.database.execute("UPDATE modernmail_job SET run_after = 0 WHERE phase = 'waiting'")


@pytest.mark.parametrize("greeting", ["421 4.3.2 not now", "554 5.3.2 not you"])
def test_a_server_that_lets_nobody_in_is_asked_once(
    backend: SQLiteBackend, caplog: pytest.LogCaptureFixture, greeting: str
) -> None:
    """One connection, one mail put off, one line for it in the log; the others are kept uncounted until the server is back."""
    reported: list[dict[str, Any]] = []
    with ScriptedSMTPServer([Rule("CONNECT", session=1).reply(greeting).close()]) as server:
        use(server.url(pool=4))
        tickets = tasks.enqueue_many(mail() for _ in range(50))
        work(backend, report=reported.append)
        assert len(server.sessions) == 1
        (pause,) = MailStore(backend).pauses.all()
        assert "does not take connections" in pause.reason
        assert greeting in pause.reason
        seconds = 50 if greeting.startswith("4") else 60
        assert [line["phase"] for line in reported] == ["waiting", "paused"]
        assert reported[1]["seconds"] == seconds
        assert f"is paused for {seconds} s, its mail is kept" in caplog.text
        assert caplog.text.count("was not accepted by") == 1
        states = [
            (tasks.get_ticket(ticket.id).status, tasks.get_ticket(ticket.id).attempts) for ticket in tickets
        ]
        assert states == [("deferred", 1)] + [("queued", 0)] * 49
        work(backend)  # nobody knocks
        assert len(server.sessions) == 1
        lapse(backend)
        work(backend, report=reported.append)
        assert len(server.commits) == 50
    assert "resumed" in [line["phase"] for line in reported]
    assert MailStore(backend).pauses.all() == []


def test_a_server_that_is_down_for_long_is_asked_every_five_minutes(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pauses grow from five seconds to five minutes, whichever mail it was that found nobody."""
    tasks.enqueue_many(mail() for _ in range(20))
    with ScriptedSMTPServer([Rule("CONNECT").reply("421 4.3.2 not now").close()]) as server:
        use(server.url())
        reported: list[dict[str, Any]] = []
        for tries in range(1, 10):
            work(backend, report=reported.append)
            assert len(server.sessions) == tries
            backend.database.execute("UPDATE modernmail_pause SET until = 0")
    waits = [line["seconds"] for line in reported if line["phase"] == "paused"]
    assert waits == [50, 100, 200, 400, 800, 1600, 3000, 3000, 3000]
    assert tuple(10 * each for each in BRIEF) == LONGER


@pytest.mark.parametrize("command", ["MAIL", "RCPT"])
def test_a_server_that_closes_its_service_is_asked_once(backend: SQLiteBackend, command: str) -> None:
    """421 is about the service, to whatever command: the mails behind are not tried each over a connection of its own."""
    tickets = tasks.enqueue_many(mail() for _ in range(20))
    with ScriptedSMTPServer([Rule(command, session=1).reply("421 4.7.0 too much").close()]) as server:
        use(server.url())
        work(backend)
        assert len(server.sessions) == 1
        assert [tasks.get_ticket(ticket.id).attempts for ticket in tickets] == [1] + [0] * 19
        assert "421 4.7.0 too much" in MailStore(backend).pauses.all()[0].reason
        lapse(backend)
        work(backend)
        assert len(server.commits) == 20


def test_a_mail_that_breaks_its_connection_holds_no_other_back(backend: SQLiteBackend) -> None:
    """The server is there and minds this mail: it is put off alone, and nothing is paused."""
    rules = [Rule("RCPT", contains="poison").close()]
    with ScriptedSMTPServer(rules) as server:
        use(server.url())
        poison = Message("Hello", "Text", to=["poison@example.com"]).enqueue()
        tasks.enqueue_many(mail() for _ in range(5))
        work(backend)
        assert len(server.commits) == 5
    poison.refresh()
    assert poison.status == "deferred"
    assert MailStore(backend).pauses.all() == []


class OneAtATime(Backend):
    """A server that lets nobody in beside the first, who stays until two others have found nobody; then it takes all."""

    def __init__(self) -> None:
        self.first = threading.Lock()
        self.others = threading.Semaphore(0)
        self.sent: list[str | None] = []

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Send when nobody else does."""
        assert io.commit_point is not None
        if self.first.acquire(blocking=False):
            await io.commit_point(parcel)
            assert self.others.acquire(timeout=10)
            assert self.others.acquire(timeout=10), "the second is held back though the server is there"
        elif not self.sent:
            self.others.release()
            raise ConnectFailed("too many connections", is_transient=True)
        else:
            await io.commit_point(parcel)
        self.sent.append(parcel.message_id)
        return accepted(parcel, "sent")


def test_a_server_that_has_enough_connections_is_not_down(backend: SQLiteBackend) -> None:
    """While one hand sends, another that is not let in puts off its mail, and pauses nothing."""
    server = OneAtATime()
    modernmail.configure({"default": Mailer(server, from_email="shop@example.com")})
    tasks.enqueue_many(mail() for _ in range(20))
    work(backend, concurrency=2)
    assert MailStore(backend).pauses.all() == []
    lapse(backend)
    work(backend, concurrency=1)
    assert len(server.sent) == 20
