"""Postfix with its own queue, configuration and log: takes any mail for example.com, .net and .org.

What it delivers, a file per recipient, is in `delivered()`. `refused…@example.com` gets a 550, `deferred…` a
450, any other domain a 554 (relay access denied). Nothing is ever relayed, no header is added, dropped or
rewritten below the trace, and a bare LF is refused, so that what arrives is what the client sent.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from . import postfix_configuration as configuration
from .maildir import Maildirs
from .mailserver import MailServer, holds_files
from .process import Log, ServiceFailed, end, free_port, listens, service_folder, wait_until
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from .certificates import Certificate, CertificateAuthority
    from .dovecot import Dovecot

INSTALL = "apt-get install postfix"
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER")


class Postfix(MailServer):
    """A Postfix below `folder`; a context manager: running inside, ended and asserted gone outside.

    `certificate` turns on STARTTLS on `port` and implicit TLS on `smtps_port`; `sasl_socket` (Dovecot's)
    turns on AUTH, over TLS only; `more` are settings of further servers, whose ports are then in `ports` under the
    same name; `message_size_limit` is in octets; `parameters` (lines of main.cf) win.
    """

    def __init__(
        self,
        folder: Path,
        *,
        certificate: Certificate | None = None,
        sasl_socket: Path | None = None,
        message_size_limit: int = 64 * 1024 * 1024,
        parameters: Mapping[str, str] | None = None,
        more: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.port = free_port()
        self.smtps_port = free_port() if certificate else None
        self.ports = {name: free_port() for name in more or {}}
        self.configuration = folder / "config"
        self.maildirs = Maildirs(folder / "mail")
        self.log = Log(folder / "log")
        self._queue = folder / "queue"
        for new, owner in ((self.configuration, "root"), (self._queue, "root"), (folder / "data", "postfix")):
            new.mkdir()
            shutil.chown(new, owner)
        self.maildirs.root.mkdir()
        os.chown(self.maildirs.root, configuration.NOBODY, configuration.NOBODY)

        settings = configuration.settings(folder, message_size_limit=message_size_limit)
        if certificate:
            settings |= configuration.tls_settings(certificate)
        if sasl_socket:
            settings |= configuration.sasl_settings(sasl_socket)
        settings |= parameters or {}
        listeners: dict[int, Mapping[str, str]] = {self.port: {}}
        if self.smtps_port is not None:
            listeners[self.smtps_port] = {"smtpd_tls_wrappermode": "yes"}
        listeners |= {self.ports[name]: own for name, own in (more or {}).items()}
        files = {
            "main.cf": "".join(f"{name} = {value}\n" for name, value in settings.items()),
            "master.cf": configuration.services(listeners),
            "recipients": configuration.RECIPIENTS,
        }
        for name, text in files.items():
            (self.configuration / name).write_text(text)

    def _postfix(self, command: str) -> None:
        run = subprocess.run(
            ["postfix", "-c", self.configuration, command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if run.returncode:
            raise ServiceFailed(f"postfix {command}: {run.stdout}{run.stderr}\n{self.log.text()}")

    def __enter__(self) -> Self:
        self._postfix("start")
        self.pid = int((self._queue / "pid" / "master.pid").read_text())
        try:
            wait_until(lambda: listens(self.port), f"Postfix listens on port {self.port}")
        except ServiceFailed as failure:
            end(self.pid, "Postfix")
            raise ServiceFailed(f"{failure}\n{self.log.text()}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self.pid, "Postfix")

    def sendmail(self) -> Path:
        """Return a program that is called as sendmail and gives its mail to this Postfix."""
        program = self.configuration / "sendmail"
        command = [str(require("sendmail", install=INSTALL)), "-C", str(self.configuration)]
        program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
        program.chmod(0o755)
        return program

    def has_queued(self) -> bool:
        """Whether anything that was taken is not delivered yet."""
        return holds_files(*(self._queue / name for name in ("maildrop", "incoming", "active", "deferred")))


@pytest.fixture(scope="session")
def running_postfix() -> Iterator[Postfix]:
    """The session's Postfix, with whatever earlier tests sent to it: tests take `postfix`."""
    require("postfix", install=INSTALL, root=True)
    with service_folder("postfix") as folder, Postfix(folder) as server:
        yield server


@pytest.fixture
def postfix(running_postfix: Postfix) -> Postfix:
    """A Postfix that speaks plain SMTP, with empty maildirs."""
    running_postfix.renew()
    return running_postfix


@pytest.fixture(scope="session")
def running_postfix_tls(
    certificate_authority: CertificateAuthority, running_dovecot: Dovecot
) -> Iterator[Postfix]:
    """The session's Postfix with TLS and AUTH: tests take `postfix_tls`."""
    require("postfix", install=INSTALL, root=True)
    expired = certificate_authority.issue(expired=True)
    elsewhere = certificate_authority.issue("elsewhere.example.com")
    with (
        service_folder("postfix") as folder,
        Postfix(
            folder,
            certificate=certificate_authority.issue(),
            sasl_socket=running_dovecot.auth_socket,
            more={
                **{name: {"smtpd_sasl_mechanism_filter": name} for name in MECHANISMS},
                "expired": configuration.certificate_settings(expired),
                "wrong host": configuration.certificate_settings(elsewhere),
            },
        ) as server,
    ):
        yield server


@pytest.fixture
def postfix_tls(running_postfix_tls: Postfix) -> Postfix:
    """A Postfix with STARTTLS, implicit TLS on `smtps_port`, and AUTH over TLS; its maildirs are empty.

    `ports` has one for each of `MECHANISMS`, which offers no other, and `"expired"` and `"wrong host"` for those
    certificates.
    """
    running_postfix_tls.renew()
    return running_postfix_tls
