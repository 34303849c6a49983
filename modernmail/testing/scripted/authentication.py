"""SASL mechanisms from the server's side: challenges out, responses in, the user's name at the end.

Each mechanism is a generator: it yields a challenge, gets the client's response, and returns the user it
let in, or None. The caller does the base64 and the lines (RFC 4954).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Generator, Mapping
from typing import TypeAlias

Dialogue: TypeAlias = Generator[bytes, bytes, str | None]

_CHALLENGE = b"<1896.697170952@scripted.test>"


def _plain(initial: bytes | None, secrets: Mapping[str, str]) -> Dialogue:
    message = initial if initial is not None else (yield b"")
    parts = message.split(b"\0")  # RFC 4616 2: [authzid] NUL authcid NUL passwd
    if len(parts) != 3 or parts[0] not in {b"", parts[1]}:
        return None
    return _let_in(parts[1], parts[2], secrets)


def _login(initial: bytes | None, secrets: Mapping[str, str]) -> Dialogue:
    user = initial if initial is not None else (yield b"Username:")
    password = yield b"Password:"
    return _let_in(user, password, secrets)


def _cram_md5(initial: bytes | None, secrets: Mapping[str, str]) -> Dialogue:
    if initial is not None:  # RFC 2195: the server speaks first
        return None
    user, _, digest = (yield _CHALLENGE).rpartition(b" ")
    secret = secrets.get(user.decode("utf-8", "replace"))
    if secret is None:
        return None
    expected = hmac.new(secret.encode(), _CHALLENGE, hashlib.md5).hexdigest().encode()
    return user.decode() if hmac.compare_digest(expected, digest) else None


def _xoauth2(initial: bytes | None, secrets: Mapping[str, str]) -> Dialogue:
    message = initial if initial is not None else (yield b"")
    user, token = b"", b""
    for item in message.split(b"\x01"):
        if item.startswith(b"user="):
            user = item[5:]
        elif item.startswith(b"auth=Bearer "):
            token = item[12:]
    return (yield from _bearer(user, token, secrets))


def _oauthbearer(initial: bytes | None, secrets: Mapping[str, str]) -> Dialogue:
    message = initial if initial is not None else (yield b"")
    header, *items = message.split(b"\x01")  # RFC 7628 3.1: gs2-header kvsep *kvpair kvsep
    user, token = b"", b""
    for item in header.split(b","):
        if item.startswith(b"a="):
            user = item[2:].replace(b"=2C", b",").replace(b"=3D", b"=")
    for item in items:
        if item.startswith(b"auth=Bearer "):
            token = item[12:]
    return (yield from _bearer(user, token, secrets))


def _bearer(user: bytes, token: bytes, secrets: Mapping[str, str]) -> Dialogue:
    let_in = _let_in(user, token, secrets)
    if let_in is None:
        yield b'{"status":"401","schemes":"bearer","scope":"mail"}'  # answered by an empty response
    return let_in


def _let_in(user: bytes, secret: bytes, secrets: Mapping[str, str]) -> str | None:
    name = user.decode("utf-8", "replace")
    expected = secrets.get(name)
    return name if expected is not None and hmac.compare_digest(expected.encode(), secret) else None


MECHANISMS: dict[str, Callable[[bytes | None, Mapping[str, str]], Dialogue]] = {
    "PLAIN": _plain,
    "LOGIN": _login,
    "CRAM-MD5": _cram_md5,
    "XOAUTH2": _xoauth2,
    "OAUTHBEARER": _oauthbearer,
}
