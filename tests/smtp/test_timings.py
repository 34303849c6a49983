"""Where the time of a send went: `Receipt.timings`, phase by phase."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest
from faces import send

from modernmail import Mailer, Message, Receipt
from modernmail.errors import ConnectFailed, RecipientsRefused
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable

    Deliver = Callable[[Mailer, Message], Receipt]


def hello(*to: str) -> Message:
    """Return a mail."""
    return Message("Hello", "Text", from_email="me@example.com", to=to or ("you@example.com",))


def deliver_async(mailer: Mailer, message: Message) -> Receipt:
    """Send under asyncio."""

    return send(mailer, message, is_async=True)


both = pytest.mark.parametrize("deliver", [Mailer.send, deliver_async], ids=["sync", "async"])


@both
def test_all_phases_add_up(deliver: Deliver) -> None:
    """A mail that was accepted has the three phases; together they are the whole time."""
    with ScriptedSMTPServer() as server:
        receipt = deliver(Mailer(server.url()), hello())
    assert list(receipt.timings) == ["connection", "envelope", "content"]
    assert min(receipt.timings.values()) > 0
    assert sum(receipt.timings.values()) == pytest.approx(receipt.seconds)


@both
def test_a_late_reply_counts_in_its_phase(deliver: Deliver) -> None:
    """A reply that is late shows in its own phase."""
    for step, phase in (("EHLO", "connection"), ("RCPT", "envelope"), ("BODY", "content")):
        with ScriptedSMTPServer([Rule(step).sleep(0.2).proceed()]) as server:
            timings = deliver(Mailer(server.url()), hello()).timings
        assert timings[phase] >= 0.2


@both
def test_phases_that_were_not_reached_are_missing(deliver: Deliver) -> None:
    """A mail whose recipients were refused has no content phase; one without a server has only waited."""
    with ScriptedSMTPServer([Rule("RCPT").reply("550 5.1.1 no such user")]) as server:
        with pytest.raises(RecipientsRefused) as refused:
            deliver(Mailer(server.url()), hello())
        url = server.url()
    assert list(refused.value.receipt.timings) == ["connection", "envelope"]  # type: ignore[union-attr]
    with pytest.raises(ConnectFailed) as failed:
        deliver(Mailer(url), hello())
    assert list(failed.value.receipt.timings) == ["connection"]  # type: ignore[union-attr]


@both
def test_by_bdat_all_is_content(deliver: Deliver) -> None:
    """With CHUNKING the commands travel with the content, so the envelope takes no time of its own."""
    with ScriptedSMTPServer(capabilities=("PIPELINING", "CHUNKING")) as server:
        receipt = deliver(Mailer(server.url(chunking="on")), hello())
    assert receipt.timings["envelope"] == 0.0
    assert receipt.timings["content"] > 0


def test_a_mail_on_a_warm_connection_does_not_wait() -> None:
    """Mails behind the first of a stream find the connection open."""
    with ScriptedSMTPServer() as server, Mailer(server.url()) as mailer:
        first, *others = mailer.send_many([hello() for _ in range(3)])
    assert first.timings["connection"] > 0
    assert [receipt.timings["connection"] for receipt in others] == [0.0, 0.0]


def test_timings_survive_json_and_pickle() -> None:
    """`to_dict` has them, and a receipt that was stored without them has none."""
    with ScriptedSMTPServer() as server:
        receipt = Mailer(server.url()).send(hello())
    data = receipt.to_dict()
    assert data["timings"] == receipt.timings
    assert Receipt.from_dict(data) == pickle.loads(pickle.dumps(receipt)) == receipt
    assert receipt.replace(position=3).timings == receipt.timings
    del data["timings"]
    assert Receipt.from_dict(data).timings == {}


def test_other_backends_tell_none() -> None:
    """A backend without phases leaves them out."""
    assert Mailer("memory:").send(hello()).timings == {}
