"""What the server's extensions add to MAIL and RCPT, and what becomes of a mail that needs one that is not offered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import faces
import pytest

from modernmail import Mailer, Message, Receipt
from modernmail.errors import ContentRefused, DeliveryError, SecurityFailed
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

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


def send_many(
    url: str, messages: Iterable[Message], face: str, told: Callable[[], None] = lambda: None
) -> list[Receipt]:
    """Send them over one connection; `told` is called at each receipt."""
    receipts: list[Receipt] = []

    async def run() -> None:
        async with Mailer(url) as mailer, mailer.asend_many(messages) as sending:
            async for receipt in sending:
                told()
                receipts.append(receipt)

    if face == "async":
        asyncio.run(run())
        return receipts
    with Mailer(url) as mailer, mailer.send_many(messages) as sending:
        for receipt in sending:
            told()
            receipts.append(receipt)
    return receipts


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
    for mail, who in (
        (letter(to=["zoë@bücher.example"]), "zoë@bücher.example"),
        (letter(from_email="zoë@example.com"), "zoë@example.com"),
        (letter(reply_to="zoë@example.com"), "an address in the header"),
    ):
        with ScriptedSMTPServer(capabilities=["SMTPUTF8", "8BITMIME", *pipelining]) as server:
            assert send(server.url(), mail, face)[1] is None
            assert commands(server, "MAIL")[0].endswith("> SMTPUTF8")
            assert "zoë@".encode() in server.commits[0].content
            assert server.sessions[0].violations == []
        with ScriptedSMTPServer(capabilities=pipelining) as server:
            receipt, error = send(server.url(), mail, face)
            assert isinstance(error, ContentRefused)
            assert str(error) == f"{who} needs SMTPUTF8 and the server does not offer it"
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
@pytest.mark.parametrize("options", [{}, {"chunking": "on", "window": 8}], ids=["data", "bdat"])
def test_what_is_refused_here_keeps_its_place(options: dict[str, Any], face: str) -> None:
    """Mails too large for SIZE, among others: one receipt each, in the order of the input, over one connection."""
    sizes = [9000, 10, 9000, 9000, 10, 10, 9000]
    with ScriptedSMTPServer(capabilities=["SIZE 5000", "PIPELINING", "CHUNKING"]) as server:
        receipts = send_many(
            server.url(**options), [letter(text="y\n" * (size // 2)) for size in sizes], face
        )
        assert len(server.sessions) == 1
    assert [receipt.position for receipt in receipts] == list(range(len(sizes)))
    assert [receipt.is_complete for receipt in receipts] == [size < 5000 for size in sizes]


@FACES
@pytest.mark.parametrize("options", [{}, {"chunking": "on", "window": 8}], ids=["data", "bdat"])
def test_many_that_are_refused_here_are_told_one_by_one(options: dict[str, Any], face: str) -> None:
    """The receipt of the first comes before many others are pulled, so that memory stays bounded."""
    pulled = 0

    def letters() -> Iterator[Message]:
        nonlocal pulled
        for _ in range(50):
            pulled += 1
            yield letter(text="y" * 9000)

    told: list[int] = []
    with ScriptedSMTPServer(capabilities=["SIZE 5000", "PIPELINING", "CHUNKING"]) as server:
        send_many(server.url(**options), letters(), face, lambda: told.append(pulled))
    assert len(told) == 50
    assert max(pulled - place for place, pulled in enumerate(told)) <= 3


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
def test_the_original_recipient_in_another_script(face: str) -> None:
    """RFC 6533 3: as it is, in UTF-8, with `\\x{…}` for what a parameter cannot hold; xtext is for ASCII alone."""
    mail = letter(to=["zoë@example.com", "+zo=ë@example.com", '"zo ë\\\\"@example.com']).dsn(notify="failure")
    with ScriptedSMTPServer(capabilities=["DSN", "SMTPUTF8", "8BITMIME", "PIPELINING"]) as server:
        assert send(server.url(), mail, face)[1] is None
        assert [command.partition(" ORCPT=")[2] for command in commands(server, "RCPT")] == [
            "utf-8;zoë@example.com",
            r"utf-8;\x{2B}zo\x{3D}ë@example.com",
            r'utf-8;"zo\x{20}ë\x{5C}\x{5C}"@example.com',
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
