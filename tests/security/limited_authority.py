"""A certificate authority that may speak for the names below one domain, and its certificates with a common name."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from ipaddress import IPv4Address
    from pathlib import Path


class LimitedAuthority:
    """Issues into `folder`; its own certificate, in `ca_file`, permits it `domain` and nothing else (RFC 5280 4.2.1.10)."""

    def __init__(self, folder: Path, domain: str) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named("Limited authority")
        limits = x509.NameConstraints([x509.DNSName(domain)], None)
        mine = self._certificate(self._name, self._key)
        mine = mine.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        mine = mine.add_extension(_MAY_SIGN, critical=True).add_extension(limits, critical=True)
        key_id = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        signed = mine.add_extension(key_id, critical=False).sign(self._key, SHA256())
        self.ca_file = folder / "limited.pem"
        self.ca_file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))

    def issue(self, common_name: str, addresses: list[IPv4Address]) -> tuple[Path, Path]:
        """Return files with a certificate and its key: a common name, and subjectAltNames for these addresses alone."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = self._certificate(_named(common_name), key).add_extension(issuer, critical=False)
        if addresses:
            names = x509.SubjectAlternativeName([x509.IPAddress(address) for address in addresses])
            made = made.add_extension(names, critical=False)
        certificate, secret = self._folder / "certificate.pem", self._folder / "key.pem"
        certificate.write_bytes(made.sign(self._key, SHA256()).public_bytes(serialization.Encoding.PEM))
        form = serialization.PrivateFormat.PKCS8
        pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        secret.write_bytes(pem)
        return certificate, secret

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
        made = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        made = made.not_valid_before(now - day).not_valid_after(now + day)
        return made.public_key(key.public_key()).serial_number(x509.random_serial_number())


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


_MAY_SIGN = x509.KeyUsage(
    key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False, key_encipherment=False,
    data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
)  # fmt: skip
