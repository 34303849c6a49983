"""Certificates for tests: one authority a process, made when first needed, and servers good and bad under it.

Needs the `cryptography` package (`pip install 'modernmail[testing]'`), imported only when a certificate is
made.
"""

from __future__ import annotations

import datetime as dt
import functools
import ipaddress
import ssl
import threading
from dataclasses import dataclass

from modernmail.errors import ConfigurationError, InvalidValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

KINDS = ("trusted", "untrusted", "self-signed", "expired", "not-yet-valid", "wrong-host")
_HOSTS = ("localhost", "127.0.0.1", "::1")
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes

    def context(self, folder: Path) -> ssl.SSLContext:
        """Return a server-side context that shows this certificate; its files are written to `folder`."""
        pem = folder / "server.pem"
        pem.write_bytes(self.key + self.certificate)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        return context


class Authority:
    """A certificate authority that nobody trusts until told to: hand `pem` to the client as its CA file.

    `issue(kind)` makes a server certificate for localhost, 127.0.0.1 and ::1: `trusted` (good), `untrusted`
    (good, but of another authority), `self-signed`, `expired`, `not-yet-valid`, or `wrong-host` (for
    elsewhere.test).
    """

    def __init__(self, name: str = "modernmail test authority") -> None:
        self._key = _new_key()
        self._name = name
        self._certificate = _build(name, self._key, issuer=None, hosts=(), start=-_DAY, end=3650 * _DAY)
        self.pem = _pem(self._certificate)

    def issue(self, kind: str = "trusted") -> Certificate:
        """Return a new server certificate of that kind."""
        if kind not in KINDS:
            raise InvalidValue("certificate", kind, f"one of {', '.join(KINDS)} is expected")
        if kind == "untrusted":
            return Authority("an authority unknown to the client").issue("trusted")
        start, end = -_DAY, 30 * _DAY
        if kind == "expired":
            start, end = -30 * _DAY, -_DAY
        elif kind == "not-yet-valid":
            start, end = 2 * _DAY, 30 * _DAY
        hosts = ("elsewhere.test",) if kind == "wrong-host" else _HOSTS
        key = _new_key()
        issuer = None if kind == "self-signed" else (self._certificate, self._key)
        return Certificate(
            _pem(_build(hosts[0], key, issuer=issuer, hosts=hosts, start=start, end=end)), _key_pem(key)
        )


@functools.cache
def _the_authority() -> Authority:
    return Authority()


_making = threading.Lock()  # a cache alone would let two threads make one each


def authority() -> Authority:
    """Return the authority of this process."""
    with _making:
        return _the_authority()


def _new_key() -> EllipticCurvePrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise ConfigurationError(
            "making certificates for tests needs cryptography: pip install 'modernmail[testing]'"
        ) from error
    return ec.generate_private_key(ec.SECP256R1())


def _build(
    name: str,
    key: EllipticCurvePrivateKey,
    *,
    issuer: tuple[x509.Certificate, EllipticCurvePrivateKey] | None,
    hosts: tuple[str, ...],
    start: dt.timedelta,
    end: dt.timedelta,
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    now = dt.datetime.now(dt.UTC)
    subject = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, name)])
    issuer_name, issuer_key = (issuer[0].subject, issuer[1]) if issuer else (subject, key)
    is_authority = not hosts
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + start)
        .not_valid_after(now + end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        # RFC 5280 4.2.1.1 and 4.2.1.3; Python 3.13 verifies strictly and wants both
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_authority,
                key_cert_sign=is_authority,
                crl_sign=is_authority,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if hosts:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
        )
        builder = builder.add_extension(
            x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
