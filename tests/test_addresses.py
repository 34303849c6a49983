"""A host of several addresses: the first that answers has the connection; one that swallows packets holds nobody up."""

from __future__ import annotations

import gc
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from faces import faces, send

from modernmail import Mailer, Message
from modernmail.errors import ConnectFailed
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    HasAddresses = Callable[..., None]

MAIL = Message("x", "y", from_email="me@example.com", to="you@example.com")


@pytest.fixture
def silent() -> Iterator[int]:
    """A port of 127.0.0.1 that answers no SYN: the queue of its listener is full, and nobody accepts."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.fixture
def refusing() -> int:
    """A port of 127.0.0.1 where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture
def has_addresses(monkeypatch: pytest.MonkeyPatch) -> HasAddresses:
    """Say which ports of 127.0.0.1 the name localhost has."""

    def say(*ports: int) -> None:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port)) for port in ports]
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda host, *_, **__: found if host == "localhost" else []
        )

    return say


def test_an_address_that_swallows_packets_holds_nobody_up(silent: int, has_addresses: HasAddresses) -> None:
    """The second address has the connection, though the first would use the whole timeout up."""
    with ScriptedSMTPServer() as server:
        has_addresses(silent, server.port)
        assert send(Mailer("smtp://localhost?timeout=60"), MAIL, is_async=False).is_complete


def test_an_address_that_refuses_is_passed_over(
    refusing: int, silent: int, has_addresses: HasAddresses
) -> None:
    """What refuses, first or last, is no reason to fail while another address may answer."""
    with ScriptedSMTPServer() as server:
        has_addresses(refusing, silent, refusing, server.port)
        assert send(Mailer("smtp://localhost?timeout=60"), MAIL, is_async=False).is_complete


@faces
def test_no_address_answers(refusing: int, has_addresses: HasAddresses, *, is_async: bool) -> None:
    """When all refuse it is said at once."""
    has_addresses(refusing, refusing)
    with pytest.raises(ConnectFailed, match="refused"):
        send(Mailer("smtp://localhost?timeout=60"), MAIL, is_async=is_async)


@faces
def test_the_timeout_bounds_all_addresses(
    silent: int, has_addresses: HasAddresses, *, is_async: bool
) -> None:
    """Three that swallow packets take one timeout together."""
    has_addresses(silent, silent, silent)
    with pytest.raises(ConnectFailed, match=r"no answer within 0\.6 s"):
        send(Mailer("smtp://localhost?timeout=0.6"), MAIL, is_async=is_async)


@faces
def test_one_connection_is_left_of_a_race(has_addresses: HasAddresses, *, is_async: bool) -> None:
    """Two addresses that both answer: the second is never asked."""
    with ScriptedSMTPServer() as first, ScriptedSMTPServer() as second:
        has_addresses(first.port, second.port)
        assert send(Mailer("smtp://localhost"), MAIL, is_async=is_async).is_complete
        assert (len(first.sessions), len(second.sessions)) == (1, 0)


def test_the_one_that_comes_second_is_closed(
    has_addresses: HasAddresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that answer at the same time: one has the conversation, the other hears that it is not wanted."""
    monkeypatch.setattr("modernmail.smtp.wires.race._DELAY", 0.0)
    with ScriptedSMTPServer() as first, ScriptedSMTPServer() as second:
        has_addresses(first.port, second.port)
        assert send(Mailer("smtp://localhost"), MAIL, is_async=False).is_complete
        assert len(first.commits) + len(second.commits) == 1
        first.wait_until_idle()
        second.wait_until_idle()
    gc.collect()
