"""What is said when nothing can be sent: the same sync and async, in the log too, with what to look at next."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from modernmail import Mailer, Message
from modernmail.errors import (
    AuthenticationFailed,
    ConfigurationError,
    ConnectFailed,
    DeliveryError,
    SecurityFailed,
)
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator


def failure(url: str, mode: str, *, many: bool = False) -> DeliveryError:
    """Return the error of sending a mail by a URL."""
    message = Message("Hi", "Hello", from_email="me@example.com", to=["zoe@example.com"])

    async def under_asyncio() -> None:
        async with Mailer(url) as mailer:
            if many:
                await mailer.asend_many([message, message]).finish()
            else:
                await mailer.asend(message)

    def in_threads() -> None:
        with Mailer(url) as mailer:
            if many:
                mailer.send_many([message, message]).finish()
            else:
                mailer.send(message)

    with pytest.raises(DeliveryError) as caught:
        asyncio.run(under_asyncio()) if mode == "async" else in_threads()
    return caught.value


both = pytest.mark.parametrize("mode", ["sync", "async"])


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A port where connections are taken, and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@both
def test_nobody_listens(mode: str) -> None:
    """The text of the system, and no words of the library that connected."""
    error = failure("smtp://127.0.0.1:1", mode)
    assert str(error) == (
        "127.0.0.1:1: Connection refused (nothing listens there: check host and port, and that the server runs)"
    )


@both
def test_an_ipv6_host_is_told_from_its_port(mode: str) -> None:
    """The address stands in brackets, as in a URL."""
    assert str(failure("smtp://[::1]:1", mode)).startswith("[::1]:1: ")


@both
def test_a_name_that_is_none(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The advice is about the name and DNS."""

    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert str(failure("smtp://localhost", mode)) == (
        "localhost:25: Name or service not known (check the name of the host, and this machine's DNS)"
    )


@both
def test_tls_from_the_first_octet_where_starttls_is_spoken(mode: str) -> None:
    """`smtps://` on a port that greets in clear: the error names `smtp://`."""
    with ScriptedSMTPServer() as server:
        error = failure(server.url().replace("smtp:", "smtps:"), mode)
    assert isinstance(error, SecurityFailed)
    assert str(error).endswith("(the server does not begin with TLS: if it has STARTTLS, it is smtp://)")


@both
def test_silence_where_tls_is_awaited(listener: socket.socket, mode: str) -> None:
    """A server that waits for TLS, or for its own turn, says nothing: the error says how long that was."""
    port = listener.getsockname()[1]
    told = f"127.0.0.1:{port}: no answer within 0.2 s"
    assert str(failure(f"smtp://127.0.0.1:{port}?timeout=0.2", mode)) == told
    assert str(failure(f"smtps://127.0.0.1:{port}?timeout=0.2", mode)) == (
        f"{told} (if TLS begins by STARTTLS there, it is smtp://)"
    )


@both
def test_a_certificate_of_nobody_we_trust(mode: str) -> None:
    """An authority of one's own is named by `?ca=`, which the error says."""
    with ScriptedSMTPServer(tls="starttls") as server:
        error = failure(f"smtp://127.0.0.1:{server.port}?tls=required", mode)
    assert isinstance(error, SecurityFailed)
    assert "certificate verification failed: " in str(error)
    assert str(error).endswith(" (if the authority is your own, name its file: ?ca=FILE)")


@both
def test_a_server_of_something_else(listener: socket.socket, mode: str) -> None:
    """What answers is no mail server: the error shows what it said, and that later will be no better."""

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    thread = threading.Thread(target=answer)
    thread.start()
    error = failure(f"smtp://127.0.0.1:{listener.getsockname()[1]}", mode)
    thread.join()
    assert str(error).endswith(": not an SMTP reply: 'HTTP/1.1 400 Bad Request'")
    assert not error.is_transient


@both
@pytest.mark.parametrize("many", [False, True], ids=["send", "send_many"])
def test_what_a_sending_ended_for_is_in_receipt_and_log(
    mode: str, many: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A refused login ends the sending; the mail in hand says so, and not that somebody closed it."""
    rules = [Rule("AUTH").reply("535 5.7.8 bad credentials")]
    with (
        ScriptedSMTPServer(rules, capabilities=["AUTH PLAIN"]) as server,
        caplog.at_level(logging.WARNING, "modernmail"),
    ):
        error = failure(server.url(tls="off").replace("smtp://", "smtp://zoe:s3cret@"), mode, many=many)
    assert isinstance(error, AuthenticationFailed)
    assert error.receipt is not None
    outcome = error.receipt.recipients["zoe@example.com"]
    assert str(outcome) == "deferred: 535 5.7.8 bad credentials"
    assert "did not accept the credentials of 'zoe'" in str(outcome.reason)
    texts = [record.getMessage() for record in caplog.records]
    assert texts[0].endswith(
        " was not accepted by 127.0.0.1 for zoe@example.com (deferred: 535 5.7.8 bad credentials): AuthenticationFailed"
    )
    assert not any("s3cret" in text for text in texts)


@both
def test_a_server_that_wants_a_login(mode: str) -> None:
    """530 to MAIL: the error says what is missing (RFC 4954 6)."""
    with ScriptedSMTPServer([Rule("MAIL").reply("530 5.7.0 Authentication required")]) as server:
        error = failure(server.url(), mode)
    assert str(error).startswith("the server wants a user and a password before it takes mail: 530")


@both
def test_a_lost_reply_is_no_refusal_in_the_log(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    """Who reads the log at night must not send again: the mail may have been accepted."""
    with ScriptedSMTPServer([Rule("BODY").close()]) as server, caplog.at_level(logging.WARNING, "modernmail"):
        failure(server.url(), mode)
    (record,) = caplog.records
    assert " may have been accepted by 127.0.0.1 for zoe@example.com (unknown: " in record.getMessage()


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("smtp://zoe:a/b@mail.example.com", "%2F %3F %23 %40"),
        ("smtp://zoe:a?b@mail.example.com", "%2F %3F %23 %40"),
        ("smtp://zoe:a#b@mail.example.com", "%2F %3F %23 %40"),
        ("smtp://one.example,two.example", "failover(smtp://a smtp://b)"),
        ("smtp://mail.example.com:0", "port 0 is none"),
        ("memory:shop", "memory: takes nothing behind it"),
        ("localhost:25", "the URL of a server is written smtp://host:port"),
        ("file://outgoing/mails", "a folder is file:///srv/mails, or file:mails for one below here"),
    ],
)
def test_a_url_with_a_common_slip(url: str, advice: str) -> None:
    """The error says how it is written, and shows no part of a password."""
    with pytest.raises(ConfigurationError) as caught:
        Mailer(url)
    assert advice in str(caught.value)
    assert "a/b" not in str(caught.value)


@pytest.mark.parametrize("host", ["shop-mailpit-1", "mailpit.team-2", "mail_hog", "10.0.0.5"])
def test_hosts_that_only_the_resolver_knows(host: str) -> None:
    """Names of containers and clusters end in no top-level domain, and are hosts all the same."""
    assert Mailer(f"smtp://{host}:1025").backend.hosts == (host,)


def test_a_mail_that_was_given_up_in_time_says_that_nothing_was_sent() -> None:
    """`wait_for` while the server thinks about a recipient: nothing is in doubt."""
    message = Message("Hi", "Hello", from_email="me@example.com", to=["zoe@example.com"])

    async def impatient() -> None:
        with ScriptedSMTPServer([Rule("RCPT").hang()]) as server:
            async with Mailer(server.url()) as mailer:
                sending = asyncio.ensure_future(mailer.asend(message))
                await asyncio.to_thread(server.wait_for_step, "RCPT")
                sending.cancel()
                with pytest.raises(asyncio.CancelledError) as caught:
                    await sending
        outcome = caught.value.receipt.recipients["zoe@example.com"]  # type: ignore[attr-defined]
        assert str(outcome) == "deferred: interrupted before it was sent"

    asyncio.run(impatient())


@both
def test_a_line_that_breaks_within_the_content_refuses_nothing(mode: str) -> None:
    """Who drops mail whose content was refused must not drop this one: nobody has judged it."""
    large = Message("Hi", "Hello", from_email="me@example.com", to=["zoe@example.com"])
    large.attach("data.bin", bytes(20_000_000))

    async def under_asyncio(url: str) -> None:
        async with Mailer(url) as mailer:
            await mailer.asend(large)

    with (
        ScriptedSMTPServer([Rule("DATA").reply("354 go on").close()]) as server,
        pytest.raises(ConnectFailed, match="before the content was sent to zoe@") as caught,
    ):
        asyncio.run(under_asyncio(server.url())) if mode == "async" else Mailer(server.url()).send(large)
    assert caught.value.is_transient
    assert caught.value.receipt is not None
    outcome = caught.value.receipt.recipients["zoe@example.com"]
    assert (outcome.status, outcome.reply) == ("deferred", None)
