"""Events: what is told of a mail, in which order, by whom; who listens, and what a listener cannot do."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from interrupting import raising_at

from modernmail import Backend, Mailer, Message, Receipt
from modernmail.backends.failover import Failover
from modernmail.errors import ConfigurationError, ConnectFailed, DeliveryError
from modernmail.insight import events, subscribe
from modernmail.insight.log import log_receipt
from modernmail.layers import Layer, MemorySuppressions, RateLimit, Redirect, Retry, Stop, Suppress, Wait
from modernmail.outcome import Outcome
from modernmail.reply import Reply
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from modernmail.parcel import Parcel
    from modernmail.runtime import IO


def hello(*recipients: str) -> Message:
    """Return a message."""
    return Message(
        "Secret plans", "The content", from_email="me@example.com", to=recipients or ["a@example.com"]
    )


class Scripted(Backend):
    """Answers each attempt with the next of its outcomes, for all recipients; then accepts."""

    def __init__(self, *outcomes: Outcome | DeliveryError, name: str = "Scripted") -> None:
        self.outcomes = list(outcomes)
        self.name = name

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Answer."""
        outcome: Outcome | DeliveryError = (
            self.outcomes.pop(0) if self.outcomes else Outcome("accepted", reply=Reply(250, ["2.0.0 ok"]))
        )
        if isinstance(outcome, DeliveryError):
            raise outcome
        return Receipt(parcel.message_id, parcel.envelope, outcome)

    def __repr__(self) -> str:
        return f"<{self.name}>"


def sent_by(mailer: Mailer, messages: Iterable[Any], mode: str) -> None:
    """Send them all, sync or under asyncio."""
    if mode == "sync":
        mailer.send_many(messages).finish()
        return

    async def run() -> None:
        await mailer.asend_many(messages).finish()

    asyncio.run(run())


both = pytest.mark.parametrize("mode", ["sync", "async"])


def told_of(mailer: Mailer, messages: Iterable[Any], mode: str) -> list[Any]:
    """Return the events of these mails."""
    told: list[Any] = []
    with mailer.subscribe(told.append):
        sent_by(mailer, messages, mode)
    return told


def names(told: Iterable[object]) -> list[str]:
    """Return the kinds of events."""
    return [type(event).__name__ for event in told]


# -- what is told


@both
def test_a_mail_begins_and_ends(mode: str) -> None:
    """One attempt, one end; both name the mail alike."""
    began, ended = told_of(Mailer("memory:"), [hello("a@example.com", "b@example.com")], mode)
    assert isinstance(began, events.Sending)
    assert isinstance(ended, events.Sent)
    assert (began.sending, began.position, began.message_id) == (
        ended.sending,
        ended.position,
        ended.message_id,
    )
    assert (began.recipients, began.attempt, began.backend, began.hosts) == (2, 1, "MemoryBackend", ())
    assert began.size > 100
    assert ended.receipt.accepted == ("a@example.com", "b@example.com")
    assert began.at <= ended.at


@both
def test_positions_and_sendings_tell_mails_apart(mode: str) -> None:
    """Two sendings of the same parcel: no two mails have the same sending and position."""
    parcel = hello().parcel()
    mailer = Mailer("memory:")
    told = told_of(mailer, [parcel, parcel], mode) + told_of(mailer, [parcel], mode)
    ends = [event for event in told if isinstance(event, events.Sent)]
    assert len({(event.sending, event.position) for event in ends}) == 3
    assert {event.message_id for event in ends} == {parcel.message_id}


ENDS: dict[str, tuple[Outcome, list[str]]] = {
    "rejected": (
        Outcome("rejected", reply=Reply(550, ["5.1.1 no"])),
        ["Sending", "RecipientRefused", "Failed"],
    ),
    "deferred": (
        Outcome("deferred", reply=Reply(450, ["4.2.1 later"])),
        ["Sending", "RecipientDeferred", "Failed"],
    ),
    "unknown": (Outcome("unknown", reason="it broke"), ["Sending", "RecipientUnknown", "Unknown"]),
}


@both
@pytest.mark.parametrize("status", ENDS)
def test_each_recipient_that_did_not_get_it_is_told(status: str, mode: str) -> None:
    """A refusal, a deferral and a doubt are events of their own, with the reply or the reason."""
    outcome, expected = ENDS[status]
    told = told_of(Mailer(Scripted(outcome)), [hello()], mode)
    assert names(told) == expected
    assert told[1].recipient == "a@example.com"
    assert told[1].outcome == outcome


def test_a_mail_of_which_somebody_was_accepted_is_sent() -> None:
    """Who was refused is told, and the mail is sent."""
    redirect = Redirect(allow=["a@example.com"])
    told = told_of(Mailer("memory:", layers=[redirect]), [hello("a@example.com", "b@example.com")], "sync")
    assert names(told) == ["Stopped", "Sending", "RecipientRefused", "Sent"]
    assert told[0].recipients == ("b@example.com",)
    assert told[0].status == "rejected"
    assert told[-1].receipt.accepted == ("a@example.com",)


@both
def test_what_cannot_be_made_a_mail_fails(mode: str) -> None:
    """An invalid message has an end and no beginning."""
    told = told_of(Mailer("memory:"), [Message("No sender", "x", to="a@example.com"), hello()], mode)
    assert sorted(names(told)) == ["Failed", "Sending", "Sent"]
    failed = next(event for event in told if isinstance(event, events.Failed))
    assert failed.message_id is None
    assert failed.position == 0


@both
def test_layers_that_stop_everybody(mode: str) -> None:
    """A suppressed mail never begins; it is stopped, and fails."""
    layer = Suppress(MemorySuppressions(["a@example.com"]))
    told = told_of(Mailer("memory:", layers=[layer]), [hello()], mode)
    assert names(told) == ["Stopped", "RecipientRefused", "Failed"]


@both
def test_a_redirection_is_told(mode: str) -> None:
    """The staging guard sends elsewhere: who was meant and who gets it."""
    told = told_of(Mailer("memory:", layers=[Redirect(to=["dev@example.com"])]), [hello()], mode)
    assert names(told) == ["Redirected", "Sending", "Sent"]
    assert told[0].meant == ("a@example.com",)
    assert told[0].recipients == ("dev@example.com",)


@both
def test_a_mail_that_waits_is_told_once(mode: str) -> None:
    """A rate limit holds the second mail; however often it is asked, it says so once."""
    mailer = Mailer("memory:", layers=[RateLimit("50/s")])
    told = told_of(mailer, [hello(), hello()], mode)
    (held,) = [event for event in told if isinstance(event, events.Held)]
    assert held.position == 1
    assert 0 < held.delay <= 0.02
    assert names(told).count("Sent") == 2


class Hesitant(Layer):
    """Lets each mail wait three times, and narrows it to its first recipient before."""

    def __init__(self) -> None:
        self.asked = 0

    async def before(self, parcel: Parcel, io: object) -> Parcel:
        """Leave the others out."""
        return parcel.narrowed(parcel.envelope.recipients[:1])

    async def admit(self, parcel: Parcel, io: object) -> Wait | None:
        """Say no three times."""
        self.asked += 1
        return Wait(0.001) if self.asked % 4 else None


@both
def test_a_mail_that_waits_several_times_is_told_once(mode: str) -> None:
    """A layer that narrows a mail sends it nowhere else, and one that holds it three times holds it once."""
    layer = Hesitant()
    told = told_of(Mailer("memory:", layers=[layer]), [hello("a@example.com", "b@example.com")], mode)
    assert layer.asked == 4
    assert names(told) == ["Held", "Sending", "Sent"]


@both
def test_retries_are_told(mode: str) -> None:
    """Each attempt begins, and before a further one it is said who and when."""
    backend = Scripted(Outcome("deferred", reply=Reply(451, ["4.3.0 busy"])))
    told = told_of(Mailer(backend, layers=[Retry(3, delay=0.001)]), [hello()], mode)
    assert names(told) == ["Sending", "Retrying", "Sending", "Sent"]
    assert [event.attempt for event in told[:3]] == [1, 2, 2]
    assert told[1].recipients == ("a@example.com",)
    assert told[1].delay <= 0.001


@both
def test_failing_over_is_told(mode: str) -> None:
    """The mail goes from one backend to another, and it is said why."""
    first, second = (
        Scripted(ConnectFailed("no way", is_transient=True), name="First"),
        Scripted(name="Second"),
    )
    told = told_of(Mailer(Failover([first, second])), [hello()], mode)
    assert names(told) == ["Sending", "FailedOver", "Sent"]
    assert (told[1].left, told[1].backend, told[1].reason) == ("First", "Second", "no way")
    assert (told[1].sending, told[1].position) == (told[0].sending, told[0].position)


def test_a_closed_sending_ends_each_mail_it_began() -> None:
    """What was pulled and not sent fails when the sending is closed."""

    class Later(Layer):
        async def admit(self, parcel: Parcel, io: IO) -> Stop | None:
            raise KeyboardInterrupt

    told: list[Any] = []
    mailer = Mailer("memory:", layers=[Later()])
    with mailer.subscribe(told.append), pytest.raises(KeyboardInterrupt):
        mailer.send(hello())
    assert names(told) == ["RecipientDeferred", "Failed"]


def test_no_event_holds_content_or_subject() -> None:
    """Whatever happens to a mail, neither its subject nor its text is in an event's words."""
    backend = Scripted(Outcome("deferred", reason="busy"), Outcome("rejected", reason="no"))
    told = told_of(
        Mailer(backend, layers=[Retry(2, delay=0)]),
        [hello(), Message("Secret plans", to="x@example.com")],
        "sync",
    )
    assert len(told) >= 6
    assert "Secret plans" not in repr(told)
    assert "The content" not in repr(told)


# -- connections


def by_smtp(url: str, mode: str, *, mails: int = 1) -> list[Any]:
    """Return the events of connections while so many mails are sent by an SMTP mailer, which is closed at the end."""
    told: list[Any] = []
    mailer = Mailer(url)
    with mailer.subscribe(told.append):
        if mode == "sync":
            with mailer, contextlib.suppress(DeliveryError):
                for _ in range(mails):
                    mailer.send(hello())
        else:

            async def run() -> None:
                async with mailer:
                    with contextlib.suppress(DeliveryError):
                        for _ in range(mails):
                            await mailer.asend(hello())

            asyncio.run(run())
    return [event for event in told if not hasattr(event, "message_id")]


@both
def test_a_connection_is_opened_and_closed(mode: str) -> None:
    """Two mails go over one connection: it is told once that it is open, and once that it is closed."""
    with ScriptedSMTPServer() as server:
        opened, closed = by_smtp(server.url(), mode, mails=2)
        host = f"127.0.0.1:{server.port}"
    assert isinstance(opened, events.Connected)
    assert (opened.host, opened.is_tls, opened.is_async) == (host, False, mode == "async")
    assert opened.seconds > 0
    assert isinstance(closed, events.ConnectionClosed)
    assert (closed.host, closed.mails, closed.is_broken) == (host, 2, False)


@both
def test_a_connection_that_breaks_is_told(mode: str) -> None:
    """The server hangs up in the midst of a mail: the connection is closed, and broken."""
    with ScriptedSMTPServer([Rule("BODY", session=1).close()]) as server:
        opened, closed = by_smtp(server.url(), mode)
    assert isinstance(opened, events.Connected)
    assert isinstance(closed, events.ConnectionClosed)
    assert closed.is_broken


@both
def test_a_connection_that_cannot_be_opened_is_told(mode: str) -> None:
    """A greeting of 554: the kind of error, the reply, and that trying again does not help."""
    with ScriptedSMTPServer([Rule("CONNECT").reply("554 5.7.1 go away").close()]) as server:
        (failed,) = by_smtp(server.url(), mode)
    assert isinstance(failed, events.ConnectionFailed)
    assert (failed.error, failed.is_transient) == ("ConnectFailed", False)
    assert failed.reply is not None
    assert failed.reply.code == 554


def test_a_refused_login_tells_no_password() -> None:
    """The kind of error and the server's reply, and nothing that we said."""
    with ScriptedSMTPServer(credentials={"u": "right"}, tls="implicit") as server:
        (failed,) = by_smtp(server.url(username="u", password="hush-hush"), "sync")
    assert failed.error == "AuthenticationFailed"
    assert "hush-hush" not in repr(failed)


def test_verifying_tells_of_its_connection() -> None:
    """`verify` opens one of its own and closes it."""
    told: list[Any] = []
    with ScriptedSMTPServer() as server, Mailer(server.url()) as mailer, mailer.subscribe(told.append):
        mailer.verify()
    assert names(told) == ["Connected", "ConnectionClosed"]


def test_a_mailer_that_is_dropped_tells_of_its_connection() -> None:
    """Nobody closed it: its connection is told to be closed all the same, when it is collected."""
    told: list[Any] = []
    with ScriptedSMTPServer() as server, subscribe(told.append):
        Mailer(server.url()).send(hello())
        gc.collect()
    assert names(told) == ["Sending", "Connected", "Sent", "ConnectionClosed"]


# -- who listens


def test_everybody_and_one_mailer() -> None:
    """`subscribe` hears of all mailers, `mailer.subscribe` of one, and neither of anything after its end."""
    one, other = Mailer("memory:"), Mailer("memory:")
    all_told: list[Any] = []
    one_told: list[Any] = []
    everything = subscribe(all_told.append)
    with one.subscribe(one_told.append):
        one.send(hello())
        other.send(hello())
    one.send(hello())
    everything.unsubscribe()
    everything.unsubscribe()
    one.send(hello())
    assert names(one_told) == ["Sending", "Sent"]
    assert names(all_told) == ["Sending", "Sent"] * 3


def test_a_failing_subscriber_fails_no_mail(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged once, with its traceback; the mail goes, and the other subscribers hear of it."""

    def fails(event: object) -> None:
        raise ZeroDivisionError("mine")

    told: list[Any] = []
    mailer = Mailer("memory:")
    with mailer.subscribe(fails), mailer.subscribe(told.append), caplog.at_level(logging.WARNING):
        assert mailer.send(hello()).is_complete
        assert mailer.send(hello()).is_complete
    assert names(told) == ["Sending", "Sent"] * 2
    (record,) = caplog.records
    assert record.exc_info is not None
    assert record.exc_info[0] is ZeroDivisionError
    assert "failed at Sending" in record.getMessage()


def test_an_interrupt_in_a_subscriber_is_no_failure() -> None:
    """Ctrl-C while a subscriber runs goes on its way, and the mail keeps its receipt."""

    def interrupted(event: object) -> None:
        raise KeyboardInterrupt

    mailer = Mailer("memory:")
    with mailer.subscribe(interrupted), pytest.raises(KeyboardInterrupt):
        mailer.send(hello())
    assert mailer.send(hello()).is_complete


@pytest.mark.parametrize("subscriber", [None, "print", 3], ids=repr)
def test_a_subscriber_is_a_function(subscriber: Any) -> None:
    """What cannot be called is refused."""
    with pytest.raises(ConfigurationError, match="must be a function"):
        subscribe(subscriber)


def test_an_async_subscriber_is_refused() -> None:
    """It would never run: the same code serves programs without an event loop."""

    async def listen(event: object) -> None: ...

    class Listener:
        async def __call__(self, event: object) -> None: ...

    for subscriber in (listen, Listener()):
        with pytest.raises(ConfigurationError, match="not an async one"):
            subscribe(subscriber)


def test_a_subscriber_that_sends_does_not_hear_of_it() -> None:
    """An alert about a failed mail that fails, too, is the end of it."""
    mailer = Mailer(Scripted(*[Outcome("rejected", reason="no")] * 5))
    told: list[Any] = []

    def alert(event: object) -> None:
        told.append(event)
        if isinstance(event, events.Failed):
            with pytest.raises(DeliveryError):
                mailer.send(hello("ops@example.com"))

    with subscribe(alert), pytest.raises(DeliveryError):
        mailer.send(hello())
    assert names(told) == ["Sending", "RecipientRefused", "Failed"]


def test_threads_tell_in_their_own_thread() -> None:
    """A subscriber is called in the thread that sends."""
    told: list[int] = []
    mailer = Mailer("memory:")
    with mailer.subscribe(lambda _: told.append(threading.get_ident())):
        threads = [threading.Thread(target=mailer.send, args=(hello(),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(told) == 8
    assert threading.get_ident() not in told


def test_nobody_listens_and_nothing_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without subscribers no event is built, and the watched flow is not used."""
    from modernmail.flow import watched

    def never(*arguments: object, **more: object) -> None:
        raise AssertionError("an event without a listener")

    monkeypatch.setattr(watched.WatchedFlow, "__init__", never)
    assert Mailer("memory:").send(hello()).is_complete


# -- queued mail


@pytest.fixture
def queue(tmp_path: Any) -> Any:
    """A queue on disk."""
    from modernmail import tasks

    tasks.configure(f"sqlite:///{tmp_path}/queue.db?retry=0.01&patience=0.02")
    yield tasks.task_backends["default"]
    tasks.configure({})


def test_the_queue_tells_what_it_takes_and_gives_up(queue: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`Queued` with the ticket; `GivenUp` when nobody will try again, with who has not got it."""
    import modernmail
    from modernmail.tasks.worker import Worker

    modernmail.configure(
        {"default": {"url": "memory:", "from_email": "me@example.com", "layers": [Redirect(allow=[])]}}
    )
    told: list[Any] = []
    with subscribe(told.append):
        ticket = hello().enqueue()
        Worker(queue, until_empty=True).run()
    (queued,) = [event for event in told if isinstance(event, events.Queued)]
    (given_up,) = [event for event in told if isinstance(event, events.GivenUp)]
    assert queued.ticket_id == given_up.ticket_id == ticket.id
    assert (queued.mailer, queued.recipients, queued.message_id) == ("default", 1, ticket.message_id)
    assert (given_up.phase, given_up.recipients, given_up.attempts) == ("rejected", ("a@example.com",), 1)


# -- the log


def records(
    caplog: pytest.LogCaptureFixture, work: Callable[[], object], level: int = logging.INFO
) -> list[Any]:
    """Return what is logged meanwhile."""
    with caplog.at_level(level, "modernmail"):
        caplog.clear()
        with contextlib.suppress(DeliveryError):
            work()
    return list(caplog.records)


@both
def test_one_record_for_each_send(caplog: pytest.LogCaptureFixture, mode: str) -> None:
    """INFO when all went well, with what happened in the record's attributes."""
    mailer = Mailer(Scripted())
    mailer.backend.hosts = ("localhost",)
    found = records(caplog, lambda: sent_by(mailer, [hello("a@example.com", "b@example.com"), hello()], mode))
    assert [record.levelname for record in found] == ["INFO", "INFO"]
    first = found[0]
    assert first.name == "modernmail"
    assert (first.accepted, first.deferred, first.rejected, first.unknown) == (2, 0, 0, 0)
    assert (first.host, first.attempts, first.error) == ("localhost", 1, None)
    assert first.message_id in first.getMessage()
    assert first.seconds >= 0


def test_levels_tell_how_it_went(caplog: pytest.LogCaptureFixture) -> None:
    """WARNING when somebody was refused, ERROR when nobody was accepted; one record each."""
    partly = Mailer("memory:", layers=[Redirect(allow=["a@example.com"])])
    (record,) = records(caplog, lambda: partly.send(hello("a@example.com", "b@example.com")))
    assert (record.levelname, record.accepted, record.rejected) == ("WARNING", 1, 1)
    (record,) = records(caplog, lambda: Mailer(Scripted(Outcome("rejected", reason="no"))).send(hello()))
    assert (record.levelname, record.accepted, record.error) == ("ERROR", 0, None)
    (record,) = records(caplog, lambda: Mailer(Scripted(ConnectFailed("gone"))).send(hello()))
    assert (record.levelname, record.deferred, record.error) == ("ERROR", 1, "ConnectFailed")


@both
def test_a_log_that_is_mailed_comes_to_an_end(caplog: pytest.LogCaptureFixture, mode: str) -> None:
    """A handler that mails errors, as Django's does for its admins, is not told that its own mail failed, and mailed that."""
    mailer = Mailer(Scripted(*(ConnectFailed("gone") for _ in range(9))))

    class MailAdmins(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with pytest.raises(ConnectFailed):
                mailer.send(hello("ops@example.com"))

    handler = MailAdmins()
    logging.getLogger().addHandler(handler)
    try:
        found = records(caplog, lambda: sent_by(mailer, [hello(), hello()], mode))
    finally:
        logging.getLogger().removeHandler(handler)
    assert len(found) == 2
    assert "ops@example.com" not in caplog.text


def test_a_log_that_is_interrupted_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Wherever a signal's exception ends the writing of a record, the next one is written."""

    def write() -> None:
        log_receipt(receipt, ())

    receipt = Mailer("memory:").send(hello())
    caplog.set_level(logging.INFO, "modernmail")
    number = 1
    while raising_at(number, write):
        assert len(records(caplog, write)) == 1, f"after line {number}"
        number += 1
    assert number > 10


def test_an_invalid_message_is_logged_without_its_value(caplog: pytest.LogCaptureFixture) -> None:
    """The record names the kind of error and the argument, not what was passed."""
    found = records(
        caplog, lambda: Mailer("memory:").send_many([Message("Secret", "x", from_email="a@b.c")]).finish()
    )
    assert [(record.levelname, record.getMessage()) for record in found] == [
        ("ERROR", "no mail could be made: InvalidMessage (to)")
    ]


def test_a_record_names_ten_recipients(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand refusals are one line of bounded length."""
    people = [f"p{number}@example.com" for number in range(1000)]
    mailer = Mailer("memory:", layers=[Redirect(allow=["p0@example.com"])])
    (record,) = records(caplog, lambda: mailer.send(hello(*people)))
    assert record.getMessage().endswith(" and 989 more")
    assert record.getMessage().count("@example.com (") == 10


def test_what_a_sending_stops_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Bad credentials end the sending: the mail in hand has its record."""
    from modernmail.errors import AuthenticationFailed

    (record,) = records(
        caplog, lambda: Mailer(Scripted(AuthenticationFailed("no"))).send_many([hello()]).finish()
    )
    assert (record.levelname, record.deferred) == ("ERROR", 1)
