"""What the server's extensions add to MAIL and RCPT, and what becomes of a mail that needs one that is not offered."""

from __future__ import annotations

from typing import Any

import faces
import pytest

from modernmail import Mailer, Message, Receipt
from modernmail.errors import ContentRefused, DeliveryError, SecurityFailed
from modernmail.testing import Rule, ScriptedSMTPServer

FACES = pytest.mark.parametrize("face", ["sync", "async"])
PIPELININGS = pytest.mark.parametrize("pipelining", [["PIPELINING"], []], ids=["pipelined", "one by one"])
ALL = ["SIZE 100000", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"]
YOU = "you@example.com"


def letter(**changes: Any) -> Message:
    """Return a small mail."""
    return Message(**{"text": "x", "from_email": "me@example.com", "to": YOU, **changes})


def send(url: str, message: Message, face: str) -> tuple[Receipt, DeliveryError | None]:
    """Send by either face; return the receipt, and the error when nobody was accepted."""

    try:
        return faces.send(Mailer(url), message, is_async=face == "async"), None
    except DeliveryError as error:
        refused = error
    assert refused.receipt is not None
    return refused.receipt, refused


def commands(server: ScriptedSMTPServer, *verbs: str) -> list[str]:
    """Return the commands of these verbs that the server was told."""
    steps = [step for session in server.sessions for step in session.steps]
    return [step.line.decode().strip() for step in steps if step.name in (verbs or ("MAIL", "RCPT"))]


@FACES
@PIPELININGS
def test_a_plain_mail_asks_for_nothing(pipelining: list[str], face: str) -> None:
    """Where all is offered, only the size is said; where nothing is, not even that."""
    with ScriptedSMTPServer(capabilities=[*ALL, *pipelining]) as server:
        assert send(server.url(), letter(), face)[1] is None
        size = len(server.commits[0].content)
        assert commands(server) == [f"MAIL FROM:<me@example.com> SIZE={size}", f"RCPT TO:<{YOU}>"]
    with ScriptedSMTPServer(capabilities=pipelining) as server:
        assert send(server.url(), letter(), face)[1] is None
        assert commands(server) == ["MAIL FROM:<me@example.com>", f"RCPT TO:<{YOU}>"]


@FACES
@PIPELININGS
def test_eight_bit_bodies(pipelining: list[str], face: str) -> None:
    """RFC 6152: a body of eight bits says so; it is refused here where that is not offered, and not encoded anew."""
    mail = letter(text="Grüße\n", body_encoding="8bit")
    with ScriptedSMTPServer(capabilities=["8BITMIME", *pipelining]) as server:
        assert send(server.url(), mail, face)[1] is None
        assert commands(server, "MAIL") == ["MAIL FROM:<me@example.com> BODY=8BITMIME"]
        assert "Grüße\r\n".encode() in server.commits[0].content
        assert server.sessions[0].violations == []
    with ScriptedSMTPServer(capabilities=pipelining) as server:
        receipt, error = send(server.url(), mail, face)
        assert isinstance(error, ContentRefused)
        assert "8BITMIME" in str(error)
        assert receipt.count("rejected") == 1
        assert commands(server) == []


@FACES
@PIPELININGS
def test_addresses_in_other_scripts(pipelining: list[str], face: str) -> None:
    """RFC 6531: asked for by a local part that is not ASCII; a domain alone goes as A-labels to any server."""
    domain = letter(to="you@bücher.example")
    with ScriptedSMTPServer(capabilities=pipelining) as server:
        assert send(server.url(), domain, face)[1] is None
        assert commands(server, "RCPT") == ["RCPT TO:<you@xn--bcher-kva.example>"]
    for mail in (
        letter(to=["zoë@bücher.example"]),
        letter(from_email="zoë@example.com"),
        letter(reply_to="zoë@example.com"),
    ):
        with ScriptedSMTPServer(capabilities=["SMTPUTF8", "8BITMIME", *pipelining]) as server:
            assert send(server.url(), mail, face)[1] is None
            assert commands(server, "MAIL")[0].endswith("> SMTPUTF8")
            assert "zoë@".encode() in server.commits[0].content
            assert server.sessions[0].violations == []
        with ScriptedSMTPServer(capabilities=pipelining) as server:
            receipt, error = send(server.url(), mail, face)
            assert isinstance(error, ContentRefused)
            assert "SMTPUTF8" in str(error)
            assert receipt.count("rejected") == 1
            assert commands(server) == []


@FACES
@PIPELININGS
def test_size(pipelining: list[str], face: str) -> None:
    """RFC 1870: a mail over the server's size is refused here; no limit, and a limit nobody can read, refuse nothing."""
    large = letter(text="x" * 70 + "\n" * 3000)
    with ScriptedSMTPServer(capabilities=["SIZE 1000", *pipelining]) as server:
        receipt, error = send(server.url(), large, face)
        assert isinstance(error, ContentRefused)
        assert "at most 1000" in str(error)
        assert receipt.count("rejected") == 1
        assert commands(server) == []
    for limit in ("SIZE", "SIZE 0", "SIZE many"):
        with ScriptedSMTPServer(capabilities=[limit, *pipelining]) as server:
            assert send(server.url(), large, face)[1] is None
            assert commands(server, "MAIL") == [
                f"MAIL FROM:<me@example.com> SIZE={len(server.commits[0].content)}"
            ]


@FACES
@PIPELININGS
def test_delivery_status_notifications(pipelining: list[str], face: str) -> None:
    """RFC 3461: wishes for the mail on MAIL, those for each recipient on RCPT with the address as it was given first."""
    mail = letter(to=[YOU, "o+ther=x@example.com", "quiet@example.com"]).dsn(
        notify=["failure", "delay"], ret="headers", envid="a+b=c d", recipients={"quiet@example.com": "never"}
    )
    with ScriptedSMTPServer(capabilities=["DSN", *pipelining]) as server:
        receipt, error = send(server.url(), mail, face)
        assert (error, receipt.notes) == (None, ())
        assert commands(server) == [
            "MAIL FROM:<me@example.com> RET=HDRS ENVID=a+2Bb+3Dc+20d",
            f"RCPT TO:<{YOU}> NOTIFY=FAILURE,DELAY ORCPT=rfc822;{YOU}",
            "RCPT TO:<o+ther=x@example.com> NOTIFY=FAILURE,DELAY ORCPT=rfc822;o+2Bther+3Dx@example.com",
            "RCPT TO:<quiet@example.com> NOTIFY=NEVER ORCPT=rfc822;quiet@example.com",
        ]


@FACES
def test_notifications_that_are_not_offered(face: str) -> None:
    """The mail is sent all the same, without a word of them, and the receipt says so."""
    with ScriptedSMTPServer(capabilities=["PIPELINING"]) as server:
        receipt, error = send(server.url(), letter().dsn(notify="success", ret="full", envid="x"), face)
        assert error is None
        assert receipt.notes == (
            "delivery-status notifications were asked for; the server does not offer DSN",
        )
        assert commands(server) == ["MAIL FROM:<me@example.com>", f"RCPT TO:<{YOU}>"]


@FACES
def test_required_tls(face: str) -> None:
    """RFC 8689: said over verified TLS where it is offered."""
    with ScriptedSMTPServer(capabilities=["REQUIRETLS", "PIPELINING"], tls="starttls") as server:
        assert send(server.url(), letter().require_tls(), face)[1] is None
        assert commands(server, "MAIL") == ["MAIL FROM:<me@example.com> REQUIRETLS"]
        assert send(server.url(), letter(), face)[1] is None
        assert commands(server, "MAIL")[1] == "MAIL FROM:<me@example.com>"


@FACES
@pytest.mark.parametrize(
    ("capabilities", "tls", "options"),
    [
        pytest.param([], "starttls", {}, id="not offered"),
        pytest.param(["REQUIRETLS"], "starttls", {"verify": "off"}, id="not verified"),
        pytest.param(["REQUIRETLS"], None, {}, id="no TLS"),
    ],
)
def test_required_tls_that_cannot_be_had(
    capabilities: list[str], tls: str | None, options: dict[str, str], face: str
) -> None:
    """Not offered, not verified, or no TLS at all: nothing is sent, and what was asked of others does not end a stream."""
    # a server that offers it in clear breaks RFC 8689 2, so a rule has to
    lies = [Rule("EHLO").reply("250-scripted.test\r\n250 REQUIRETLS")] if tls is None else []
    with ScriptedSMTPServer(lies, capabilities=capabilities, tls=tls) as server:
        receipt, error = send(server.url(**options), letter().require_tls(), face)
        assert isinstance(error, SecurityFailed)
        assert "REQUIRETLS" in str(error)
        assert receipt.count("deferred") == 1
        assert commands(server) == []


@FACES
def test_enhanced_status_codes(face: str) -> None:
    """RFC 2034: the code that begins the reply's text is there for each recipient, when its class agrees."""
    rules = [
        Rule("RCPT", contains="a@").reply("550 5.1.1 no such user"),
        Rule("RCPT", contains="b@").reply("450 5.1.1 says two things"),
        Rule("RCPT", contains="c@").reply("550 no code at all"),
    ]
    mail = letter(to=["a@example.com", "b@example.com", "c@example.com", YOU])
    with ScriptedSMTPServer(rules) as server:
        receipt, _ = send(server.url(), mail, face)
    replies = [outcome.reply for outcome in receipt.recipients.values()]
    assert [None if reply is None else reply.enhanced for reply in replies] == ["5.1.1", None, None, "2.0.0"]


@FACES
def test_the_null_path_and_the_literal(face: str) -> None:
    """RFC 5321 4.5.5 and 4.1.3: a bounce has `<>`, an address literal its brackets, a quoted local part its quotes."""
    mail = letter(to=["you@[192.0.2.1]", '"y o>u"@example.com'], return_path="")
    with ScriptedSMTPServer() as server:
        assert send(server.url(), mail, face)[1] is None
        size = len(server.commits[0].content)
        assert commands(server) == [
            f"MAIL FROM:<> SIZE={size}",
            "RCPT TO:<you@[192.0.2.1]>",
            'RCPT TO:<"y o>u"@example.com>',
        ]
