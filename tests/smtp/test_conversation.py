"""What an error and a receipt tell of the conversation: what was said and answered, and never a secret or a content."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest
from faces import faces

from modernmail import Mailer, Message
from modernmail.errors import DeliveryError
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable

SECRETS = ("correct horse", "s3cret-token", "the text of the mail")


def failure(url: str, *, is_async: bool, **changes: Any) -> DeliveryError:
    """Send to two recipients and return the error."""
    mailer = Mailer(url, **changes)
    message = Message(
        "x", "the text of the mail", from_email="me@example.com", to=["a@example.com", "b@example.com"]
    )
    with pytest.raises(DeliveryError) as failed:
        asyncio.run(mailer.asend(message)) if is_async else mailer.send(message)
    mailer.close()
    return failed.value


def no_secret_in(error: DeliveryError) -> None:
    """Fail when any of the secrets shows, as it is or in base64."""
    told = "\n".join((*error.conversation, repr(error), str(error)))
    for secret in SECRETS:
        assert secret not in told
    for word in told.split():
        try:
            plain = base64.b64decode(word, validate=True).decode("utf-8", "replace")
        except ValueError:
            continue
        assert not any(secret in plain for secret in SECRETS), word


modes = pytest.mark.parametrize("capabilities", [["PIPELINING"], []], ids=["pipelined", "stepwise"])


@faces
@modes
@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule("MAIL").reply("550 5.7.1 not you"), ["> MAIL FROM:<me@example.com>", "< 550 5.7.1 not you"]),
        (
            Rule("RCPT").reply("550 5.1.1 nobody"),
            [
                "> RCPT TO:<a@example.com>",
                "< 550 5.1.1 nobody",
                "> RCPT TO:<b@example.com>",
                "< 550 5.1.1 nobody",
            ],
        ),
        (Rule("DATA").reply("451 4.3.0 later"), ["> DATA", "< 451 4.3.0 later"]),
        (Rule("BODY").reply("554 5.7.1 spam"), ["> … content of", "< 554 5.7.1 spam"]),
        (Rule("BODY").close(), ["< 354", "> … content of", "! the server closed the connection"]),
        (
            Rule("RCPT", nth=2).close(),
            ["> RCPT TO:<a@example.com>", "< 250", "! the server closed the connection"],
        ),
        (Rule("CONNECT").reply("554 5.7.1 go away"), ["< 554 5.7.1 go away"]),
        (Rule("EHLO").reply("421 4.3.2 later"), ["< 220", "> EHLO", "< 421 4.3.2 later"]),
    ],
    ids=["mail", "rcpt", "data", "body", "cut", "cut-rcpt", "greeting", "ehlo"],
)
def test_what_was_said_is_told(rule: Rule, told: list[str], capabilities: list[str], is_async: bool) -> None:
    """Commands and replies are there in their order, for a refusal as for a broken connection; the content is not."""
    with ScriptedSMTPServer([rule], capabilities=capabilities) as server:
        error = failure(server.url(timeout=5), is_async=is_async)
    at = 0
    for line in told:
        at = next(
            (
                place + 1
                for place in range(at, len(error.conversation))
                if error.conversation[place].startswith(line)
            ),
            0,
        )
        assert at, f"{line!r} is not in, or not in its place in\n" + "\n".join(error.conversation)
    assert error.receipt is not None
    assert error.receipt.conversation == error.conversation
    no_secret_in(error)


@faces
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"])
def test_a_refused_login_tells_no_secret(mechanism: str, is_async: bool) -> None:
    """AUTH and the last reply are there; name, password and token are not, in no mechanism."""
    is_token = mechanism in ("XOAUTH2", "OAUTHBEARER")
    login: dict[str, Any] = {"username": "zoe"}
    login |= {"token": lambda: "s3cret-token"} if is_token else {"password": "correct horse"}
    with ScriptedSMTPServer(credentials={"zoe": "another"}, mechanisms=[mechanism]) as server:
        error = failure(server.url(tls="off"), is_async=is_async, **login)
    assert any(line.startswith(f"> AUTH {mechanism}") for line in error.conversation)
    assert any(line.startswith("< 535") for line in error.conversation)
    no_secret_in(error)


@faces
@pytest.mark.parametrize("cut", [None, 40], ids=["whole", "cut-off"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"])
def test_a_server_that_repeats_the_login_tells_no_secret(
    mechanism: str, cut: int | None, is_async: bool
) -> None:
    """As Sendmail does with a command it does not know, cut off when it is long: what was secret is not shown."""
    is_token = mechanism in ("XOAUTH2", "OAUTHBEARER")
    login: dict[str, Any] = {"username": "zoe"}
    login |= {"token": lambda: "s3cret-token" * 9} if is_token else {"password": "correct horse" * 3}
    with _Echo(mechanism, cut) as echo:
        error = failure(f"{echo.url}?tls=off", is_async=is_async, **login)
    assert echo.repeated
    told = "\n".join((*error.conversation, repr(error), str(error), str(error.reply)))
    assert "Command unrecognized" in told
    for word in echo.repeated:
        assert word.decode() not in told, word
    no_secret_in(error)


class _Echo:
    """A server that repeats the last line of a login when it refuses it."""

    def __init__(self, mechanism: str, cut: int | None) -> None:
        self.repeated: list[bytes] = []
        self._mechanism = mechanism
        self._cut = cut
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"smtp://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> _Echo:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()

    def _serve(self) -> None:
        with self._listener, self._listener.accept()[0] as connection, connection.makefile("rb") as lines:
            connection.settimeout(10)
            connection.sendall(b"220 echo\r\n")
            lines.readline()
            connection.sendall(f"250-echo\r\n250 AUTH {self._mechanism}\r\n".encode())
            lines_of_login = {"LOGIN": 3, "CRAM-MD5": 2}.get(self._mechanism, 1)
            line = lines.readline()
            for _ in range(lines_of_login - 1):
                connection.sendall(b"334 PDEyM0BlY2hvPg==\r\n")
                line = lines.readline()
            said = line.strip()[: self._cut]
            self.repeated += [word for word in said.split() if len(word) > 16]
            connection.sendall(b'500 5.5.1 Command unrecognized: "%s"\r\n' % said)
            lines.readline()


@faces
def test_a_partial_refusal_is_told_in_the_receipt(is_async: bool) -> None:
    """One of two refused: no error, and the receipt has the conversation; a smooth mail's receipt has none."""
    refused = Rule("RCPT", contains="b@").reply("550 5.1.1 nobody")
    message = Message("x", "y", from_email="me@example.com", to=["a@example.com", "b@example.com"])
    send: Callable[[Mailer, Message], Any] = (
        (lambda mailer, mail: asyncio.run(mailer.asend(mail))) if is_async else Mailer.send
    )
    with ScriptedSMTPServer([refused]) as server:
        mailer = Mailer(server.url())
        receipt = send(mailer, message)
        smooth = send(mailer, Message("x", "y", from_email="me@example.com", to="a@example.com"))
        mailer.close()
    assert "< 550 5.1.1 nobody" in receipt.conversation
    assert smooth.conversation == ()


def test_it_stays_short() -> None:
    """A mail to 2,000 that all are refused leaves 201 lines, the first and the last among them."""
    crowd = [f"r{number}@example.com" for number in range(2000)]
    with (
        ScriptedSMTPServer([Rule("RCPT").reply("550 5.1.1 " + "no " * 300)]) as server,
        pytest.raises(DeliveryError) as failed,
        Mailer(server.url(max_recipients=10000)) as mailer,
    ):
        mailer.send(Message("x", "y", from_email="me@example.com", to=crowd))
    told = failed.value.conversation
    assert len(told) <= 201
    assert told[0].startswith("> MAIL FROM")
    assert any("lines left out" in line for line in told)
    assert max(map(len, told)) < 600
