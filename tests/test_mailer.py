"""Mailer: one mail sync and async, what it refuses, what it logs, what it raises, and what it leaves open."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import subprocess
import sys
import threading
from email.message import EmailMessage
from functools import partial
from typing import TYPE_CHECKING

import pytest
from faces import send

from modernmail import Address, Envelope, Mailer, Message, Outcome, Receipt, Reply
from modernmail.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    ContentRefused,
    DeliveryError,
    InvalidAddress,
    InvalidMessage,
    OutcomeUnknown,
    RecipientsRefused,
    SecurityFailed,
    SenderRefused,
)
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable

    Deliver = Callable[[Mailer, Message], Receipt]


def hello(*recipients: str, **changes: object) -> Message:
    """Return a message to these recipients, one by default."""
    return Message(
        "Hi",
        "Hello\n.dot\n",
        from_email="me@example.com",
        to=recipients or ["zoe@example.com"],
        **changes,  # type: ignore[arg-type]
    )


both = pytest.mark.parametrize(
    "deliver", [partial(send, is_async=False), partial(send, is_async=True)], ids=["send", "asend"]
)


# -- what arrives


@both
def test_what_arrives_is_what_was_built(deliver: Deliver) -> None:
    """Sender, recipients and every octet of the content; the receipt has the reply and the queue id."""
    message = hello("zoe@example.com", "bob@bücher.example", cc="cc@example.com", bcc="bcc@example.com")
    with ScriptedSMTPServer() as server:
        receipt = deliver(Mailer(server.url()), message)
        server.wait_until_idle()
    (commit,) = server.commits
    assert commit.sender == "me@example.com"
    assert commit.recipients == (
        "zoe@example.com", "bob@xn--bcher-kva.example", "cc@example.com", "bcc@example.com",
    )  # fmt: skip
    assert f"Message-ID: {receipt.message_id}\r\n".encode() in commit.content
    assert commit.content.endswith(b"\r\n\r\nHello\r\n.dot\r\n")
    assert b"bcc@" not in commit.content
    assert receipt.accepted == message.recipients
    assert receipt.queue_id == "S1T1"
    assert receipt.seconds > 0
    assert server.sessions[0].violations == []
    assert server.sessions[0].end == "quit"


def test_sync_and_async_say_the_same() -> None:
    """The conversation is one: both faces send the same commands in the same groups."""
    said = []
    for is_async in (False, True):
        with ScriptedSMTPServer() as server:
            mailer = Mailer(server.url(ehlo="me.example.com"))
            send(mailer, hello("a@example.com", "b@example.com"), is_async=is_async)
            server.wait_until_idle()
        said.append([command.replace(b"ehlo", b"EHLO") for command in server.sessions[0].commands])
    assert said[0] == said[1]
    assert said[0] == [
        b"EHLO me.example.com\r\n", b"MAIL FROM:<me@example.com> SIZE=" + said[0][1].split(b"=")[1],
        b"RCPT TO:<a@example.com>\r\n", b"RCPT TO:<b@example.com>\r\n", b"DATA\r\n", b"QUIT\r\n",
    ]  # fmt: skip


@both
def test_the_name_to_greet_with(deliver: Deliver) -> None:
    """EHLO says the host's full name when it is one, otherwise an address literal; the URL may say another."""
    said = []
    for options in ({}, {"ehlo": "mail.bücher.example"}):
        with ScriptedSMTPServer() as server:
            deliver(Mailer(server.url(**options)), hello())
            said.append(server.sessions[0].step("EHLO").line.split()[1].decode())
    assert re.fullmatch(r"\[127\.0\.0\.1\]|[\w-]+(\.[\w-]+)+", said[0])
    assert "localhost" not in said[0]
    assert said[1] == "mail.xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("author", "domain"),
    [
        ("me@bücher.example", "xn--bcher-kva.example"),
        ("me@Example.COM", "Example.COM"),
        ("root", "localhost.invalid"),
    ],
)
def test_the_message_id_has_the_authors_domain(author: str, domain: str) -> None:
    """The right side is the From domain as A-label, never this host's name; a mailbox without a domain has none."""
    receipt = Mailer("memory:").send(Message("x", from_email=author, to="zoe@example.com"))
    assert receipt.message_id is not None
    assert receipt.message_id.endswith(f"@{domain}>")
    assert socket.gethostname() not in receipt.message_id


def test_the_connection_is_kept() -> None:
    """Mail after mail goes over one session, until the mailer is closed; then a new one is opened."""
    with ScriptedSMTPServer() as server:
        mailer = Mailer(server.url())
        for _ in range(3):
            mailer.send(hello())
        assert len(server.sessions) == 1
        mailer.close()
        server.wait_until_idle()
        assert server.sessions[0].end == "quit"
        mailer.send(hello())
        mailer.close()
        assert len(server.sessions) == 2


def test_threads_share_a_mailer() -> None:
    """Eight threads send by one mailer with `pool=2`: every mail once, at most two sessions."""
    with ScriptedSMTPServer() as server, Mailer(server.url(pool=2)) as mailer:
        threads = [
            threading.Thread(
                target=lambda name=name: [mailer.send(hello(f"t{name}n{n}@example.com")) for n in range(5)]
            )
            for name in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(server.sessions) <= 2
    assert sorted(commit.recipients[0] for commit in server.commits) == sorted(
        f"t{name}n{n}@example.com" for name in range(8) for n in range(5)
    )


def test_tasks_share_a_mailer() -> None:
    """Forty tasks send by one mailer with `pool=3` at once: every mail once, at most three sessions."""

    async def run() -> list[Receipt]:
        async with Mailer(server.url(pool=3)) as mailer:
            return await asyncio.gather(*(mailer.asend(hello(f"n{n}@example.com")) for n in range(40)))

    with ScriptedSMTPServer() as server:
        receipts = asyncio.run(run())
    assert [receipt.accepted for receipt in receipts] == [(f"n{n}@example.com",) for n in range(40)]
    assert len(server.commits) == 40
    assert len(server.sessions) <= 3


def test_one_mailer_in_several_loops() -> None:
    """A mailer outlives an event loop: in the next one it opens a connection of its own."""
    with ScriptedSMTPServer() as server:
        mailer = Mailer(server.url())
        for _ in range(2):
            asyncio.run(mailer.asend(hello()))
        asyncio.run(mailer.aclose())
    assert len(server.commits) == 2


def test_the_default_sender() -> None:
    """A message without From has the mailer's, header and envelope; one with From keeps its own."""
    mailer = Mailer("memory:", from_email="Shop <shop@example.com>")
    receipt = mailer.send(Message("x", to="zoe@example.com"))
    assert receipt.envelope == Envelope("shop@example.com", ["zoe@example.com"])
    assert mailer.from_email == Address("Shop <shop@example.com>")
    assert mailer.send(hello()).envelope == Envelope("me@example.com", ["zoe@example.com"])


def test_a_parcel_may_be_sent_again() -> None:
    """What travels is frozen: the same parcel is the same mail, Message-ID and all."""
    mailer = Mailer("memory:")
    message = hello()
    parcel = mailer.parcel(message)
    message.subject = "changed afterwards"
    first, second = mailer.send(parcel), mailer.send(parcel, envelope=Envelope("", ["other@example.com"]))
    assert first.message_id == second.message_id == parcel.message_id
    contents = [bytes(sent.content) for sent in mailer.backend.outbox]  # type: ignore[attr-defined]
    assert contents[0] == contents[1]
    assert b"changed" not in contents[0]
    assert second.accepted == ("other@example.com",)


@both
def test_a_standard_message_is_taken(deliver: Deliver) -> None:
    """An `email.message.EmailMessage` goes the same way; its Bcc is in the envelope and nowhere else."""
    message = EmailMessage()
    message["From"] = "Me <me@example.com>"
    message["To"] = "zoe@example.com, Bob <bob@example.com>"
    message["Bcc"] = "hidden@example.com"
    message["Subject"] = "Grüße"
    message.set_content("Hello\n")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    with ScriptedSMTPServer() as server:
        receipt = deliver(Mailer(server.url()), message)  # type: ignore[arg-type]
    assert receipt.accepted == ("zoe@example.com", "bob@example.com", "hidden@example.com")
    assert b"hidden" not in server.commits[0].content
    assert b"JVBERg==" in server.commits[0].content


# -- refusals


PARTLY = [
    Rule("RCPT", contains="later").reply("450 4.2.1 later"),
    Rule("RCPT", contains="nobody").reply("550 5.1.1 no"),
]


@both
def test_a_partial_refusal_is_in_the_receipt_and_in_the_log(
    deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody was accepted: no exception, one warning that names who was not and why."""
    with ScriptedSMTPServer(PARTLY) as server, caplog.at_level(logging.WARNING, "modernmail"):
        receipt = deliver(
            Mailer(server.url()), hello("zoe@example.com", "later@example.com", "nobody@example.com")
        )
    assert receipt.accepted == ("zoe@example.com",)
    assert receipt.refused == {
        "later@example.com": Outcome("deferred", reply=Reply(450, ["4.2.1 later"])),
        "nobody@example.com": Outcome("rejected", reply=Reply(550, ["5.1.1 no"])),
    }
    assert receipt.error is None
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.name == "modernmail"
    assert record.getMessage() == (
        f"{receipt.message_id} was not accepted by 127.0.0.1 for later@example.com (deferred: 450 4.2.1 later), "
        "nobody@example.com (rejected: 550 5.1.1 no)"
    )


@both
def test_a_server_that_talks_does_not_fill_the_log(
    deliver: Deliver, caplog: pytest.LogCaptureFixture
) -> None:
    """A reply may have 64 KiB; a record has the beginning of it, the receipt all."""
    rule = Rule("RCPT", contains="nobody").reply(f"550 5.1.1 {'no ' * 20_000}")
    with ScriptedSMTPServer([rule]) as server, caplog.at_level(logging.WARNING, "modernmail"):
        receipt = deliver(Mailer(server.url()), hello("zoe@example.com", "nobody@example.com"))
    (record,) = caplog.records
    assert len(record.getMessage()) < 1000
    assert len(str(receipt.refused["nobody@example.com"])) > 60_000


@both
def test_a_good_mail_warns_of_nothing(deliver: Deliver, caplog: pytest.LogCaptureFixture) -> None:
    """All went well: silence, unless INFO is asked for."""
    with ScriptedSMTPServer() as server, caplog.at_level(logging.WARNING):
        deliver(Mailer(server.url()), hello())
    assert [record for record in caplog.records if record.name.startswith("modernmail")] == []


FAILURES: dict[str, tuple[list[Rule], type[DeliveryError], bool, str, str]] = {
    "busy greeting": ([Rule("CONNECT").reply("421 4.3.2 busy").close()], ConnectFailed, True, "deferred", "421 4.3.2 busy"),
    "final greeting": ([Rule("CONNECT").reply("554 5.7.1 go away")], ConnectFailed, False, "deferred", "554 5.7.1 go away"),
    "EHLO and HELO refused": (
        [Rule("EHLO").reply("502 5.5.2 what"), Rule("HELO").reply("550 5.7.1 no")],
        ConnectFailed, False, "deferred", "550 5.7.1 no",
    ),
    "sender refused": ([Rule("MAIL").reply("550 5.7.1 not you")], SenderRefused, False, "rejected", "550 5.7.1 not you"),
    "sender deferred": ([Rule("MAIL").reply("451 4.7.1 later")], SenderRefused, True, "deferred", "451 4.7.1 later"),
    "recipient refused": ([Rule("RCPT").reply("550 5.1.1 nobody")], RecipientsRefused, False, "rejected", "550 5.1.1 nobody"),
    "recipient deferred": ([Rule("RCPT").reply("450 4.2.1 grey")], RecipientsRefused, True, "deferred", "450 4.2.1 grey"),
    "DATA refused": ([Rule("DATA").reply("554 5.5.1 no")], ContentRefused, False, "rejected", "554 5.5.1 no"),
    "content refused": ([Rule("BODY").reply("554 5.7.1 spam")], ContentRefused, False, "rejected", "554 5.7.1 spam"),
    "content deferred": ([Rule("BODY").reply("451 4.3.0 disk")], ContentRefused, True, "deferred", "451 4.3.0 disk"),
    "lost after the dot": ([Rule("BODY").commit().close()], OutcomeUnknown, False, "unknown", ""),
}  # fmt: skip


@both
@pytest.mark.parametrize("why", FAILURES)
def test_nobody_accepted_raises(why: str, deliver: Deliver) -> None:
    """The kind of error tells the phase; it carries receipt, reply and whether later may help."""
    rules, kind, is_transient, status, reply = FAILURES[why]
    with ScriptedSMTPServer(rules) as server, pytest.raises(DeliveryError) as caught:
        deliver(Mailer(server.url()), hello())
    error = caught.value
    assert type(error) is kind
    assert error.is_transient is is_transient
    assert str(error.reply or "") == reply
    assert reply in str(error)
    assert error.receipt is not None
    assert error.receipt.error is error
    outcome = error.receipt.recipients["zoe@example.com"]
    assert outcome.status == status
    if reply:
        assert str(outcome.reply) == reply
    else:
        assert (outcome.reply, bool(outcome.reason)) == (None, True)


@both
def test_no_server_is_connect_failed(deliver: Deliver) -> None:
    """Nobody listens: deferred, and trying later may help."""
    with pytest.raises(ConnectFailed, match=r"127\.0\.0\.1:1") as caught:
        deliver(Mailer("smtp://127.0.0.1:1"), hello())
    assert caught.value.is_transient
    assert caught.value.receipt is not None
    assert caught.value.receipt.retry_recipients() == ("zoe@example.com",)


@both
def test_a_silent_server_times_out(deliver: Deliver) -> None:
    """No greeting within `timeout`: a ConnectFailed that says how long was waited."""
    with (
        ScriptedSMTPServer([Rule("CONNECT").hang()]) as server,
        pytest.raises(ConnectFailed, match=r"0\.2 s") as caught,
    ):
        deliver(Mailer(server.url(timeout=0.2)), hello())
    assert caught.value.is_transient


# -- security (DESIGN 2.6)


@both
def test_starttls_is_used_and_verified(deliver: Deliver) -> None:
    """`tls=required`: nothing but EHLO is said before TLS, and the certificate is verified."""
    with ScriptedSMTPServer(tls="starttls") as server:
        deliver(Mailer(server.url()), hello())
        server.wait_until_idle()
    steps = server.sessions[0].steps
    assert [step.name for step in steps if not step.tls] == ["CONNECT", "EHLO", "STARTTLS", "TLS"]
    assert len(server.commits) == 1
    assert server.sessions[0].discarded == b""


@both
def test_missing_starttls_names_the_option(deliver: Deliver) -> None:
    """TLS was required and is not offered: nothing was sent, and the error names `?tls=off`."""
    with ScriptedSMTPServer() as server:
        with pytest.raises(
            SecurityFailed, match=r"does not offer STARTTLS.*\?tls=off.*\?tls=opportunistic"
        ) as caught:
            deliver(Mailer(server.url(tls="required")), hello())
        assert [step.name for step in server.sessions[0].steps] == ["CONNECT", "EHLO"]
    assert caught.value.is_transient is False
    assert caught.value.receipt is not None
    assert caught.value.receipt.recipients["zoe@example.com"].status == "deferred"


@both
@pytest.mark.parametrize(
    "certificate", ["untrusted", "self-signed", "expired", "not-yet-valid", "wrong-host"]
)
@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_an_unverified_certificate_is_refused(deliver: Deliver, certificate: str, tls: str) -> None:
    """Whatever is wrong with the certificate: no command under it, and the reason is told."""
    with ScriptedSMTPServer(tls=tls, certificate=certificate) as server:
        with pytest.raises(SecurityFailed, match="certificate verification failed: ") as caught:
            deliver(Mailer(server.url()), hello())
        server.wait_until_idle()
        assert server.commits == []
        assert all(step.name in {"CONNECT", "EHLO", "STARTTLS", "TLS"} for step in server.sessions[0].steps)
    assert caught.value.is_transient is False


@both
def test_verify_off_is_asked_for_by_name(deliver: Deliver) -> None:
    """`?verify=off` takes any certificate, TLS all the same."""
    with ScriptedSMTPServer(tls="implicit", certificate="self-signed") as server:
        deliver(Mailer(server.url(ca=None, verify="off")), hello())
        assert server.sessions[0].tls is not None
    assert len(server.commits) == 1


@both
def test_opportunistic_uses_what_there_is(deliver: Deliver) -> None:
    """`?tls=opportunistic`: STARTTLS when it is offered, verified; clear when it is not."""
    with ScriptedSMTPServer(tls="starttls") as server:
        deliver(Mailer(server.url(tls="opportunistic")), hello())
        assert server.sessions[0].tls is not None
    with ScriptedSMTPServer() as plain:
        deliver(Mailer(plain.url(tls="opportunistic")), hello())
        assert plain.sessions[0].tls is None
    with ScriptedSMTPServer(tls="starttls", certificate="untrusted") as server, pytest.raises(SecurityFailed):
        deliver(Mailer(server.url(tls="opportunistic")), hello())


@both
def test_a_password_never_goes_in_clear(deliver: Deliver) -> None:
    """Loopback without TLS: the password stays here, and the error does not show it."""
    with ScriptedSMTPServer(credentials={"zoe": "s3cret"}) as server:
        with pytest.raises(SecurityFailed, match=r"password .* would go in clear.*\?tls=off") as caught:
            deliver(Mailer(server.url(username="zoe", password="s3cret")), hello())
        server.wait_until_idle()
        assert not any(b"AUTH" in command for command in server.sessions[0].commands)
    assert "s3cret" not in str(caught.value)


@both
def test_a_password_goes_in_clear_when_told(deliver: Deliver) -> None:
    """`?tls=off` in so many words lets it go."""
    with ScriptedSMTPServer(credentials={"zoe": "s3cret"}) as server:
        deliver(Mailer(server.url(username="zoe", password="s3cret", tls="off")), hello())
        assert server.sessions[0].user == "zoe"


@both
def test_a_password_on_loopback_uses_starttls_when_offered(deliver: Deliver) -> None:
    """Nothing said about TLS, and the server has it: the password goes under it."""
    with ScriptedSMTPServer(tls="starttls", credentials={"zoe": "s3cret"}) as server:
        deliver(Mailer(server.url(username="zoe", password="s3cret", tls=None)), hello())
        assert server.sessions[0].user == "zoe"
        assert server.sessions[0].step("AUTH").tls


@both
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_authentication(deliver: Deliver, mechanism: str) -> None:
    """Each mechanism, with a user and a password beyond ASCII."""
    credentials = {"zoë@example.com": "pässwörd"}
    with ScriptedSMTPServer(tls="starttls", credentials=credentials, mechanisms=[mechanism]) as server:
        deliver(Mailer(server.url(username="zoë@example.com", password="pässwörd")), hello())
        assert server.sessions[0].user == "zoë@example.com"


@both
def test_a_wrong_password(deliver: Deliver) -> None:
    """535: AuthenticationFailed, not transient, the server's words and not the password."""
    with ScriptedSMTPServer(tls="starttls", credentials={"zoe": "right"}) as server:
        with pytest.raises(AuthenticationFailed, match=r"credentials of 'zoe'.*535") as caught:
            deliver(Mailer(server.url(username="zoe", password="wr0ng")), hello())
        assert server.commits == []
    assert caught.value.is_transient is False
    assert caught.value.reply is not None
    assert caught.value.reply.code == 535
    assert "wr0ng" not in str(caught.value)
    assert caught.value.receipt is not None


@both
def test_auth_that_is_not_offered(deliver: Deliver) -> None:
    """A user is given and the server has no AUTH: better no mail than one without it."""
    with ScriptedSMTPServer(tls="starttls") as server, pytest.raises(SecurityFailed, match="offers no AUTH"):
        deliver(Mailer(server.url(username="zoe", password="s3cret")), hello())
    assert server.commits == []


# -- invalid input: nothing is sent


INVALID: dict[str, tuple[Callable[[], object], str]] = {
    "nobody": (lambda: Message("x", from_email="a@example.com"), "to: []"),
    "no sender": (lambda: Message("x", to="a@example.com"), "from_email: None"),
    "two authors": (lambda: Message("x", from_email=["a@example.com", "b@example.com"], to="a@example.com"), "from_email: "),
    "None": (lambda: None, "message: None"),
    "a str": (lambda: "Hello", "message: 'Hello'"),
    "too large": (lambda: hello(attachments=[("x.bin", b"x" * 20_000)]), "takes at most 10000"),
}  # fmt: skip


@both
@pytest.mark.parametrize("why", INVALID)
def test_what_is_no_mail_is_refused_before_any_connection(why: str, deliver: Deliver) -> None:
    """The error names argument and value; the server never hears of it."""
    make, told = INVALID[why]
    with ScriptedSMTPServer() as server:
        with pytest.raises(InvalidMessage) as caught:
            deliver(Mailer(server.url(), max_size=10_000), make())  # type: ignore[arg-type]
        assert server.sessions == []
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "kind", "told"),
    [
        ({"from_email": "shop@"}, InvalidAddress, "from_email: 'shop@'"),
        ({"max_size": 0}, ConfigurationError, "max_size=0"),
        ({"max_size": "10MB"}, ConfigurationError, "max_size='10MB'"),
        ({"layers": [object()]}, ConfigurationError, "layers: "),
        ({"username": "zoe"}, ConfigurationError, "needs a password"),
    ],
)
def test_a_mailer_that_cannot_be(arguments: dict[str, object], kind: type[Exception], told: str) -> None:
    """The constructor refuses what no mail could use."""
    with pytest.raises(kind, match=told):
        Mailer("smtp://mail.example.com", **arguments)  # type: ignore[arg-type]


def test_a_backend_has_its_own_credentials() -> None:
    """User and password beside a Backend object would be lost: refused."""
    backend = Mailer("memory:").backend
    with pytest.raises(ConfigurationError, match="go with a URL"):
        Mailer(backend, username="zoe", password="s3cret")
    assert Mailer(backend).backend is backend


# -- cancellation and the like


async def cancelled_at(step: str, server: ScriptedSMTPServer, mailer: Mailer) -> Receipt:
    """Cancel a send once the server is at this step, which hangs; return the receipt that the CancelledError carries."""
    sending = asyncio.create_task(mailer.asend(hello()))
    await asyncio.to_thread(server.wait_for_step, step)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await sending
    found: Receipt = caught.value.receipt  # type: ignore[attr-defined]
    return found


def test_a_cancelled_asend_carries_its_receipt() -> None:
    """After the dot nobody knows: the CancelledError has a receipt that says unknown, and the wire is not used again."""

    async def run() -> tuple[Receipt, Receipt]:
        async with Mailer(server.url()) as mailer:
            return await cancelled_at("BODY", server, mailer), await mailer.asend(hello("next@example.com"))

    with ScriptedSMTPServer([Rule("BODY", session=1).hang()]) as server:
        cancelled, following = asyncio.run(run())
    assert cancelled.recipients["zoe@example.com"].status == "unknown"
    assert following.is_complete
    assert len(server.sessions) == 2
    assert [commit.recipients for commit in server.commits] == [("next@example.com",)]


def test_a_cancellation_before_the_content_is_deferred() -> None:
    """Nothing of the content was written: it may be sent again."""

    async def run() -> Receipt:
        async with Mailer(server.url()) as mailer:
            return await cancelled_at("RCPT", server, mailer)

    with ScriptedSMTPServer([Rule("RCPT").hang()]) as server:
        receipt = asyncio.run(run())
    assert receipt.recipients["zoe@example.com"].status == "deferred"
    assert server.commits == []


def test_a_time_limit_around_asend() -> None:
    """`asyncio.timeout` works as anywhere; the wire is closed, the mailer goes on."""

    async def run() -> Receipt:
        async with Mailer(server.url()) as mailer:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await mailer.asend(hello())
            return await mailer.asend(hello())

    with ScriptedSMTPServer([Rule("DATA", session=1).hang()]) as server:
        assert asyncio.run(run()).is_complete


# -- what is left open

LEFT_OPEN = """
import asyncio, gc, sys
from modernmail import Mailer, Message
message = Message("x", from_email="a@example.com", to="b@example.com")
def dropped():
    Mailer(sys.argv[1]).send(message)
def dropped_by_loop():
    asyncio.run(Mailer(sys.argv[1]).asend(message))
async def dropped_in_loop():
    await Mailer(sys.argv[1]).asend(message)
    gc.collect()
    await asyncio.sleep(0)
dropped(); dropped_by_loop(); asyncio.run(dropped_in_loop())
gc.collect()
kept = Mailer(sys.argv[1])
kept.send(message)
asyncio.run(kept.asend(message))
asyncio.run(kept.asend(message))
"""


@pytest.mark.parametrize("tls", [None, "starttls", "implicit"])
def test_a_mailer_that_nobody_closed_leaves_quietly(tls: str | None) -> None:
    """Dropped, or kept to the end of the program, inside a loop or after it: no warning, no socket left."""
    with ScriptedSMTPServer(tls=tls) as server:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", LEFT_OPEN, server.url()],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        server.wait_until_idle()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(server.commits) == 6


# -- verify


def test_verify_says_what_the_server_offers() -> None:
    """`verify` and `averify` connect, greet, secure, log in and quit; the facts are the same."""
    with ScriptedSMTPServer(tls="starttls", credentials={"zoe": "s3cret"}) as server:
        mailer = Mailer(server.url(username="zoe", password="s3cret"))
        facts = mailer.verify()
        assert asyncio.run(mailer.averify()) == facts
        server.wait_until_idle()
    assert [session.end for session in server.sessions] == ["quit", "quit"]
    assert [session.user for session in server.sessions] == ["zoe", "zoe"]
    assert facts["auth"] == ["PLAIN", "LOGIN"]
    assert facts["max_size"] == 67108864
    assert facts["tls_verified"] is True
    assert facts["tls"].startswith("TLSv1.")
    assert "PIPELINING" in facts["extensions"]
    assert facts["round_trips"] == 2


def test_verify_raises_what_sending_would() -> None:
    """A refused login is known before the first mail."""
    with ScriptedSMTPServer(tls="starttls", credentials={"zoe": "right"}) as server:
        mailer = Mailer(server.url(username="zoe", password="wrong"))
        with pytest.raises(AuthenticationFailed):
            mailer.verify()
        with pytest.raises(AuthenticationFailed):
            asyncio.run(mailer.averify())


def test_a_mailer_can_be_shown() -> None:
    """The repr says where mail goes."""
    assert repr(Mailer("smtp://zoe:s3cret@mail.example.com")) == "<Mailer <SMTPBackend mail.example.com:587>>"
    assert repr(Mailer("memory:")) == "<Mailer <MemoryBackend>>"
