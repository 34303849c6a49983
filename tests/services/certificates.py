"""A certificate authority of our own, and certificates by it: good, expired, or for another name."""

from __future__ import annotations

import datetime as dt
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trustme

from .process import service_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """A server's certificate: PEM files with the chain and with the private key (root's own)."""

    chain_file: Path
    key_file: Path

    def context(self) -> ssl.SSLContext:
        """Return the TLS of a server that shows this certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_file, self.key_file)
        return context


class CertificateAuthority:
    """Issues certificates that a client trusts once it has `ca_file` (the CA's certificate in PEM)."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = trustme.CA()
        self._issued = 0
        self.ca_file = folder / "ca.pem"
        self._authority.cert_pem.write_to_path(self.ca_file)

    def issue(self, *names: str, expired: bool = False) -> Certificate:
        """Return a certificate for these host names and addresses (default: localhost and 127.0.0.1)."""
        now = dt.datetime.now(dt.UTC)
        day = dt.timedelta(days=1)
        issued = self._authority.issue_cert(
            *(names or ("localhost", "127.0.0.1")),
            not_before=now - 3 * day,
            not_after=now - day if expired else now + 90 * day,
        )
        self._issued += 1
        certificate = Certificate(
            self._folder / f"{self._issued}-chain.pem", self._folder / f"{self._issued}-key.pem"
        )
        certificate.key_file.touch(mode=0o600)
        issued.private_key_pem.write_to_path(certificate.key_file)
        for number, pem in enumerate(issued.cert_chain_pems):
            pem.write_to_path(certificate.chain_file, append=number > 0)
        return certificate


@pytest.fixture(scope="session")
def certificate_authority() -> Iterator[CertificateAuthority]:
    """A certificate authority that no machine trusts by itself."""
    with service_folder("certificates") as folder:
        yield CertificateAuthority(folder)
