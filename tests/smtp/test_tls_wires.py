"""What TLS says for itself is no word of the server's: sessions outlive it, and nobody runs in circles for it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from faces import faces, send_each
from services.openssl import OpenSSLServer

from modernmail import Mailer, Message
from modernmail.errors import ConnectFailed, DeliveryError
from modernmail.runtime import run_blocking
from modernmail.smtp.extensions import Extensions
from modernmail.smtp.patience import Patience
from modernmail.smtp.replies import WireFault
from modernmail.smtp.settings import Settings
from modernmail.smtp.wires.blocking import BlockingWire
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.certificates import CertificateAuthority

MAIL = Message("x", "y", from_email="me@example.com", to="you@example.com")


@faces
@pytest.mark.parametrize(("version", "orders"), [("tls1_3", "Kk"), ("tls1_2", "r")])
def test_what_tls_says_on_an_idle_connection(
    version: str, orders: str, is_async: bool, certificate_authority: CertificateAuthority
) -> None:
    """Keys that are updated and parameters that are agreed on anew: the next mail goes over the same connection."""

    async def under_asyncio() -> None:
        async with Mailer(url) as mailer:
            await mailer.asend(MAIL)
            for order in orders:
                server.obey(order)  # what it sends is there when the loop looks next
            await mailer.asend(MAIL)

    with OpenSSLServer(certificate_authority.issue("127.0.0.1"), version) as server:
        url = f"smtps://127.0.0.1:{server.port}?ca={certificate_authority.ca_file}&timeout=10"
        if is_async:
            asyncio.run(under_asyncio())
        else:
            with Mailer(url) as mailer:
                mailer.send(MAIL)
                for order in orders:
                    server.obey(order)
                mailer.send(MAIL)
        assert [server.commands.count(verb) for verb in (b"EHLO", b"MAIL", b".")] == [1, 2, 2]


@faces
@pytest.mark.parametrize("tls", ["implicit", "starttls"])
def test_the_authorities_are_read_once(tls: str, is_async: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading them takes longer than a handshake: it is done for a mailer, not for each of its connections."""
    made: list[str] = []
    make = ssl.create_default_context

    def counting(**options: Any) -> ssl.SSLContext:
        made.append(options["cafile"])
        return make(**options)

    monkeypatch.setattr(ssl, "create_default_context", counting)
    with ScriptedSMTPServer(tls=tls) as server:
        send_each(Mailer(server.url(max_messages=1)), [MAIL] * 3, is_async=is_async)
        assert len(server.sessions) == 3
    assert made == [str(server.ca_file)]


@faces
@pytest.mark.parametrize("tls", [None, "implicit", "starttls"])
@pytest.mark.parametrize("end", [Rule.close, Rule.reset], ids=["closed", "reset"])
def test_a_session_that_ends_as_it_is_opened(
    end: Callable[[Rule], Rule], tls: str | None, is_async: bool
) -> None:
    """Behind the last reply to the opening comes the end: it is heard, not waited out."""
    last = end(Rule("AUTH").reply("235 2.7.0 welcome"))
    with ScriptedSMTPServer([last], tls=tls, credentials={"me": "secret"}) as server:
        options = {"tls": "off"} if tls is None else {}  # a password in clear wants to be asked for
        url = server.url(username="me", password="secret", timeout=5, **options)
        for _ in range(5):
            with pytest.raises(ConnectFailed) as failed:
                send_each(Mailer(url), [MAIL], is_async=is_async)
            assert "no reply within" not in str(failed.value)


HELLO_REQUEST = b"\x16\x03\x03\x00\x04\x00\x00\x00\x00"  # RFC 5246 7.4.1.1: clients ignore it in a handshake


def flooded(server: socket.socket, *, begin_tls: bool) -> bool:
    """Answer a ClientHello with requests for one, for five seconds; return whether the client hung up before."""
    server.settimeout(10)
    client, _ = server.accept()
    with client:
        if begin_tls:
            client.sendall(b"220 localhost\r\n")
            client.recv(1024)
            client.sendall(b"250-localhost\r\n250 STARTTLS\r\n")
            client.recv(1024)
            client.sendall(b"220 go ahead\r\n")
        client.recv(1024)
        until = time.monotonic() + 5
        try:
            while time.monotonic() < until:
                client.sendall(HELLO_REQUEST * 1000)
        except ConnectionError:
            return True
    return False


@faces
@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_a_flood_within_the_handshake(scheme: str, is_async: bool) -> None:
    """Who sends handshake records without end, faster than they are read, holds nobody past the deadline."""
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        flood = pool.submit(flooded, server, begin_tls=scheme == "smtp")
        options = "timeout=30&deadline=0.5" + "&tls=required" * (scheme == "smtp")
        mailer = Mailer(f"{scheme}://127.0.0.1:{server.getsockname()[1]}?{options}")
        with pytest.raises(DeliveryError, match=r"deadline of 0\.5 s"):
            send_each(mailer, [MAIL], is_async=is_async)
        assert flood.result()


class Renegotiating(socket.socket):
    """A socket as it is over TLS 1.2 in a renegotiation that the server does not go on with: room to write, and no use in it."""

    tries = 0

    def send(self, data: Any, flags: int = 0) -> int:
        """Want to read first."""
        self.tries += 1
        raise ssl.SSLWantReadError


def test_a_renegotiation_that_stops_is_waited_for_without_a_rest() -> None:
    """A write that needs the server's next words is tried again when there are some, not round and round until time is up."""
    ours, theirs = socket.socketpair()
    with theirs, Renegotiating(fileno=ours.detach()) as sock:
        wire = BlockingWire(sock, Extensions({}, ""), Settings("localhost", timeout=0.1))
        with pytest.raises(WireFault, match="the server took no data"):
            run_blocking(wire.exchange(b"NOOP\r\n", 1, Patience(0.1)))
    assert sock.tries < 10
