"""What is put into an argument stays in it, or the argument is refused: no line of SMTP is ever more than one command.

A table of known tricks and a search by hypothesis try every argument that reaches a command line. The judge is what the
server recorded: either nothing at all, or exactly the commands of one mail, each by the grammar of RFC 5321, naming the
very address that was given.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from budget import in_both_runs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interop.judge import said

from modernmail import Envelope, Mailer, Message
from modernmail.backends.smtp import SMTPBackend
from modernmail.errors import (
    AuthenticationFailed,
    ConfigurationError,
    DeliveryError,
    InvalidValue,
    MailError,
    RecipientsRefused,
)
from modernmail.smtp.settings import Settings
from modernmail.testing import ScriptedSMTPServer

from .grammar import judged
from .sender import FACES, send

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.postfix import Postfix

    Trial = Callable[["Victim", str], None]

EXTENSIONS = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE 1000000", "ENHANCEDSTATUSCODES"]
ADDRESSES = [
    "{0}", "{0}@example.com", "you{0}@example.com", "{0}you@example.com", "you@{0}example.com", "you@example.com{0}",
    "you@example{0}.com", '"{0}"@example.com', '"you{0}x"@example.com', "Name{0} <you@example.com>", "Name <you{0}@example.com>",
    "Name <you@example.com{0}>", "you@[127.0.0.1{0}]", "you@[IPv6:::1{0}]",
]  # fmt: skip
TRICKS = [
    "\r\n", "\n", "\r", "\0", "\r\nRCPT TO:<evil@example.net>", "\nDATA", "\r\n.\r\n", ">", "<", "> SIZE=1", ">\r\nDATA",
    "> NOTIFY=NEVER", "> BODY=8BITMIME", ">,<evil@example.net>", " ", "\t", "\x0b", "\x0c", "\x1c", "\x7f", "\x85", "\u2028",
    "\u2029", "\ufeff", "\u200b", "\udc0a", "\udc80", "%0d%0a", "%00", "\\r\\n", "=?utf-8?q?=0D=0A?=", "\u560a", "\u010a\u010d",
    "\uff1e", "\uff1c", "\u3000", '"', '\\"', "\\", "@", "@evil.example", ":", ";", ",", "(", ")", "(c)", "..", "|", "`id`",
    "$(id)", "a\r\n\tb", "+0D+0A", "é", "\u202e",
]  # fmt: skip
PIECES = [*TRICKS, "a", "b.c", "you", "@", "example.com", "<", ">", ".", "-", "=", "+", "ß", "я"]


class Victim:
    """A server and a warm connection to it; `told()` gives the commands since the last look, each judged."""

    def __init__(self, server: ScriptedSMTPServer, face: str) -> None:
        self.server = server
        self.face = face
        self._runner = asyncio.Runner()
        self._mailer = Mailer(server.url(pool=1))
        self._seen = 0
        self.send(letter())
        self.told()

    def send(self, mail: Message, envelope: Envelope | None = None) -> None:
        """Send by the victim's face."""
        if self.face == "async":
            self._runner.run(self._mailer.asend(mail, envelope=envelope))
        else:
            self._mailer.send(mail, envelope=envelope)

    def told(self) -> list[tuple[str, ...]]:
        """Return what the server was told since the last look; fail for a line that is no command."""
        (session,) = self.server.sessions
        fresh = session.steps[self._seen :]
        self._seen += len(fresh)
        return [judged(step.line, step.name) for step in fresh if step.name not in ("CONNECT", "BODY")]

    def close(self) -> None:
        """Close the connection."""
        if self.face == "async":
            self._runner.run(self._mailer.aclose())
        self._mailer.close()
        self._runner.close()


@pytest.fixture(scope="module", params=FACES)
def victim(request: pytest.FixtureRequest) -> Iterator[Victim]:
    """A server that takes all that is well formed, and a client that is connected."""
    with ScriptedSMTPServer(capabilities=EXTENSIONS) as server:
        found = Victim(server, request.param)
        yield found
        found.close()
        server.wait_until_idle()
        found.told()
        assert [session.violations for session in server.sessions if session.violations] == []
        assert len(server.sessions) == 1


def letter(**changes: Any) -> Message:
    """Return a small mail."""
    return Message(**{"text": "x", "from_email": "me@example.com", "to": "you@example.com", **changes})


def attempt(
    victim: Victim, build: Callable[[], tuple[Message, Envelope | None]]
) -> list[tuple[str, ...]] | None:
    """Build a mail and send it; return what the server was told, None when it was refused before anything was."""
    refused = None
    try:
        mail, envelope = build()
        victim.send(mail, envelope)
    except InvalidValue:
        assert victim.told() == []
        return None
    except DeliveryError as error:
        refused = error
    # taken here and refused by the server (it knows no such literal, say): as good, when the commands were
    assert refused is None or refused.reply is not None, refused
    return [command for command in victim.told() if command[0] != "RSET"]


def as_recipient(victim: Victim, value: str) -> None:
    """As the recipient of a message and of an envelope."""
    ways: list[Callable[[], tuple[Message, Envelope | None]]] = [
        lambda: (letter(to=[value]), None),
        lambda: (letter(bcc=[value], to=()), None),
        lambda: (letter(), Envelope("me@example.com", [value])),
    ]
    for build in ways:
        told = attempt(victim, build)
        if told is not None:
            mail, envelope = build()
            address = (mail.parcel().envelope if envelope is None else envelope).addresses[0]
            assert [command[0] for command in told] == ["MAIL", "RCPT", "DATA"]
            assert told[1][1] in (address.addr_spec, address.ascii_addr_spec)


def as_reverse_path(victim: Victim, value: str) -> None:
    """As the sender of a message, of its return_path, and of an envelope."""
    ways: list[Callable[[], tuple[Message, Envelope | None]]] = [
        lambda: (letter(from_email=value), None),
        lambda: (letter(return_path=value), None),
        lambda: (letter(), Envelope(value, ["you@example.com"])),
    ]
    for build in ways:
        told = attempt(victim, build)
        if told is not None:
            assert [command[0] for command in told] == ["MAIL", "RCPT", "DATA"]
            assert told[1][1] == "you@example.com"


def as_envid(victim: Victim, value: str) -> None:
    """As the ENVID of a delivery-status notification, and its recipient, which becomes ORCPT."""
    told = attempt(victim, lambda: (letter().dsn(notify=["failure"], ret="headers", envid=value), None))
    if told is not None:
        assert [command[0] for command in told] == ["MAIL", "RCPT", "DATA"]
    told = attempt(victim, lambda: (letter(to=[value]).dsn(notify=["failure"]), None))
    if told is not None:
        assert [command[0] for command in told] == ["MAIL", "RCPT", "DATA"]


TRIALS: list[Trial] = [as_recipient, as_reverse_path, as_envid]


@pytest.mark.parametrize("trial", TRIALS)
@pytest.mark.parametrize("shape", ADDRESSES)
def test_known_tricks(victim: Victim, shape: str, trial: Trial) -> None:
    """CR, LF, NUL, `>`, spaces, parameters and what looks like them, at every place of an address."""
    for trick in TRICKS:
        trial(victim, shape.replace("{0}", trick))


@in_both_runs
@pytest.mark.parametrize("trial", TRIALS)
def test_tricks_by_search(victim: Victim, trial: Trial, run: str) -> None:
    """The same for whatever hypothesis thinks of."""

    @settings(
        max_examples=150 if run == "few" else 20_000, suppress_health_check=list(HealthCheck), deadline=None
    )
    @given(st.lists(st.sampled_from(PIECES), max_size=7).map("".join) | st.text(max_size=30))
    def search(value: str) -> None:
        trial(victim, value)

    search()


@pytest.mark.once
def test_known_tricks_and_postfix(postfix: Postfix) -> None:
    """A real server delivers to those whom the receipts name as accepted, and to nobody else."""
    accepted: Counter[str] = Counter()
    with Mailer(postfix.url) as mailer:
        for shape in (
            "{0}@example.com",
            '"x{0}"@example.com',
            "you@example.com{0}",
            "Name{0} <you@example.com>",
        ):
            for trick in TRICKS:
                try:
                    receipt = mailer.send(letter(to=[shape.replace("{0}", trick)]))
                except (InvalidValue, RecipientsRefused):
                    continue
                accepted.update(said(recipient) for recipient in receipt.accepted)
    delivered = postfix.delivered()
    assert Counter(said(str(mail.recipient)) for mail in delivered) == accepted
    assert {mail.return_path for mail in delivered} == {"me@example.com"}
    assert accepted.total() > 50


# -- the greeting


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("trick", [*TRICKS, "me example", "", "a" * 300])
def test_the_name_we_greet_with(trick: str, face: str) -> None:
    """`ehlo=`, of a URL and of `Settings`, is a host name or an address literal; else nothing is even connected to."""
    with ScriptedSMTPServer() as server:
        for name in (trick, f"me{trick}.example.com", f"me.example.com{trick}", f"[127.0.0.1{trick}]"):
            url = f"smtp://127.0.0.1:{server.port}?ehlo={quote(name, errors='replace')}"
            for make in (
                Mailer,
                lambda _, name=name: Mailer(SMTPBackend(Settings("127.0.0.1", server.port, ehlo=name))),
            ):
                before = len(server.sessions)
                try:
                    mailer = make(url)
                except ConfigurationError:
                    assert len(server.sessions) == before
                    continue
                assert send(mailer, face) is None
        server.wait_until_idle()
        for session in server.sessions:
            for step in session.steps:
                if step.name not in ("CONNECT", "BODY"):
                    judged(step.line, step.name)


# -- credentials


SASL = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("mechanism", SASL)
def test_users_passwords_and_tokens(mechanism: str, face: str) -> None:
    """Whatever stands in them, AUTH is one line of base64 each time; the server reads what was given, or nothing is sent."""
    secrets = {"zoe": "secret"}  # the server looks into it at each login
    is_token = mechanism in ("XOAUTH2", "OAUTHBEARER")
    with ScriptedSMTPServer(credentials=secrets, mechanisms=[mechanism]) as server:
        for trick in TRICKS:
            for user, secret in ((f"zoe{trick}", "secret"), ("zoe", f"s{trick}ecret"), (trick, trick)):
                secrets[user] = secret
                login: dict[str, Any] = (
                    {"token": lambda secret=secret: secret} if is_token else {"password": secret}
                )
                before, taken = len(server.sessions), len(server.commits)
                try:
                    error: MailError | None = send(
                        Mailer(server.url(tls="off"), username=user, **login), face
                    )
                except ConfigurationError as refused:
                    error = refused
                server.wait_until_idle()
                sessions = server.sessions[before:]
                steps = [step for session in sessions for step in session.steps]
                told = [judged(s.line, s.name)[0] for s in steps if s.name not in ("CONNECT", "BODY")]
                if error is None:
                    assert sessions[0].user == user
                    continue
                assert isinstance(error, (ConfigurationError, AuthenticationFailed)), error
                assert set(told) <= {"EHLO", "QUIT"}, (user, secret, told)
                assert len(server.commits) == taken
