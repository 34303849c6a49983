"""The server's end of a TLS connection, octets in hand: what goes into one segment, and records that no library would send."""

from __future__ import annotations

import hmac
import socket
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from modernmail.smtp.extensions import Extensions
from modernmail.smtp.settings import Settings
from modernmail.smtp.wires.blocking import BlockingWire
from modernmail.smtp.wires.tls_socket import TLSSocket

if TYPE_CHECKING:
    from pathlib import Path

    from services.certificates import CertificateAuthority

_VERSION = 0x303  # TLS 1.2
_HANDSHAKE = 22


class WickedTLS:
    """A server on one end of a pair of sockets, over TLS 1.2; `wire` is the client's at the other end, the handshake done."""

    def __init__(self, authority: CertificateAuthority, folder: Path, options: ssl.Options | int = 0) -> None:
        ours = authority.issue("localhost").context()
        ours.maximum_version = ssl.TLSVersion.TLSv1_2
        ours.set_ciphers("ECDHE+AES128:!SHA:!SHA256")  # AES-GCM, whose keys come from SHA-256
        ours.keylog_filename = str(folder / "keys")
        theirs = ssl.create_default_context(cafile=authority.ca_file)
        theirs.options |= options
        self.sock, other = socket.socketpair()
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ours.wrap_bio(self._in, self._out, server_side=True)
        with ThreadPoolExecutor(1) as pool:
            shaking = pool.submit(self._shake_hands)
            client = TLSSocket(other, theirs, "localhost", 10)
            server_random = shaking.result()
        self.wire = BlockingWire(client, Extensions({}, ""), Settings("localhost", timeout=10))
        _, client_random, secret = (folder / "keys").read_text().splitlines()[-1].split()
        keys = _keys(bytes.fromhex(secret), server_random + bytes.fromhex(client_random))
        self._cipher, self._salt = AESGCM(keys[16:32]), keys[36:40]  # RFC 5246 6.3: the client's come first
        self._sequence = 1  # "Finished" was the first record under these keys

    def __enter__(self) -> WickedTLS:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()
        self.wire.abandon()

    def _shake_hands(self) -> bytes:
        """Return the random octets of our hello."""
        hello = b""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                said = self._out.read()
                hello = hello or said
                self.sock.sendall(said)
                self._in.write(self.sock.recv(65536))
            else:
                self.sock.sendall(self._out.read())
                return hello[11:43]  # behind the heads of record and message, and the version

    def sealed(self, text: bytes) -> bytes:
        """Return the record in which a server says this."""
        self._tls.write(text)
        self._sequence += 1
        return self._out.read()

    def farewell(self) -> bytes:
        """Return the record in which a server ends, `close_notify`."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantReadError:
            return self._out.read()
        raise AssertionError("the client said farewell first")

    def hello_requests(self, count: int) -> bytes:
        """Return records that ask for the parameters to be agreed on anew (RFC 5246 7.4.1.1), sealed as RFC 5288 says."""
        records = []
        for sequence in range(self._sequence, self._sequence + count):
            explicit = struct.pack(">Q", sequence)
            head = explicit + struct.pack(">BHH", _HANDSHAKE, _VERSION, 4)
            sealed = explicit + self._cipher.encrypt(self._salt + explicit, bytes(4), head)
            records.append(struct.pack(">BHH", _HANDSHAKE, _VERSION, len(sealed)) + sealed)
        self._sequence += count
        return b"".join(records)

    def flood(self) -> None:
        """Ask for parameters until the client hangs up, and read nothing."""
        try:
            while True:
                self.sock.sendall(self.hello_requests(500))
        except ConnectionError:
            return

    def read(self) -> bytes:
        """Return what the client says next, b"" when it has hung up."""
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                data = self.sock.recv(65536)
                if not data:
                    return b""
                self._in.write(data)


def _keys(secret: bytes, randoms: bytes) -> bytes:
    """Return the octets that the keys are cut from (RFC 5246 5 and 6.3)."""
    seed = b"key expansion" + randoms
    keys, turn = b"", seed
    while len(keys) < 40:
        turn = hmac.digest(secret, turn, "sha256")
        keys += hmac.digest(secret, turn + seed, "sha256")
    return keys
