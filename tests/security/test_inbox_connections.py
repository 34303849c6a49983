"""Who cannot log in costs the inbox little: no header is waited for or kept without bounds, nor are connections."""

from __future__ import annotations

import smtplib
import socket
from typing import TYPE_CHECKING

import pytest

from modernmail.inbox.server import InboxServer
from modernmail.inbox.web import connection

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.once
BEGUN = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: "
REPORT = b"POST /blocked/x/y HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"  # which asks for no password
WHOLE = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def connected(server: InboxServer, said: bytes = b"") -> socket.socket:
    """Return a connection to the pages on which something was said."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    client.sendall(said)
    return client


def heard(client: socket.socket) -> bytes:
    """Return all that is said until the connection ends, however it does."""
    found = b""
    try:
        while data := client.recv(65536):
            found += data
    except ConnectionResetError:
        pass
    return found


@pytest.fixture
def server() -> Iterator[InboxServer]:
    """An inbox that asks for a password."""
    with InboxServer.threaded(credentials=("zoe", "a password")) as found:
        yield found


@pytest.mark.parametrize(
    ("before", "begun"), [(b"", b""), (b"", BEGUN), (WHOLE, BEGUN), (WHOLE, b"G"), (b"", REPORT)]
)
def test_a_request_that_never_ends(
    before: bytes, begun: bytes, server: InboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connection is closed, be it the first on it or not; nothing more is said."""
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    with connected(server, before) as client:
        answer = client.recv(65536) if before else b""
        client.sendall(begun)
        assert (answer + heard(client)).count(b"HTTP/1.1") == (1 if before else 0)


def test_an_answer_that_takes_longer_than_a_header_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """Live updates go on: patience is for what the client has to say."""
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    waits = b"GET /api/wait?timeout=0.6&to=x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with InboxServer.threaded() as server, connected(server, waits) as client:
        assert b"no mail that fits" in heard(client)


def test_a_header_that_never_ends(server: InboxServer) -> None:
    """It is refused after 64 KiB, or a little more, that were on their way."""
    line = b"X-A: " + b"a" * 1000 + b"\r\n"
    with connected(server, BEGUN) as client, pytest.raises(OSError, match=r"reset|pipe"):
        client.sendall(line * 20_000)


def test_too_many_connections(server: InboxServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further ones are told so and closed; mail comes in all the same, and who leaves makes room."""
    monkeypatch.setattr(connection, "MOST", 20)
    clients = [connected(server, BEGUN) for _ in range(20)]
    with connected(server) as one_more:
        assert heard(one_more).startswith(b"HTTP/1.1 503 ")
    with smtplib.SMTP("127.0.0.1", server.capture.port, timeout=10) as smtp:
        assert smtp.noop()[0] == 250
    for client in clients:
        client.close()
    answer = b""
    while not answer.startswith(b"HTTP/1.1 401 "):
        with connected(server, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n") as client:
            answer = heard(client)
