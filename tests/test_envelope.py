"""Envelopes: where a mail goes and where its bounces go."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail import DSN, Address, Envelope, Mailer, Message
from modernmail.errors import InvalidAddress, InvalidMessage

local = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=8)
addresses = st.lists(local.map(lambda name: f"{name}@example.com"), min_size=1, max_size=6)


def test_it_takes_whatever_addresses_are() -> None:
    """Strings, with a display name or without, `Address` values, one alone or any iterable."""
    envelope = Envelope(
        Address("Bounces <bounces@example.com>"),
        (x for x in ["Zoë <zoe@example.com>", Address("bob@example.com")]),
    )
    assert envelope.return_path == "bounces@example.com"
    assert envelope.recipients == ("zoe@example.com", "bob@example.com")
    assert Envelope("a@example.com", "b@example.com").recipients == ("b@example.com",)


def test_the_null_path() -> None:
    """An empty reverse-path is `<>`: bounces go nowhere."""
    for path in ("", "<>"):
        envelope = Envelope(path, ["zoe@example.com"])
        assert envelope.return_path == ""
        assert envelope.sender is None


def test_each_recipient_stands_once() -> None:
    """Repetitions are left out, whatever the letter case or the script of the domain; the first stays."""
    envelope = Envelope(
        "", ["zoe@BÜCHER.example", "bob@example.com", "zoe@xn--bcher-kva.example", "Zoe@bücher.example"]
    )
    assert envelope.recipients == ("zoe@BÜCHER.example", "bob@example.com", "Zoe@bücher.example")


@pytest.mark.parametrize(
    ("return_path", "recipients", "told"),
    [
        ("a@", ["b@example.com"], "return_path: 'a@'"),
        ("a@example.com\r\nRCPT TO:<c@example.com>", ["b@example.com"], "return_path: "),
        (None, ["b@example.com"], "return_path: None"),
        ("a@example.com", ["b@example.com", "c@example.com, d@example.com"], "recipients[1]: "),
        ("a@example.com", ["b@example.com>\nDATA"], "recipients[0]: "),
        ("a@example.com", "b@example.com, c@example.com", "recipients: "),
        ("a@example.com", [], "recipients: []: there is nobody"),
        ("a@example.com", {}, "recipients: {}"),
        ("a@example.com", 7, "recipients: 7"),
    ],
)
def test_what_is_refused(return_path: object, recipients: object, told: str) -> None:
    """The error names the argument, the place in the list, and the value."""
    with pytest.raises((InvalidAddress, InvalidMessage)) as caught:
        Envelope(return_path, recipients)  # type: ignore[arg-type]
    assert str(caught.value).startswith(told)


def test_it_is_frozen() -> None:
    """Nothing of an envelope changes."""
    envelope = Envelope("a@example.com", ["b@example.com"])
    with pytest.raises(AttributeError, match="frozen"):
        envelope.sender = None
    with pytest.raises(AttributeError, match="frozen"):
        del envelope.addresses


@given(addresses, addresses)
def test_it_survives_json_and_pickle(senders: list[str], recipients: list[str]) -> None:
    """`to_dict`, JSON, `from_dict`: the same; so with pickle and copy."""
    dsn = DSN(notify="failure", ret="headers", envid="a b", recipients={recipients[0]: "never"})
    for envelope in (
        Envelope(senders[0], recipients),
        Envelope("", recipients, dsn=dsn, require_tls=True),
    ):
        assert Envelope.from_dict(json.loads(json.dumps(envelope.to_dict()))) == envelope
        assert pickle.loads(pickle.dumps(envelope)) == envelope
        assert copy.deepcopy(envelope) == envelope
        assert hash(copy.copy(envelope)) == hash(envelope)


@given(addresses, st.data())
def test_narrowed_keeps_order_and_wishes(recipients: list[str], data: st.DataObject) -> None:
    """An envelope for some of its recipients has them in the same order, and all else as it was."""
    envelope = Envelope("a@example.com", recipients, dsn=DSN(ret="full"), require_tls=True)
    some = data.draw(st.sets(st.sampled_from(envelope.recipients), min_size=1))
    narrowed = envelope.narrowed(some)
    assert narrowed.recipients == tuple(name for name in envelope.recipients if name in some)
    assert (narrowed.dsn, narrowed.require_tls, narrowed.return_path) == (envelope.dsn, True, "a@example.com")


def test_needs_smtputf8() -> None:
    """A local part beyond ASCII needs SMTPUTF8, in the reverse-path too; a domain does not."""
    assert not Envelope("a@bücher.example", ["b@example.com"]).needs_smtputf8
    assert Envelope("zoë@example.com", ["b@example.com"]).needs_smtputf8
    assert Envelope("", ["zoë@example.com"]).needs_smtputf8


def test_comparing_and_showing() -> None:
    """Equal when everything is; the repr can be read."""
    envelope = Envelope("a@example.com", ["b@example.com"])
    assert envelope == Envelope("a@example.com", ["b@example.com"])
    assert envelope != Envelope("", ["b@example.com"])
    assert envelope != "a@example.com"
    assert repr(envelope) == "Envelope('a@example.com', ['b@example.com'])"


# -- which envelope a message gets


def test_the_reverse_path_of_a_message() -> None:
    """`return_path` if given, else the sender, else the author; `""` is the null path."""
    message = Message("x", from_email="author@example.com", to="zoe@example.com")
    assert message.parcel().envelope.return_path == "author@example.com"
    message.sender = "sender@example.com"
    assert message.parcel().envelope.return_path == "sender@example.com"
    message.return_path = "bounces@example.com"
    assert message.parcel().envelope.return_path == "bounces@example.com"
    message.return_path = ""
    assert message.parcel().envelope.return_path == ""


def test_several_authors_need_a_sender() -> None:
    """RFC 5322 3.6.2: with several From addresses somebody must be the one who sends."""
    message = Message("x", from_email=["a@example.com", "b@example.com"], to="zoe@example.com")
    with pytest.raises(InvalidMessage, match=r"from_email: .*need sender="):
        message.parcel()
    message.sender = "b@example.com"
    assert message.parcel().envelope.return_path == "b@example.com"


def test_recipients_of_a_message() -> None:
    """To, Cc and Bcc, each person once."""
    message = Message(
        "x",
        from_email="a@example.com",
        to=["b@example.com"],
        cc="c@example.com",
        bcc=["d@example.com", "b@example.com"],
    )
    assert message.parcel().envelope.recipients == ("b@example.com", "c@example.com", "d@example.com")
    assert message.recipients == ("b@example.com", "c@example.com", "d@example.com")


def test_an_explicit_envelope_replaces_it() -> None:
    """A mailing list sends a message to others than its header names, in its own name."""
    mailer = Mailer("memory:")
    message = Message("x", from_email="author@example.com", to="list@example.com")
    envelope = Envelope("list-bounces@example.com", ["zoe@example.com", "bob@example.com"])
    receipt = mailer.send(message, envelope=envelope)
    assert receipt.envelope is envelope
    assert receipt.accepted == ("zoe@example.com", "bob@example.com")
    assert b"To: list@example.com\r\n" in bytes(mailer.backend.outbox[0].content)  # type: ignore[attr-defined]


def test_an_explicit_envelope_is_enough() -> None:
    """With an envelope, a message needs no recipients of its own."""
    mailer = Mailer("memory:", from_email="a@example.com")
    mailer.send(Message("x"), envelope=Envelope("", ["zoe@example.com"]))
    assert b"To: undisclosed-recipients:;\r\n" in bytes(mailer.backend.outbox[0].content)  # type: ignore[attr-defined]


def test_what_is_no_envelope_is_refused() -> None:
    """A tuple is no envelope: the error says what is."""
    mailer = Mailer("memory:", from_email="a@example.com")
    with pytest.raises(InvalidMessage, match=r"envelope: .*must be an Envelope\(return_path, recipients\)"):
        mailer.send(Message("x"), envelope=("a@example.com", ["b@example.com"]))  # type: ignore[arg-type]
    assert mailer.backend.outbox == []  # type: ignore[attr-defined]


# -- delivery-status notifications


def test_dsn_wishes() -> None:
    """Wishes hold for everybody, or for one recipient."""
    dsn = DSN(
        notify=["failure", "delay"],
        ret="headers",
        envid="order 42",
        recipients={"zoe@EXAMPLE.com": "success"},
    )
    assert dsn.for_recipient(Address("zoe@example.com")) == ("success",)
    assert dsn.for_recipient(Address("bob@example.com")) == ("failure", "delay")
    assert (dsn.ret, dsn.envid) == ("headers", "order 42")
    assert "order 42" in repr(dsn)
    assert pickle.loads(pickle.dumps(dsn)) == dsn
    assert len({dsn, DSN.from_dict(dsn.to_dict())}) == 1


@pytest.mark.parametrize(
    ("wishes", "told"),
    [
        ({"notify": "sometimes"}, "notify: 'sometimes'"),
        ({"notify": ["never", "failure"]}, 'notify: .*"never" must stand alone'),
        ({"ret": "half"}, "ret: 'half'"),
        ({"envid": ""}, "envid: ''"),
        ({"envid": 5}, "envid: 5"),
        ({"notify": None}, "notify: None"),
        ({"recipients": ["zoe@example.com"]}, "recipients: .*must be a mapping"),
        ({"recipients": {"zoe@example.com": 5}}, r"recipients\['zoe@example.com'\]"),
        ({"envid": "x" * 101}, "envid: 'x"),
        ({"envid": "grün"}, "envid: 'grün'"),
        ({"envid": "a\r\nb"}, "envid: "),
        ({"recipients": {"zoe@example.com": "x"}}, r"recipients\['zoe@example.com'\]"),
        ({"recipients": {"zoe@": "failure"}}, "recipients: 'zoe@'"),
    ],
)
def test_dsn_wishes_that_are_refused(wishes: dict[str, object], told: str) -> None:
    """RFC 3461 knows what may be wished for."""
    with pytest.raises((InvalidMessage, InvalidAddress), match=told):
        DSN(**wishes)  # type: ignore[arg-type]


@pytest.mark.parametrize("dsn", [5, {"notify": "never"}, "failure"])
def test_wishes_of_another_kind_are_refused(dsn: object) -> None:
    """Where the mail is made, and not when it is sent."""
    with pytest.raises(InvalidMessage, match=r"^dsn: .*must be a DSN"):
        Envelope("a@example.com", "b@example.com", dsn=dsn)  # type: ignore[arg-type]
