"""Dovecot: LMTP delivery, IMAP to read it back, and the SASL socket through which Postfix checks passwords.

Its mailboxes are those of `PASSWORDS` and `CROWD`, and no other: another recipient gets a 550 at RCPT.
`full@example.com` has no room left: LMTP refuses it after the content, with a 552 for that recipient alone.
"""

from __future__ import annotations

import grp
import hmac
import json
import os
import pwd
import time
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest

from . import dovecot_configuration as configuration
from .maildir import Maildirs
from .process import Log, Process, free_port, listens, service_folder
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from .certificates import Certificate, CertificateAuthority

INSTALL = "apt-get install dovecot-core dovecot-lmtpd dovecot-imapd"
FULL = "full@example.com"
PASSWORDS = {
    "zoe@example.com": "correct horse",
    "adam@example.com": "battery staple",
    "zoë@example.com": "pâté ☕",
    FULL: "no room",
}
CROWD = tuple(f"person{number}@example.com" for number in range(20))  # receive mail, and may not log in

_KEY = b"the key of an issuer of tokens in tests"


class Dovecot:
    """A Dovecot below `folder`; a context manager: running inside, ended outside."""

    def __init__(self, folder: Path, *, certificate: Certificate) -> None:
        self.lmtp_port = free_port()
        self.lmtp_socket = folder / "lmtp"
        self.imap_port = free_port()
        self.auth_socket = folder / "auth"
        self.log = Log(folder / "log")
        self.maildirs = Maildirs(folder / "mail")
        self._folder = folder
        self.maildirs.root.mkdir()
        nobody, nogroup = pwd.getpwnam("nobody").pw_uid, grp.getgrnam("nogroup").gr_gid
        self._homes = {
            user: self.maildirs.root / str(number) for number, user in enumerate((*PASSWORDS, *CROWD))
        }
        for home in self._homes.values():
            home.mkdir()
        (folder / "users").write_text(
            "".join(
                f"{user}:{{PLAIN.b64}}{b64encode(password.encode()).decode()}:{nobody}:{nogroup}::{self._homes[user]}::"
                f"{configuration.full_mailbox() if user == FULL else ''}\n"
                for user, password in PASSWORDS.items()
            )
            + "".join(f"{user}:!:{nobody}:{nogroup}::{self._homes[user]}::\n" for user in CROWD),
            encoding="utf-8",
        )
        self._own(nobody, nogroup)
        files = configuration.files(
            folder,
            auth_socket=self.auth_socket,
            oauth2=configuration.local_tokens(folder / "keys"),
            more=configuration.delivery(
                lmtp_port=self.lmtp_port,
                lmtp_socket=self.lmtp_socket,
                imap_port=self.imap_port,
                certificate=certificate,
                users=folder / "users",
            ),
        )
        for name, text in files.items():
            (folder / name).write_text(text)
        key = folder / "keys/default/HS256/default"
        key.parent.mkdir(parents=True)
        key.write_bytes(b64encode(_KEY))

    def token(self, user: str, *, lifetime: float = 600.0) -> str:
        """Return a token that lets this user in by XOAUTH2 or OAUTHBEARER: a JWT that is good for so many seconds."""
        now = int(time.time())
        claims = {"sub": user, "email": user, "iat": now - 1000, "exp": now + int(lifetime)}
        parts = [_base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
        return ".".join([*parts, _base64url(hmac.digest(_KEY, ".".join(parts).encode(), "sha256"))])

    def _own(self, user: int, group: int) -> None:
        """Give the homes to the user that Dovecot delivers as; it refuses to deliver as root."""
        for path in (self.maildirs.root, *self.maildirs.root.iterdir()):
            os.chown(path, user, group)

    def mailbox(self, user: str) -> Maildirs:
        """Return the mailbox of one user; its messages name their recipient only when they had no other."""
        return Maildirs(self._homes[user])

    def __enter__(self) -> Self:
        self._process = Process("Dovecot", ["dovecot", "-F", "-c", self._folder / "dovecot.conf"], self.log)
        self._process.wait_until(
            lambda: listens(self.lmtp_port) and listens(self.imap_port) and self.auth_socket.exists(),
            f"Dovecot listens on ports {self.lmtp_port} and {self.imap_port}",
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode().rstrip("=")


@pytest.fixture(scope="session")
def running_dovecot(certificate_authority: CertificateAuthority) -> Iterator[Dovecot]:
    """The session's Dovecot, with whatever earlier tests sent to it: tests take `dovecot`."""
    require("dovecot", install=INSTALL, root=True)
    with (
        service_folder("dovecot") as folder,
        Dovecot(folder, certificate=certificate_authority.issue()) as server,
    ):
        yield server


@pytest.fixture
def dovecot(running_dovecot: Dovecot) -> Dovecot:
    """A Dovecot with empty mailboxes."""
    running_dovecot.maildirs.clear()
    running_dovecot.log.mark()
    return running_dovecot
