"""AUTH as the mechanisms want it said: what goes with the command, what waits for a challenge, what answers an error."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import pytest
from faces import faces

from modernmail import Mailer, Message
from modernmail.errors import AuthenticationFailed, ConnectFailed, SecurityFailed
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail import Receipt

MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"]


def login(mechanism: str, secret: str) -> dict[str, Any]:
    """Return what a mailer is given for a mechanism."""
    if "OAUTH" in mechanism:
        return {"username": "zoe", "token": lambda: secret}
    return {"username": "zoe", "password": secret}


def send(server: ScriptedSMTPServer, *, is_async: bool, **changes: Any) -> Receipt:
    """Send one mail."""
    message = Message("x", "y", from_email="me@example.com", to="you@example.com")
    mailer = Mailer(server.url(tls="off", timeout=5), **changes)
    if is_async:
        return asyncio.run(mailer.asend(message))
    with mailer:
        return mailer.send(message)


@faces
@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("secret", ["short", "pässword ✓", "t" * 1500])
def test_each_mechanism_lets_in(mechanism: str, secret: str, is_async: bool) -> None:
    """Short, long and non-ASCII secrets; no command is longer than 512 octets (RFC 5321 4.5.3.1.4)."""
    if "OAUTH" in mechanism and not secret.isascii():
        secret = "ya29.short"
    with ScriptedSMTPServer(credentials={"zoe": secret}, mechanisms=[mechanism]) as server:
        assert send(server, is_async=is_async, **login(mechanism, secret)).is_complete
        session = server.sessions[0]
    assert session.user == "zoe"
    assert max(len(line) for line in session.commands if line.upper().startswith(b"AUTH")) <= 512


@faces
@pytest.mark.parametrize(("mechanism", "answer"), [("OAUTHBEARER", b"AQ==\r\n"), ("XOAUTH2", b"\r\n")])
def test_the_error_of_a_token_is_acknowledged(mechanism: str, answer: bytes, is_async: bool) -> None:
    """RFC 7628 3.2.3: one octet 0x01; XOAUTH2 wants an empty line. Then the 535 comes, and is the reply."""
    with ScriptedSMTPServer(credentials={"zoe": "good"}, mechanisms=[mechanism]) as server:
        with pytest.raises(AuthenticationFailed) as failed:
            send(server, is_async=is_async, **login(mechanism, "bad"))
        assert server.sessions[0].step("AUTHDATA").line == answer
    assert failed.value.reply is not None
    assert failed.value.reply.code == 535
    assert failed.value.receipt is not None
    assert failed.value.receipt.retry_recipients() == ("you@example.com",)


@faces
def test_a_token_that_the_error_repeats_is_not_told(is_async: bool) -> None:
    """The challenge says why in JSON; what it says of the token itself stays between the two."""
    said = base64.b64encode(b'{"status":"401","scope":"not for the-secret-token"}').decode()
    script = [Rule("AUTH").reply(f"334 {said}"), Rule("AUTHDATA").reply("535 5.7.8 no")]
    with (
        ScriptedSMTPServer(script, credentials={"zoe": "x"}, mechanisms=["XOAUTH2"]) as server,
        pytest.raises(AuthenticationFailed, match=r"535 5\.7\.8 no \(status 401\)") as failed,
    ):
        send(server, is_async=is_async, username="zoe", token=lambda: "the-secret-token")
    assert "the-secret-token" not in str(failed.value)
    assert "< 334 …" in failed.value.conversation


@faces
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("is_late", [False, True])
def test_a_secret_that_the_server_repeats_in_words_is_not_told(
    mechanism: str, is_late: bool, is_async: bool
) -> None:
    """A server that says what it has decoded brings no secret into an error, a receipt or a log."""
    step = "AUTHDATA" if mechanism == "LOGIN" or is_late else "AUTH"
    script = [Rule(step, nth=2 if mechanism == "LOGIN" else 1).reply("535 5.7.8 zoe gave 'bad word', no")]
    if is_late and mechanism != "LOGIN":
        script.append(Rule("AUTH").reply("334 e30="))  # a challenge comes before, although all was said
    given = {"password": "bad word"} if mechanism in ("PLAIN", "LOGIN") else {"token": lambda: "bad word"}
    with (
        ScriptedSMTPServer(script, credentials={"zoe": "x"}, mechanisms=[mechanism]) as server,
        pytest.raises(AuthenticationFailed, match=r"535 5\.7\.8 zoe gave '…', no") as failed,
    ):
        send(server, is_async=is_async, username="zoe", **given)
    assert "bad word" not in f"{failed.value!r} {vars(failed.value)} {failed.value.receipt!r}"


@faces
@pytest.mark.parametrize(
    "said", ["", "***", "bnVsbA==", "W10=", "eyJzdGF0dXMiOjQwMX0=", base64.b64encode(b"[" * 4000).decode()]
)
def test_a_challenge_that_explains_nothing(said: str, is_async: bool) -> None:
    """No JSON, no object, no words: the reply stands alone."""
    script = [Rule("AUTH").reply(f"334 {said}"), Rule("AUTHDATA").reply("535 5.7.8 no")]
    with (
        ScriptedSMTPServer(script, credentials={"zoe": "x"}, mechanisms=["XOAUTH2"]) as server,
        pytest.raises(AuthenticationFailed, match=r"\(XOAUTH2\): 535 5\.7\.8 no$"),
    ):
        send(server, is_async=is_async, username="zoe", token=lambda: "bad")


def tokens(*given: str) -> Iterator[str]:
    """Yield these, and then fail."""
    yield from given
    raise AssertionError("asked once too often")


@pytest.mark.parametrize("kind", ["sync", "async", "coroutine"])
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
def test_a_provider_is_asked_again_once(kind: str, mechanism: str) -> None:
    """After a 535 another token is asked for and tried; a third is not, as logins that fail lock an account."""
    for given, is_good in ((("bad", "good"), True), (("bad", "worse"), False)):
        source = tokens(*given)

        async def provide(source: Iterator[str] = source) -> str:
            await asyncio.sleep(0)
            return next(source)

        token = provide if kind == "coroutine" else lambda source=source: next(source)
        with ScriptedSMTPServer(credentials={"zoe": "good"}, mechanisms=[mechanism]) as server:
            settings = {"username": "zoe", "token": token, "is_async": kind != "sync"}
            if is_good:
                assert send(server, **settings).is_complete
            else:
                with pytest.raises(AuthenticationFailed):
                    send(server, **settings)
            steps = [step.name for session in server.sessions for step in session.steps]
        assert steps.count("AUTH") == 2
        assert len(server.sessions) == 1


@faces
def test_a_password_is_not_tried_twice(is_async: bool) -> None:
    """One AUTH, and no mail: the next send is the caller's decision."""
    with ScriptedSMTPServer(credentials={"zoe": "right"}) as server:
        with pytest.raises(AuthenticationFailed):
            send(server, is_async=is_async, username="zoe", password="wrong")
        assert [step.name for step in server.sessions[0].steps].count("AUTH") == 1


@faces
def test_a_provider_that_fails_is_named(is_async: bool) -> None:
    """Its error is the cause, and its words, which may hold a secret, are not repeated; trying later may help."""

    def provide() -> str:
        raise OSError("the secret is hunter2")

    with ScriptedSMTPServer(credentials={"zoe": "x"}, mechanisms=["XOAUTH2"]) as server:
        with pytest.raises(AuthenticationFailed, match="token provider for 'zoe' failed: OSError") as failed:
            send(server, is_async=is_async, username="zoe", token=provide)
        assert not any(step.name == "AUTH" for step in server.sessions[0].steps)
    assert failed.value.is_transient
    assert isinstance(failed.value.__cause__, OSError)
    assert "hunter2" not in str(failed.value)


@faces
def test_a_challenge_that_comes_all_the_same_is_answered(is_async: bool) -> None:
    """A server that ignores what goes with AUTH PLAIN and asks for it gets it (RFC 4954 4)."""
    message = base64.b64encode(b"\0zoe\0secret") + b"\r\n"
    script = [Rule("AUTH").reply("334 "), Rule("AUTHDATA").reply("235 2.7.0 welcome")]
    with ScriptedSMTPServer(script, credentials={"zoe": "secret"}, mechanisms=["PLAIN"]) as server:
        assert send(server, is_async=is_async, username="zoe", password="secret").is_complete
        assert server.sessions[0].step("AUTHDATA").line == message


@faces
@pytest.mark.parametrize(
    ("script", "mechanisms", "error", "told"),
    [
        (
            [Rule("EHLO").reply("250-x\r\n250 AUTH GSSAPI NTLM")],
            ["PLAIN"],
            SecurityFailed,
            "offers no AUTH mechanism we know: GSSAPI, NTLM",
        ),
        ([], [], SecurityFailed, "offers no AUTH, and a username is given"),
        ([Rule("AUTH").reply("334 ***")], ["CRAM-MD5"], AuthenticationFailed, "challenge is not base64"),
        ([Rule("AUTH").reply("454 4.7.0 later")], ["PLAIN"], AuthenticationFailed, "454 4.7.0 later"),
        ([Rule("AUTH").close()], ["PLAIN"], ConnectFailed, r"closed|EOF"),
    ],
)
def test_what_goes_wrong_sends_nothing(
    script: list[Rule], mechanisms: list[str], error: type[Exception], told: str, is_async: bool
) -> None:
    """Each has an error of its own, and MAIL is never said."""
    with ScriptedSMTPServer(script, credentials={"zoe": "secret"}, mechanisms=mechanisms) as server:
        with pytest.raises(error, match=told.replace("*", r"\*")):
            send(server, is_async=is_async, username="zoe", password="secret")
        assert not any(step.name == "MAIL" for step in server.sessions[0].steps)
