"""Keys that sign: read from PEM, made anew, and the DNS record that publishes them (extra `dkim`).

Rules of the file: `cryptography` does all that is secret; an error names the file or the argument, and never shows a key.
"""

from __future__ import annotations

import os
from binascii import b2a_base64
from pathlib import Path

from ...errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

RSA = "rsa-sha256"
ED25519 = "ed25519-sha256"
_LEAST, _GOOD, _MOST = 1024, 2048, 4096  # bits of an RSA key (RFC 8301 3.2; RFC 6376 3.3.3)


def _cryptography() -> Any:
    try:
        from cryptography.hazmat.primitives import serialization
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "DKIM needs the package cryptography: pip install 'modernmail[dkim]'"
        ) from error
    return serialization


class SigningKey:
    """A private key that is ready to sign: `algorithm` is `"rsa-sha256"` or `"ed25519-sha256"`, `bits` its size.

    `pem` is PEM bytes, PEM text, or a `pathlib.Path` to a file that holds it, without a passphrase.
    Raises `ConfigurationError` for what is no such key, and for RSA below 1024 bits.
    """

    __slots__ = ("_private", "_sign", "algorithm", "bits")

    def __init__(self, pem: bytes | str | os.PathLike[str]) -> None:
        serialization = _cryptography()
        from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

        data, what = _read(pem)
        try:
            private: Any = serialization.load_pem_private_key(data, password=None)
        except TypeError:
            raise ConfigurationError(f"{what} is encrypted: take a key without a passphrase") from None
        except Exception as error:
            # What cryptography raises for broken PEM has many kinds, and may quote it.
            if (
                isinstance(error, (ValueError, NotImplementedError))
                or "cryptography" in type(error).__module__
            ):
                raise ConfigurationError(
                    f"{what} is no private key in PEM: it begins with -----BEGIN PRIVATE KEY----- or RSA PRIVATE KEY"
                ) from None
            raise
        self._private = private
        if isinstance(private, rsa.RSAPrivateKey):
            self.algorithm, self.bits = RSA, private.key_size
            if self.bits < _LEAST:
                raise ConfigurationError(
                    f"{what} is RSA of {self.bits} bits: receivers want 1024 at least, and 2048 is good"
                )
            if not _GOOD <= self.bits <= _MOST:
                import warnings

                warnings.warn(
                    f"{what} is RSA of {self.bits} bits: not every receiver verifies that, 2048 is what all do",
                    UserWarning,
                    stacklevel=3,
                )
            self._sign = _rsa_signer(private)
        elif isinstance(private, ed25519.Ed25519PrivateKey):
            self.algorithm, self.bits = ED25519, 256
            self._sign = _ed25519_signer(private)
        else:
            raise ConfigurationError(f"{what} is neither RSA nor Ed25519, and DKIM knows only these")

    def sign(self, data: bytes) -> str:
        """Return the signature of these octets in base64."""
        return b2a_base64(self._sign(data), newline=False).decode("ascii")

    @property
    def record(self) -> str:
        """The DNS TXT record that publishes its public half (RFC 6376 3.6.1, RFC 8463 4)."""
        serialization = _cryptography()
        public = self._private.public_key()
        if self.algorithm == RSA:
            kind = "rsa"
            data = public.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        else:
            kind = "ed25519"
            data = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        return f"v=DKIM1; k={kind}; p={b2a_base64(data, newline=False).decode('ascii')}"

    def __repr__(self) -> str:
        return f"<SigningKey {self.algorithm} of {self.bits} bits>"


def _read(pem: bytes | str | os.PathLike[str]) -> tuple[bytes, str]:
    """Return the octets, and what errors call them."""
    if isinstance(pem, bytes):
        return pem, "key"
    if isinstance(pem, str):
        if "-----BEGIN" not in pem:
            raise ConfigurationError("key: a str must be the PEM itself; for a file, pass a pathlib.Path")
        return pem.encode("ascii", "replace"), "key"
    try:
        path = os.fspath(pem)
    except TypeError:
        raise ConfigurationError(
            f"key: must be PEM bytes or a pathlib.Path, not {type(pem).__name__}"
        ) from None
    try:
        return Path(path).read_bytes(), f"key {path}"
    except OSError as error:
        raise ConfigurationError(f"key: {path} cannot be read: {error.strerror}") from error


def _rsa_signer(private: Any) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    padding, digest = PKCS1v15(), SHA256()
    sign = private.sign
    return lambda data: sign(data, padding, digest)


def _ed25519_signer(private: Any) -> Callable[[bytes], bytes]:
    from hashlib import sha256

    sign = private.sign
    # RFC 8463 3: what is signed is the hash, not the octets
    return lambda data: sign(sha256(data).digest())


def new_key(kind: str = "rsa", *, bits: int = _GOOD) -> bytes:
    """Return a new private key as PEM (PKCS #8); `kind` is `"rsa"`, of so many bits, or `"ed25519"`."""
    serialization = _cryptography()
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    private: Any
    if kind == "rsa":
        if bits not in (2048, 3072, 4096):
            raise ConfigurationError(f"bits={bits!r}: must be 2048, 3072 or 4096")
        private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    elif kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        raise ConfigurationError(f"{kind!r} is no kind of key: take rsa or ed25519")
    pem: bytes = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return pem
