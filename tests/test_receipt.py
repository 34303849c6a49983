"""Receipts: what became of each recipient, readable by programs and by people, and through JSON."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modernmail import Envelope, Outcome, Receipt, Reply
from modernmail.errors import (
    ContentRefused,
    DeliveryError,
    InvalidMessage,
    MailError,
    OutcomeUnknown,
    PayloadRejected,
    RecipientsRefused,
)

ENVELOPE = Envelope("a@example.com", ["b@example.com", "c@example.com", "d@example.com", "e@example.com"])
OUTCOMES = {
    "b@example.com": Outcome("accepted", reply=Reply(250, ["2.0.0 queued as 4XYZ"]), phase="done"),
    "c@example.com": Outcome("deferred", reply=Reply(450, ["4.2.1 later"]), phase="rcpt"),
    "d@example.com": Outcome("rejected", reason="suppressed", phase="local"),
    "e@example.com": Outcome("unknown", reason="the connection broke", phase="content"),
}

replies = st.builds(
    Reply,
    st.integers(200, 599),
    st.lists(st.one_of(st.text(max_size=20), st.binary(max_size=20)), max_size=3),
)
outcomes = st.builds(
    Outcome,
    st.sampled_from(["accepted", "deferred", "rejected", "unknown"]),
    reply=st.none() | replies,
    reason=st.none() | st.text(max_size=20),
    phase=st.sampled_from(["connect", "mail", "rcpt", "data", "content", "done", "local"]),
)
errors = st.sampled_from(
    [
        None,
        MailError("x"),
        RecipientsRefused("no"),
        RecipientsRefused("no", reply=Reply(450, ["4.2.1 later"]), is_transient=True),
        OutcomeUnknown("?"),
        InvalidMessage("to", [], "nobody"),
    ]
)


@st.composite
def receipts(draw: st.DrawFn) -> Receipt:
    """A receipt of any kind."""
    names = [f"{name}@example.com" for name in draw(st.sets(st.sampled_from("abcdef"), min_size=1))]
    envelope = draw(st.none() | st.just(Envelope("", names)))
    return Receipt(
        draw(st.none() | st.just("<1@example.com>")),
        envelope,
        draw(outcomes)
        if envelope is not None and draw(st.booleans())
        else {name: draw(outcomes) for name in names},
        position=draw(st.integers(0, 9)),
        error=draw(errors),
        attempts=draw(st.integers(1, 9)),
        notes=tuple(draw(st.lists(st.text(max_size=9), max_size=2))),
        conversation=tuple(draw(st.lists(st.text(max_size=9), max_size=2))),
        seconds=draw(st.floats(0, 9)),
    )


def test_what_became_of_each() -> None:
    """Accepted and refused, in the order of the envelope; only the deferred are safe to try again."""
    receipt = Receipt("<1@example.com>", ENVELOPE, OUTCOMES)
    assert receipt.accepted == ("b@example.com",)
    assert list(receipt.refused) == ["c@example.com", "d@example.com", "e@example.com"]
    assert receipt.recipients["c@example.com"].status == "deferred"
    assert receipt.recipients["c@example.com"].reply == Reply(450, ["4.2.1 later"])
    assert receipt.recipients["d@example.com"].reply is None
    assert receipt.recipients["d@example.com"].reason == "suppressed"
    assert receipt.retry_recipients() == ("c@example.com",)
    assert not receipt.is_complete
    assert [receipt.count(status) for status in ("accepted", "deferred", "rejected", "unknown")] == [
        1,
        1,
        1,
        1,
    ]
    assert repr(receipt) == "<Receipt <1@example.com>: 1 accepted, 1 deferred, 1 rejected, 1 unknown>"


def test_one_outcome_for_all() -> None:
    """An outcome in the place of a mapping is everybody's."""
    receipt = Receipt("<1@example.com>", ENVELOPE, OUTCOMES["b@example.com"])
    assert receipt.is_complete
    assert receipt.accepted == ENVELOPE.recipients
    assert receipt.refused == {}
    assert set(receipt.recipients.values()) == {OUTCOMES["b@example.com"]}


def test_no_mail_at_all() -> None:
    """A message of which no parcel could be made has no Message-ID, no envelope, nobody, and an error."""
    receipt = Receipt(None, None, {}, position=3, error=InvalidMessage("to", [], "there is nobody"))
    assert (receipt.message_id, receipt.envelope, receipt.accepted) == (None, None, ())
    assert not receipt.is_complete
    assert receipt.queue_id is None
    assert repr(receipt) == "<Receipt of no mail: to: []: there is nobody>"


def test_recipients_are_read_only() -> None:
    """Neither the receipt nor its mapping changes."""
    receipt = Receipt("<1@example.com>", ENVELOPE, OUTCOMES)
    with pytest.raises(TypeError):
        receipt.recipients["x@example.com"] = OUTCOMES["b@example.com"]  # type: ignore[index]
    with pytest.raises(AttributeError, match="frozen"):
        receipt.position = 2
    with pytest.raises(AttributeError, match="frozen"):
        OUTCOMES["b@example.com"].status = "rejected"
    with pytest.raises(AttributeError, match="frozen"):
        Reply(250).code = 550


@given(receipts())
def test_it_survives_json_and_pickle(receipt: Receipt) -> None:
    """`to_dict`, JSON, `from_dict`: an equal receipt, whose error has its kind, its words, its reply and its promise."""
    again = Receipt.from_dict(json.loads(json.dumps(receipt.to_dict())))
    assert again == receipt
    assert again.recipients == receipt.recipients
    assert type(again.error) is type(receipt.error)
    assert str(again.error) == str(receipt.error)
    for name in ("is_transient", "reply"):
        assert getattr(again.error, name, None) == getattr(receipt.error, name, None)
    if isinstance(again.error, DeliveryError):
        assert again.error.conversation == receipt.conversation
    assert again.to_dict() == receipt.to_dict()
    assert pickle.loads(pickle.dumps(receipt)) == receipt
    assert copy.deepcopy(receipt) == receipt


@given(receipts())
def test_every_recipient_is_counted_once(receipt: Receipt) -> None:
    """Accepted and refused are all there are, and never overlap."""
    assert {*receipt.accepted, *receipt.refused} == set(receipt.recipients)
    assert not set(receipt.accepted) & set(receipt.refused)
    assert sum(receipt.count(status) for status in ("accepted", "deferred", "rejected", "unknown")) == len(
        receipt.recipients
    )
    assert receipt.is_complete == (
        bool(receipt.recipients)
        and not receipt.refused
        and (receipt.envelope is not None or bool(receipt.accepted))
    )


def test_a_newer_version_is_not_guessed_at() -> None:
    """A dictionary of another version is refused."""
    data = Receipt("<1@example.com>", ENVELOPE, OUTCOMES).to_dict()
    with pytest.raises(PayloadRejected, match="version 2"):
        Receipt.from_dict(data | {"version": 2})
    for broken in ({"version": 1}, data | {"recipients": 5}, data | {"notes": None}):
        with pytest.raises(PayloadRejected, match="this is no receipt"):
            Receipt.from_dict(broken)


def test_replace_changes_some_of_it() -> None:
    """A copy with other fields; the outcomes stay."""
    receipt = Receipt("<1@example.com>", ENVELOPE, OUTCOMES)
    other = receipt.replace(position=7, notes=("late",))
    assert (other.position, other.notes, other.recipients) == (7, ("late",), receipt.recipients)
    assert receipt.position == 0
    assert receipt.replace(error=ContentRefused("x")) != receipt
    assert receipt != "receipt"


@pytest.mark.parametrize(
    ("text", "queue_id"),
    [
        ("2.0.0 Ok: queued as 4XYZ", "4XYZ"),  # Postfix
        ("2.0.0 from MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4XYZ", "4XYZ"),  # amavis before it
        ("2.0.0 OK: queued as <20260101.1@relay.example.net>", "20260101.1@relay.example.net"),  # Brevo
        ("OK id=1abc-00-XY", "1abc-00-XY"),  # Exim
        ("Requested mail action okay, completed: id=0Lk5.", "0Lk5"),  # 1&1
        ("2.0.0 4XYZ Message accepted for delivery", "4XYZ"),  # sendmail
        ("2.0.0: 1a2b3c4d Message accepted for delivery", "1a2b3c4d"),  # OpenSMTPD
        (
            "2.6.0 <1@example.com> [InternalId=98765, Hostname=A.outlook.com] 8215 bytes in 0.1, 66 KB/sec Queued",
            "98765",
        ),  # Exchange Online
        ("2.6.0 <1@example.com> [InternalId=7] Queued mail for delivery", "7"),  # Exchange
        (
            "Ok 0100018a1b2c3d4e-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-000000",
            "0100018a1b2c3d4e-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9-000000",
        ),  # Amazon SES
        ("2.0.0 OK  1700000000 d9443c01a7336-1c5.12 - gsmtp", "d9443c01a7336-1c5.12"),  # Gmail
        ("ok 1700000000 qp 12345", "12345"),  # qmail
        ("Message Queued (A1B2-C3.1)", "A1B2-C3.1"),  # Haraka
        ("2.0.0 <zoe@example.com> 8kZVLw+1QmkT Saved", "8kZVLw+1QmkT"),  # Dovecot
        ("2.0.0 Ok: queued on mail1.example.net as 1430081058-6ltgNFKSir", "1430081058-6ltgNFKSir"),  # Yandex
        ("2.0.0 Message queued with id 1a2b3c4d5e.", "1a2b3c4d5e"),  # Stalwart
        (
            "Mail OK queued as gzga-smtp-mta-g2-1,_____wD3abc.4567S3 1678888888",
            "gzga-smtp-mta-g2-1,_____wD3abc.4567S3",
        ),  # 163
        ("Data Ok: queued as freedom #envid=600000012345678901", "600000012345678901"),  # Alibaba
        ("Data Ok: queued as freedom", None),
        ("OK: queued as.", None),  # QQ
        ("2.0.0 OK 4E/1A-12345-0A1B2C3D", "4E/1A-12345-0A1B2C3D"),  # SparkPost
        ("ok:  Message 123456789 accepted", "123456789"),  # Cisco
        ("SmtpThread-1234567-1700000000 Received OK [abcDEFghi.uk12]", "abcDEFghi.uk12"),  # Mimecast
        (
            "Ok. 000000000004C009.00000000651A2B3C.0000000000001234",
            "000000000004C009.00000000651A2B3C.0000000000001234",
        ),  # Courier
        ("ok 1434012345 qp 12345 server-14.tower-27.messagelabs.com!1434012344!1234!1", "12345"),  # Symantec
        ("12345678 message accepted for delivery", "12345678"),  # CommuniGate
        ("2.1.5 Ok SESSIONID=<cyrus-1234-1700000000-1-567890>", "cyrus-1234-1700000000-1-567890"),  # Cyrus
        ("OK Message accepted for delivery", None),
        ("Message accepted", None),
        ("2.0.0 OK <1@example.com> [Hostname=A.prod.exchangelabs.com]", None),  # Exchange Online, to a client
        ("OK , completed", None),  # Yahoo
        ("Queued (0.042 seconds)", None),  # hMailServer
        ("2.6.0 Message received", None),  # James
        ("Requested mail action okay, completed", None),
        ("2.0.0 Message accepted for delivery", None),
        ("Message accepted for delivery", None),
        ("Great success", None),
        ("Queued", None),
        ("Ok", None),
        ("", None),
    ],
)
def test_queue_ids(text: str, queue_id: str | None) -> None:
    """The server's own name for the mail, in the usual wordings; None for one that we do not know."""
    receipt = Receipt("<1@example.com>", ENVELOPE, Outcome("accepted", reply=Reply(250, [text])))
    assert receipt.queue_id == queue_id


# -- replies and outcomes


@pytest.mark.parametrize(
    ("code", "lines", "enhanced"),
    [
        (250, ["2.1.5 Ok"], "2.1.5"),
        (550, ["first", "5.1.1 no such user"], "5.1.1"),
        (550, ["5.1.1"], "5.1.1"),
        (550, ["2.1.1 the class contradicts the code"], None),
        (550, ["5.1 too short"], None),
        (550, ["5.1.1111 too long"], None),
        (550, ["5.x.1 no number"], None),
        (550, ["no such user"], None),
        (550, [""], None),
        (550, [], None),
    ],
)
def test_enhanced_status_codes(code: int, lines: list[str], enhanced: str | None) -> None:
    """RFC 2034: the code that begins the last line, when it agrees with the reply code."""
    assert Reply(code, lines).enhanced == enhanced


def test_a_reply_as_text() -> None:
    """Lines are joined; octets that are no UTF-8 are shown, not lost."""
    reply = Reply(550, [b"5.1.1 no", b"such us\xe9r"])
    assert reply.text == r"5.1.1 no such us\xe9r"
    assert str(reply) == r"550 5.1.1 no such us\xe9r"
    assert repr(reply) == r"<Reply 550 5.1.1 no such us\xe9r>"
    assert (reply.is_positive, reply.is_transient) == (False, False)
    assert (Reply(250).is_positive, Reply(450).is_transient, str(Reply(250))) == (True, True, "250")
    assert reply == Reply(550, [b"5.1.1 no such us\\xe9r"])
    assert reply != "550"
    assert len({reply, Reply.from_dict(reply.to_dict())}) == 1


def test_a_reply_steers_no_terminal_and_forges_no_line() -> None:
    """What a server says reaches logs and errors: its control characters are shown, and not obeyed."""
    reply = Reply(550, [b"5.1.1 \x1b[31mno\x07", b"b\rERROR all is lost", "\x85\u2028".encode()])
    assert reply.text == r"5.1.1 \x1b[31mno\x07 b\rERROR all is lost \x85\u2028"
    assert str(reply).isprintable()
    assert Reply.from_dict(reply.to_dict()).text == reply.text


def test_outcomes() -> None:
    """An outcome knows whether it is good, and whether anything will change it."""
    accepted, deferred, rejected, unknown = OUTCOMES.values()
    assert [outcome.is_accepted for outcome in OUTCOMES.values()] == [True, False, False, False]
    assert [outcome.is_final for outcome in OUTCOMES.values()] == [True, False, True, False]
    assert str(rejected) == "rejected: suppressed"
    assert repr(deferred) == "<Outcome deferred: 450 4.2.1 later>"
    assert str(Outcome("accepted")) == "accepted"
    assert pickle.loads(pickle.dumps(unknown)) == unknown
    assert len({accepted, Outcome.from_dict(accepted.to_dict())}) == 1
    assert accepted != "accepted"


def test_what_is_no_status_is_refused() -> None:
    """There are four."""
    with pytest.raises(
        InvalidMessage, match="status: 'lost': must be one of accepted, deferred, rejected, unknown"
    ):
        Outcome("lost")  # type: ignore[arg-type]
