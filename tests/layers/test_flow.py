"""How the mailer calls layers: in order, once or at each attempt, and what their answers and faults become."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modernmail import Backend, Mailer, Message, Outcome, Receipt, Reply
from modernmail.errors import (
    ConfigurationError,
    InvalidHeader,
    RecipientsRefused,
    StoreUnavailable,
    Withheld,
)
from modernmail.layers import Again, Layer, Stop, Wait

if TYPE_CHECKING:
    from modernmail import Parcel
    from modernmail.runtime import IO

ANN, BOB, ZOE = "ann@example.com", "bob@example.com", "zoe@example.com"


def message(*to: str) -> Message:
    """Return a small mail."""
    return Message("Hi", "Text.\n", from_email="me@example.com", to=list(to or (ANN,)))


class Scripted(Backend):
    """Gives the outcomes of its script, one entry an attempt, then accepts; remembers who was sent to."""

    def __init__(self, *script: dict[str, str]) -> None:
        self.script = list(script)
        self.attempts: list[tuple[str, ...]] = []
        self.contents: list[bytes] = []

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Answer as the script says: a code for a recipient, 250 for those who are not in it."""
        self.attempts.append(parcel.envelope.recipients)
        self.contents.append(bytes(parcel.content))
        codes = self.script.pop(0) if self.script else {}
        outcomes = {}
        for name in parcel.envelope.recipients:
            code = int(codes.get(name, "250"))
            status = {2: "accepted", 4: "deferred", 5: "rejected"}.get(code // 100, "unknown")
            reply = None if status == "unknown" else Reply(code, (f"{code} said",))
            reason = "lost" if status == "unknown" else None
            outcomes[name] = Outcome(status, reply=reply, reason=reason, phase="rcpt" if reply else "content")
        error = None
        if not any(outcome.is_accepted for outcome in outcomes.values()):
            error = RecipientsRefused(
                "nobody", is_transient=any(o.status == "deferred" for o in outcomes.values())
            )
        return Receipt(parcel.message_id, parcel.envelope, outcomes, error=error)


class Told(Layer):
    """Writes down when it is called."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self.log = log

    async def before(self, parcel: Parcel, io: IO) -> Parcel | Stop:
        """Write it down."""
        self.log.append(f"{self.name}.before")
        return parcel

    async def admit(self, parcel: Parcel, io: IO) -> Wait | Stop | None:
        """Write it down."""
        self.log.append(f"{self.name}.admit")
        return None

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Write it down."""
        self.log.append(f"{self.name}.after")
        return receipt


class Once(Layer):
    """Wants the first attempt repeated for whoever was deferred."""

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Say Again once."""
        if receipt.attempts == 1 and receipt.retry_recipients():
            return Again(0.0, receipt.retry_recipients())
        return receipt


def test_layers_are_called_in_order() -> None:
    """First to last before a delivery, last to first after it."""
    log: list[str] = []
    Mailer("memory:", layers=[Told("a", log), Told("b", log)]).send(message())
    assert log == ["a.before", "b.before", "a.admit", "b.admit", "b.after", "a.after"]


def test_before_runs_once_and_the_others_at_each_attempt() -> None:
    """A mail that is tried again has passed `before` already; `Again` ends the chain."""
    log: list[str] = []
    mailer = Mailer(Scripted({ANN: "450"}), layers=[Told("a", log), Once()])
    assert mailer.send(message()).accepted == (ANN,)
    assert log == ["a.before", "a.admit", "a.admit", "a.after"]


class Asked(Layer):
    """Keeps what it was told about each attempt."""

    def __init__(self) -> None:
        self.told: list[tuple[tuple[str, ...], dict[str, str]]] = []

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Keep it."""
        outcomes = {name: outcome.status for name, outcome in receipt.recipients.items()}
        self.told.append((parcel.envelope.recipients, outcomes))
        return receipt


class Until(Layer):
    """Wants some attempts repeated for some of those who were deferred."""

    def __init__(self, *wanted: set[str]) -> None:
        self.wanted = list(wanted)

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Say Again as long as somebody is wanted."""
        again = self.wanted.pop(0).intersection(receipt.retry_recipients()) if self.wanted else set()
        return Again(0.0, sorted(again)) if again else receipt


_somebody = st.sets(st.sampled_from([ANN, BOB, ZOE]))


@given(
    st.lists(st.dictionaries(st.sampled_from([ANN, BOB, ZOE]), st.sampled_from(["450", "550"])), max_size=6),
    st.lists(_somebody, max_size=3),
    st.lists(_somebody, max_size=3),
)
@example([{BOB: "450"}, {BOB: "550"}], [{BOB}], [])
@example([{BOB: "450", ZOE: "450"}, {BOB: "450"}, {ZOE: "450"}], [{BOB, ZOE}], [{BOB}])
def test_every_layer_is_told_of_everybody(
    script: list[dict[str, str]], inner: list[set[str]], outer: list[set[str]]
) -> None:
    """In front of, between and behind layers that try again: told last what the receipt says, and once of who accepted."""
    backend, layers = Scripted(*script), (Asked(), Until(*outer), Asked(), Until(*inner), Asked())
    first, _, between, _, last = layers
    (receipt,) = Mailer(backend, layers=layers).send_many([message(ANN, BOB, ZOE)])
    final = {name: outcome.status for name, outcome in receipt.recipients.items()}
    assert first.told == [((ANN, BOB, ZOE), final)]  # type: ignore[attr-defined]
    for layer in (between, last):
        known: dict[str, str] = {}
        for recipients, outcomes in layer.told:  # type: ignore[attr-defined]
            assert tuple(outcomes) == recipients
            assert not any(known.get(name) == "accepted" for name in outcomes)
            known |= outcomes
        assert known == final
    assert [recipients for recipients, _ in last.told] == backend.attempts  # type: ignore[attr-defined]


@pytest.mark.parametrize("is_async", [False, True])
def test_attempts_are_one_receipt(is_async: bool) -> None:
    """The receipt tells what became of each recipient in whichever attempt decided it."""
    backend = Scripted({BOB: "450", ZOE: "550"}, {})
    mailer = Mailer(backend, layers=[Once()])
    letter = message(ANN, BOB, ZOE)
    receipt = asyncio.run(mailer.asend(letter)) if is_async else mailer.send(letter)
    assert backend.attempts == [(ANN, BOB, ZOE), (BOB,)]
    assert {name: str(outcome.reply) for name, outcome in receipt.recipients.items()} == {
        ANN: "250 250 said",
        BOB: "250 250 said",
        ZOE: "550 550 said",
    }
    assert receipt.attempts == 2
    assert receipt.envelope is not None
    assert receipt.envelope.recipients == (ANN, BOB, ZOE)
    assert backend.contents[0] == backend.contents[1], "a retry is the same mail"


class Stops(Layer):
    """Stops those that are named."""

    def __init__(self, *names: str, status: str = "rejected", at: str = "before") -> None:
        self.names = names
        self.status = status
        self.at = at

    async def before(self, parcel: Parcel, io: IO) -> Parcel | Stop:
        """Stop them."""
        return self.answer(parcel) if self.at == "before" else parcel

    async def admit(self, parcel: Parcel, io: IO) -> Wait | Stop | None:
        """Stop everybody."""
        return Stop("not today", status="deferred") if self.at == "admit" else None

    def answer(self, parcel: Parcel) -> Parcel | Stop:
        """Return the others as the rest."""
        left = [name for name in parcel.envelope.recipients if name not in self.names]
        if len(left) == len(parcel.envelope.recipients):
            return parcel
        return Stop("not today", rest=parcel.narrowed(left) if left else None, status=self.status)


def test_stop_settles_some_and_the_rest_goes_on() -> None:
    """Whom a layer stops has its reason in the receipt, and the others get the mail."""
    backend = Scripted()
    receipt = Mailer(backend, layers=[Stops(BOB)]).send(message(ANN, BOB))
    assert backend.attempts == [(ANN,)]
    outcome = receipt.recipients[BOB]
    assert (outcome.status, outcome.reason, outcome.phase, outcome.reply) == (
        "rejected",
        "not today",
        "policy",
        None,
    )
    assert receipt.accepted == (ANN,)
    assert receipt.envelope is not None
    assert receipt.envelope.recipients == (ANN, BOB)


@pytest.mark.parametrize("at", ["before", "admit"])
def test_stop_of_everybody_raises(at: str) -> None:
    """When nobody is left nothing is sent, and `send` raises `Withheld` with the receipt."""
    backend = Scripted()
    with pytest.raises(Withheld, match="not today") as caught:
        Mailer(backend, layers=[Stops(ANN, BOB, at=at)]).send(message(ANN, BOB))
    assert not backend.attempts
    assert caught.value.receipt is not None
    assert caught.value.receipt.count("deferred" if at == "admit" else "rejected") == 2
    assert caught.value.is_transient is (at == "admit")


def test_stopped_and_refused_is_told_by_the_server() -> None:
    """When the server refused the rest, its reply is what the error says."""
    with pytest.raises(RecipientsRefused, match="550 said"):
        Mailer(Scripted({ANN: "550"}), layers=[Stops(BOB)]).send(message(ANN, BOB))


def test_long_lists_of_stopped_mails_do_not_pile_up() -> None:
    """Receipts of mails that never reach the backend come while the input is read, not at its end."""
    taken = 0

    def letters() -> object:
        nonlocal taken
        for _ in range(1000):
            taken += 1
            yield message(ANN)

    with Mailer("memory:", layers=[Stops(ANN)]).send_many(letters()) as sending:
        next(sending)
        assert taken <= 150
        assert sum(1 for _ in sending) == 999


class Raises(Layer):
    """Raises an error in one of its hooks."""

    def __init__(self, hook: str, error: Exception) -> None:
        self.hook = hook
        self.error = error

    async def before(self, parcel: Parcel, io: IO) -> Parcel | Stop:
        """Raise it."""
        if self.hook == "before":
            raise self.error
        return parcel

    async def admit(self, parcel: Parcel, io: IO) -> Wait | Stop | None:
        """Raise it."""
        if self.hook == "admit":
            raise self.error
        return None

    async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
        """Raise it."""
        if self.hook == "after":
            raise self.error
        return receipt


@pytest.mark.parametrize("hook", ["before", "admit"])
def test_a_store_that_fails_defers_the_mail(hook: str) -> None:
    """A `DeliveryError` of a hook is that mail's: it is deferred with that error, nothing is sent, the others go on."""
    backend = Scripted()
    layer = Raises(hook, StoreUnavailable("the store is gone", is_transient=True))
    mailer = Mailer(backend, layers=[layer])
    with pytest.raises(StoreUnavailable) as caught:
        mailer.send(message())
    assert caught.value.receipt is not None
    assert caught.value.receipt.recipients[ANN].status == "deferred"
    receipts = list(mailer.send_many([message(), message()]))
    assert [receipt.error for receipt in receipts] == [layer.error] * 2
    assert not backend.attempts


def test_an_invalid_value_rejects_the_mail() -> None:
    """An `InvalidValue` of `before` is final for that mail."""
    with pytest.raises(Withheld, match="wrong"):
        Mailer("memory:", layers=[Raises("before", InvalidHeader("x", 1, "wrong"))]).send(message())


@pytest.mark.parametrize("hook", ["before", "admit", "after"])
def test_a_broken_hook_loses_no_receipt(hook: str) -> None:
    """Any other exception ends the sending; the receipt of the mail in hand is on it, and says what became of it."""
    backend = Scripted()
    with pytest.raises(KeyError) as caught:
        Mailer(backend, layers=[Raises(hook, KeyError("bug"))]).send(message())
    receipt = caught.value.receipt  # type: ignore[attr-defined]
    assert receipt.recipients[ANN].status == ("accepted" if hook == "after" else "deferred")
    sending = Mailer(Scripted(), layers=[Raises(hook, KeyError("bug"))]).send_many([message(), message()])
    with pytest.raises(KeyError):
        sending.finish()
    assert len(sending.unsent) == 1


class WaitsTwice(Layer):
    """Says wait twice for every mail."""

    def __init__(self) -> None:
        self.asked: dict[str, int] = {}

    async def admit(self, parcel: Parcel, io: IO) -> Wait | Stop | None:
        """Count."""
        self.asked[parcel.message_id] = self.asked.get(parcel.message_id, 0) + 1
        return Wait(0.001) if self.asked[parcel.message_id] < 3 else None


@pytest.mark.parametrize("pool", [1, 4])
def test_waits_go_on_where_they_stopped(pool: int) -> None:
    """A layer that let an attempt pass is not asked again when a later one says wait; with many streams none is lost."""
    from modernmail.testing import ScriptedSMTPServer

    log: list[str] = []
    layer = WaitsTwice()
    with ScriptedSMTPServer() as server:

        async def send() -> list[Receipt]:
            async with Mailer(server.url(pool=pool), layers=[Told("a", log), layer]) as mailer:
                return [receipt async for receipt in mailer.asend_many([message() for _ in range(20)])]

        receipts = asyncio.run(send())
    assert sorted(receipt.position for receipt in receipts) == list(range(20))
    assert log.count("a.admit") == 20
    assert set(layer.asked.values()) == {3}


def test_a_retry_does_not_hold_up_the_others() -> None:
    """While one mail waits to be tried again the others go, and its receipt comes when it is through."""
    backend = Scripted({ANN: "450"})

    class Later(Layer):
        async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
            return Again(0.02, receipt.retry_recipients()) if receipt.retry_recipients() else receipt

    mailer = Mailer(backend, layers=[Later()])
    receipts = list(mailer.send_many([message(ANN), message(BOB), message(ZOE)]))
    assert [receipt.position for receipt in receipts] == [1, 2, 0]
    assert backend.attempts == [(ANN,), (BOB,), (ZOE,), (ANN,)]


def test_closing_gives_every_receipt() -> None:
    """What waits, or is to be tried again, is deferred when the sending is closed."""

    class Never(Layer):
        async def after(self, parcel: Parcel, receipt: Receipt, io: IO) -> Receipt | Again:
            return Again(3600, receipt.retry_recipients()) if receipt.retry_recipients() else receipt

    sending = Mailer(Scripted({ANN: "450"}), layers=[Never()]).send_many([message(ANN), message(BOB)])
    assert next(sending).position == 1
    sending.close()
    (unsent,) = sending.unsent
    assert unsent.position == 0
    assert unsent.recipients[ANN].status == "deferred"


class Signs(Layer):
    """Stands for a signature."""

    signs = True
    algorithms = ("rsa-sha256",)


class Changes(Layer):
    """Stands for a layer that changes content."""

    changes_content = True


def test_what_would_break_a_signature_is_refused() -> None:
    """A layer that changes content may not stand behind one that signs."""
    Mailer("memory:", layers=[Changes(), Signs(), Signs(), Told("a", [])])
    with pytest.raises(ConfigurationError, match="Changes changes the content and stands behind Signs"):
        Mailer("memory:", layers=[Signs(), Told("a", []), Changes()])


def test_layers_are_a_list() -> None:
    """One layer alone is an error that says so."""
    with pytest.raises(ConfigurationError, match=r"layers=.*: must be a list of layers"):
        Mailer("memory:", layers=Told("a", []))  # type: ignore[arg-type]


@pytest.mark.parametrize("layers", [["retry"], [Layer], [None], [Mailer("memory:")]])
def test_what_is_no_layer_is_refused(layers: list[object]) -> None:
    """The mailer names what it cannot use."""
    with pytest.raises(ConfigurationError, match="is no Layer"):
        Mailer("memory:", layers=layers)  # type: ignore[arg-type]


def test_ed25519_alone_warns() -> None:
    """Large receivers do not verify Ed25519: alone it is warned of, beside RSA it is not."""

    class New(Signs):
        algorithms = ("ed25519-sha256",)

    Mailer("memory:", layers=[New(), Signs()])
    with pytest.warns(UserWarning, match="Ed25519 alone"):
        Mailer("memory:", layers=[New()])
