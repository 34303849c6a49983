"""How mail flows through layers: what each hook may answer, sync and async, alone and in a stream."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from modernmail import AsyncSending, Backend, Mailer, Message, Outcome, Receipt, Reply
from modernmail.errors import InvalidAddress, MailError, RecipientsRefused
from modernmail.layers import Again, Layer, Stop, Wait
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from modernmail import Parcel
    from modernmail.runtime import IO

    SendAll = Callable[[Mailer, Iterable[Message]], list[Receipt]]


def mail(*to: str, subject: str = "Hi") -> Message:
    """Return a message to these people."""
    return Message(subject, "text", from_email="me@example.com", to=list(to) or ["zoe@example.com"])


def send_all(mailer: Mailer, messages: Iterable[Message]) -> list[Receipt]:
    """Return every receipt, sync."""
    return list(mailer.send_many(messages))


def asend_all(mailer: Mailer, messages: Iterable[Message]) -> list[Receipt]:
    """Return every receipt, under asyncio."""

    async def run() -> list[Receipt]:
        async with mailer:
            return [receipt async for receipt in mailer.asend_many(messages)]

    return asyncio.run(run())


both = pytest.mark.parametrize("deliver", [send_all, asend_all])


class Told(Backend):
    """A backend that answers each attempt for a recipient with the next of the statuses it was told."""

    def __init__(self, **statuses: list[str]) -> None:
        self.statuses = {f"{name}@example.com": list(found) for name, found in statuses.items()}
        self.attempts: list[tuple[str, ...]] = []

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Answer."""
        self.attempts.append(parcel.envelope.recipients)
        outcomes = {}
        for name in parcel.envelope.recipients:
            status = self.statuses[name].pop(0) if self.statuses.get(name) else "accepted"
            code = {"accepted": 250, "deferred": 450, "rejected": 550}[status]
            outcomes[name] = Outcome(status, reply=Reply(code, ["x"]), phase="rcpt")  # type: ignore[arg-type]
        return Receipt(parcel.message_id, parcel.envelope, outcomes, seconds=0.5)


class Recording(Layer):
    """Writes down in which order its hooks are called."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name = name
        self.calls = calls

    async def before(self, parcel: Parcel, io: IO) -> Parcel:
        """Note it."""
        self.calls.append(f"{self.name} before")
        return parcel

    async def admit(self, parcel: Parcel, io: IO) -> None:
        """Note it."""
        self.calls.append(f"{self.name} admit")

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt:
        """Note it."""
        self.calls.append(f"{self.name} after")
        return receipt


class Retry(Layer):
    """Tries what was deferred again, at once, so many times."""

    def __init__(self, times: int = 1, delay: float = 0.0) -> None:
        self.left = times
        self.delay = delay

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Again, or not."""
        if self.left and receipt.retry_recipients():
            self.left -= 1
            return Again(self.delay, receipt.retry_recipients())
        return receipt


@both
def test_the_order_of_hooks(deliver: SendAll) -> None:
    """First to last before a delivery, last to first after it."""
    calls: list[str] = []
    mailer = Mailer("memory:", layers=[Recording("outer", calls), Recording("inner", calls)])
    deliver(mailer, [mail()])
    assert calls == [
        "outer before", "inner before", "outer admit", "inner admit", "inner after", "outer after",
    ]  # fmt: skip


@both
def test_before_may_change_the_parcel(deliver: SendAll) -> None:
    """What `before` returns is what travels."""

    class First(Layer):
        async def before(self, parcel: Parcel, io: IO) -> Parcel:
            return parcel.narrowed(parcel.envelope.recipients[:1])

    mailer = Mailer("memory:", layers=[First()])
    (receipt,) = deliver(mailer, [mail("a@example.com", "b@example.com")])
    assert receipt.accepted == ("a@example.com",)
    assert mailer.backend.outbox[0].envelope.recipients == ("a@example.com",)  # type: ignore[attr-defined]


class Suppress(Layer):
    """Stops mail to whoever is called no…"""

    async def before(self, parcel: Parcel, io: IO) -> Parcel | Stop:
        """Stop some, or all."""
        rest = [name for name in parcel.envelope.recipients if not name.startswith("no")]
        if len(rest) == len(parcel.envelope.recipients):
            return parcel
        return Stop("suppressed", rest=parcel.narrowed(rest) if rest else None)


@both
def test_before_may_stop_some(deliver: SendAll) -> None:
    """The stopped are rejected with the reason; the rest goes on; one receipt tells both, in the envelope's order."""
    mailer = Mailer("memory:", layers=[Suppress()])
    (receipt,) = deliver(mailer, [mail("no@example.com", "a@example.com", "nobody@example.com")])
    assert list(receipt.recipients) == ["no@example.com", "a@example.com", "nobody@example.com"]
    assert receipt.accepted == ("a@example.com",)
    assert receipt.refused["no@example.com"] == Outcome("rejected", reason="suppressed")
    assert receipt.error is None


@both
def test_before_may_stop_all(deliver: SendAll) -> None:
    """Nobody is left: no delivery, a receipt with an error, in its place among the others."""
    backend = Told()
    receipts = deliver(
        Mailer(backend, layers=[Suppress()]),
        [mail("a@example.com"), mail("no@example.com"), mail("b@example.com")],
    )
    assert [receipt.position for receipt in receipts] == [0, 1, 2]
    assert [receipt.is_complete for receipt in receipts] == [True, False, True]
    assert receipts[1].error is not None
    assert "suppressed" in str(receipts[1].error)
    assert backend.attempts == [("a@example.com",), ("b@example.com",)]
    with pytest.raises(MailError, match="suppressed"):
        Mailer(backend, layers=[Suppress()]).send(mail("no@example.com"))


def test_before_may_refuse_by_an_error() -> None:
    """An InvalidValue raised in `before` is that mail's: rejected, with its words."""

    class Strict(Layer):
        async def before(self, parcel: Parcel, io: IO) -> Parcel:
            raise InvalidAddress("to", "x", "is not on the list")

    receipts = send_all(Mailer("memory:", layers=[Strict()]), [mail(), mail()])
    assert [receipt.recipients["zoe@example.com"].reason for receipt in receipts] == [
        "to: 'x': is not on the list"
    ] * 2


@both
def test_again_tries_the_deferred_alone(deliver: SendAll) -> None:
    """The next attempt has only whom the layer named; one receipt merges all attempts."""
    backend = Told(b=["deferred", "deferred", "accepted"], c=["rejected"])
    mailer = Mailer(backend, layers=[Retry(times=5)])
    (receipt,) = deliver(mailer, [mail("a@example.com", "b@example.com", "c@example.com")])
    assert backend.attempts == [
        ("a@example.com", "b@example.com", "c@example.com"),
        ("b@example.com",),
        ("b@example.com",),
    ]
    assert list(receipt.recipients) == ["a@example.com", "b@example.com", "c@example.com"]
    assert receipt.accepted == ("a@example.com", "b@example.com")
    assert receipt.refused["c@example.com"].status == "rejected"
    assert receipt.attempts == 3
    assert receipt.seconds > 0
    assert receipt.envelope is not None
    assert receipt.envelope.recipients == ("a@example.com", "b@example.com", "c@example.com")


@both
def test_a_later_mail_does_not_wait_for_a_retry(deliver: SendAll) -> None:
    """While one mail waits for its next attempt, the others go; each has one receipt."""
    backend = Told(a=["deferred", "accepted"])
    receipts = deliver(
        Mailer(backend, layers=[Retry(delay=0.05)]), [mail("a@example.com"), mail("b@example.com")]
    )
    assert backend.attempts == [("a@example.com",), ("b@example.com",), ("a@example.com",)]
    assert sorted(receipt.position for receipt in receipts) == [0, 1]
    assert all(receipt.is_complete for receipt in receipts)


def test_giving_up_raises_the_last_word() -> None:
    """Deferred to the end: the error of the last attempt, transient, with the merged receipt."""
    backend = Told(zoe=["deferred"] * 9)
    with pytest.raises(RecipientsRefused) as caught:
        Mailer(backend, layers=[Retry(times=2)]).send(mail())
    assert caught.value.is_transient
    assert caught.value.receipt is not None
    assert caught.value.receipt.attempts == 3
    assert len(backend.attempts) == 3


@both
def test_admit_may_say_wait(deliver: SendAll) -> None:
    """A mail that must wait goes later, in order; the mailer sleeps, not the layer."""

    class OneATime(Layer):
        def __init__(self) -> None:
            self.asked = 0
            self.free_at = 0.0

        async def admit(self, parcel: Parcel, io: IO) -> Wait | None:
            self.asked += 1
            if io.now() < self.free_at:
                return Wait(self.free_at - io.now())
            self.free_at = io.now() + 0.02
            return None

    layer = OneATime()
    receipts = deliver(Mailer("null:", layers=[layer]), [mail(subject=str(number)) for number in range(4)])
    assert [receipt.position for receipt in receipts] == [0, 1, 2, 3]
    assert all(receipt.is_complete for receipt in receipts)
    assert layer.asked >= 7  # three mails were asked about twice


@both
def test_layers_over_a_real_conversation(deliver: SendAll) -> None:
    """A retry uses the same warm connection; the parcel is the same mail, Message-ID and all."""
    rules = [Rule("RCPT", nth=2).reply("450 4.2.1 grey")]
    with ScriptedSMTPServer(rules) as server:
        with Mailer(server.url(), layers=[Retry()]) as mailer:
            receipts = deliver(mailer, [mail("a@example.com", "b@example.com"), mail("c@example.com")])
        assert len(server.sessions) == 1
    assert all(receipt.is_complete for receipt in receipts)
    first = [commit for commit in server.commits if commit.recipients != ("c@example.com",)]
    assert [commit.recipients for commit in first] == [("a@example.com",), ("b@example.com",)]
    assert first[0].content == first[1].content


def test_an_async_producer_and_a_retry() -> None:
    """While the producer is not ready, what is due is tried again."""
    backend = Told(a=["deferred", "accepted"])

    async def run() -> list[Receipt]:
        tried = asyncio.Event()

        class Watched(Retry):
            async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
                if receipt.is_complete:
                    tried.set()
                return await super().after(parcel, receipt, io)

        async def produced() -> AsyncIterator[Message]:
            yield mail("a@example.com")
            await tried.wait()
            yield mail("b@example.com")

        return [
            receipt async for receipt in Mailer(backend, layers=[Watched(delay=0.01)]).asend_many(produced())
        ]

    receipts = asyncio.run(asyncio.wait_for(run(), 10))
    assert [receipt.is_complete for receipt in receipts] == [True, True]
    assert backend.attempts == [("a@example.com",), ("a@example.com",), ("b@example.com",)]


def test_closing_while_a_retry_is_due() -> None:
    """What waits for another attempt when the sending is closed is in `unsent`, merged with what was settled."""
    backend = Told(b=["deferred"])
    mails = [mail("a@example.com", "b@example.com"), mail("c@example.com")]
    with Mailer(backend, layers=[Retry(delay=60)]).send_many(mails) as sending:
        receipt = next(sending)
    assert receipt.accepted == ("c@example.com",)
    (left,) = sending.unsent
    assert left.accepted == ("a@example.com",)
    assert left.recipients["b@example.com"].status == "deferred"
    assert left.position == 0


def test_cancelling_while_a_mail_is_held() -> None:
    """A mail that a layer made wait is in `unsent` too, deferred: nothing of it was sent."""

    class Never(Layer):
        async def admit(self, parcel: Parcel, io: IO) -> Wait | None:
            return Wait(60) if parcel.envelope.recipients == ("b@example.com",) else None

    async def run() -> AsyncSending:
        sending = Mailer("null:", layers=[Never()]).asend_many([mail("a@example.com"), mail("b@example.com")])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await sending.finish()
        return sending

    sending = asyncio.run(run())
    (left,) = sending.unsent
    assert (left.position, left.retry_recipients()) == (1, ("b@example.com",))
    assert (sending.tally.accepted, sending.tally.deferred) == (1, 1)
