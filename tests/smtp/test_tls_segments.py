"""TLS for sync programs, segment by segment: whatever shares one with a reply, the reply is heard and the rest not lost."""

from __future__ import annotations

import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import pytest
from wicked_tls import WickedTLS

from modernmail.runtime import run_blocking
from modernmail.smtp.patience import Patience
from modernmail.smtp.replies import WireFault

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from services.certificates import CertificateAuthority


@pytest.fixture
def wicked(certificate_authority: CertificateAuthority, tmp_path: Path) -> Callable[..., WickedTLS]:
    """A server's end of a connection, to be made with options for the client's."""
    return partial(WickedTLS, certificate_authority, tmp_path)


def asked(server: WickedTLS, seconds: float = 10) -> list[int]:
    """Return the codes of the replies to one command."""
    return [reply.code for reply in run_blocking(server.wire.exchange(b"NOOP\r\n", 1, Patience(seconds)))]


def test_a_reply_with_the_end_behind_it(wicked: Callable[..., WickedTLS]) -> None:
    """It is heard, and the connection, which the server has left without closing it, is not used again."""
    with wicked() as server:
        server.sock.sendall(server.sealed(b"250 fine\r\n") + server.farewell())
        assert asked(server) == [250]
        assert not server.wire.is_usable()
        with pytest.raises(WireFault, match="closed the connection"):
            asked(server)


def test_a_reply_with_a_broken_record_behind_it(wicked: Callable[..., WickedTLS]) -> None:
    """It is heard, and the connection is not used again."""
    with wicked() as server:
        broken = bytearray(server.sealed(b"250 never\r\n"))
        broken[-1] ^= 1
        server.sock.sendall(bytes(broken))
        with pytest.raises(WireFault, match="connection broke"):
            asked(server)
    with wicked() as server:
        good, broken = server.sealed(b"250 fine\r\n"), bytearray(server.sealed(b"250 never\r\n"))
        broken[-1] ^= 1
        server.sock.sendall(good + broken)
        assert asked(server) == [250]
        assert not server.wire.is_usable()


def test_a_reply_with_a_demand_behind_it_from_a_server_that_hangs_up(
    wicked: Callable[..., WickedTLS],
) -> None:
    """It is heard, though nobody takes the answer to what came with it; the connection is not used again."""

    def hang_up() -> None:
        server.read()
        server.sock.shutdown(socket.SHUT_RD)
        server.sock.sendall(server.sealed(b"250 fine\r\n") + server.hello_requests(1))

    with wicked(ssl.OP_NO_RENEGOTIATION) as server, ThreadPoolExecutor(1) as pool:
        hanging_up = pool.submit(hang_up)
        assert asked(server) == [250]
        assert not server.wire.is_usable()
        with pytest.raises(WireFault, match="connection broke: Broken pipe"):
            asked(server)
        hanging_up.result()


def test_replies_of_one_segment(wicked: Callable[..., WickedTLS]) -> None:
    """Several records that arrive together are all there at once: nothing waits for what follows."""
    with wicked() as server:
        server.sock.sendall(b"".join(server.sealed(b"%d fine\r\n" % code) for code in (250, 251, 354)))
        replies = run_blocking(server.wire.exchange(b"MAIL\r\nRCPT\r\nDATA\r\n", 3, Patience(10)))
        assert [reply.code for reply in replies] == [250, 251, 354]
        assert server.wire.is_usable()


def test_a_record_that_drips(wicked: Callable[..., WickedTLS]) -> None:
    """A record that arrives octet by octet is one reply."""
    with wicked() as server, ThreadPoolExecutor(1) as pool:
        record = server.sealed(b"250 fine\r\n")
        dripping = pool.submit(
            lambda: [server.sock.sendall(record[at : at + 1]) for at in range(len(record))]
        )
        assert asked(server) == [250]
        dripping.result()
        assert server.wire.is_usable()


def test_what_is_larger_than_the_kernel_takes_at_once(wicked: Callable[..., WickedTLS]) -> None:
    """Ten megabytes arrive as they were given, though the server reads them when it likes, and a reply comes between."""
    content = bytes(range(251)) * 40_000

    def reading() -> bytes:
        data = bytearray()
        server.sock.sendall(server.sealed(b"250 fine\r\n"))
        while len(data) < len(content):
            data += server.read()
        server.sock.sendall(server.sealed(b"250 fine\r\n"))
        return bytes(data)

    with wicked() as server, ThreadPoolExecutor(1) as pool:
        read = pool.submit(reading)
        replies = run_blocking(server.wire.exchange(content, 2, Patience(10)))
        assert [reply.code for reply in replies] == [250, 250]
        assert read.result() == content


@pytest.mark.parametrize(
    ("options", "fault"),
    [(0, "no reply within"), (ssl.OP_NO_RENEGOTIATION, "connection broke: the server asks for answers")],
    ids=["not-answered", "answered"],
)
def test_a_flood_between_command_and_reply(
    options: int, fault: str, wicked: Callable[..., WickedTLS]
) -> None:
    """It ends with the time for the reply, or when more is owed in answers than anybody would ask for."""
    with wicked(options) as server, ThreadPoolExecutor(1) as pool:
        flood = pool.submit(server.flood)
        with pytest.raises(WireFault, match=fault):
            asked(server, 0.5)
        flood.result()


def test_a_flood_while_nothing_is_asked(wicked: Callable[..., WickedTLS]) -> None:
    """Whether an idle connection is good takes a few readings to tell: what TLS has for itself is nothing, a flood is."""
    with wicked() as server:
        server.sock.sendall(server.hello_requests(100))
        assert server.wire.is_usable()
        server.sock.sendall(server.hello_requests(3000))
        assert not server.wire.is_usable()
