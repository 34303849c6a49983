"""Whoever guesses the password of an inbox is answered slowly, over all connections together; who knows it is not."""

from __future__ import annotations

import base64
import contextlib
import http.client
import select
import smtplib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from modernmail.inbox import guesses
from modernmail.inbox.server import InboxServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.once


def by_http(server: InboxServer, password: str) -> int:
    """Ask for the page; return the status."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as client:
        login = base64.b64encode(f"zoe:{password}".encode()).decode()
        client.request("GET", "/", headers={"Authorization": f"Basic {login}"} if password else {})
        return client.getresponse().status


def by_smtp(server: InboxServer, password: str) -> int:
    """Log in; return the code."""
    with contextlib.closing(smtplib.SMTP("127.0.0.1", server.capture.port, timeout=20)) as client:
        client.ehlo()
        login = base64.b64encode(f"\0zoe\0{password}".encode()).decode()
        return client.docmd("AUTH", f"PLAIN {login}")[0]


@pytest.fixture
def server() -> Iterator[InboxServer]:
    """An inbox that asks for a password."""
    with InboxServer.threaded(credentials=("zoe", "a password")) as found:
        yield found


@pytest.mark.parametrize(("way", "code"), [(by_http, 401), (by_smtp, 535)])
def test_guesses_come_one_after_the_other(
    way: Callable[[InboxServer, str], int], code: int, server: InboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More connections make no more guesses."""
    monkeypatch.setattr(guesses, "PAUSE", 0.05)
    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        codes = [*pool.map(lambda guess: way(server, f"guess {guess}"), range(8))]
    assert codes == [code] * 8
    assert time.monotonic() - began >= 8 * 0.05


@pytest.mark.parametrize(("way", "code"), [(by_http, 200), (by_smtp, 235)])
def test_who_knows_the_password_does_not_wait(
    way: Callable[[InboxServer, str], int], code: int, server: InboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even while a guess waits for its turn; nor does a browser that asks for the first time, without any."""
    monkeypatch.setattr(guesses, "PAUSE", 3600)
    with socket.create_connection(("127.0.0.1", server.port)) as one, _greeted(server) as other:
        one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic em9lOng=\r\n\r\n")
        other.sendall(b"AUTH PLAIN AHpvZQB4\r\n")
        assert way(server, "a password") == code
        assert by_http(server, "") == 401
        assert select.select([one, other], [], [], 0)[0] == []


def _greeted(server: InboxServer) -> socket.socket:
    """Return a connection that said EHLO, and has read the answer."""
    client = socket.create_connection(("127.0.0.1", server.capture.port), timeout=10)
    client.sendall(b"EHLO x\r\n")
    heard = b""
    while not heard.endswith(b"250 HELP\r\n"):
        heard += client.recv(4096)
    return client
