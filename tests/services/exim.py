"""Exim, the other big server: adds PIPECONNECT and PRDR to what Postfix offers.

Takes any mail for example.com, .net and .org, with the special recipients of our Postfix: `refused…` gets a
550, `deferred…` a 451, a foreign domain a 550. AUTH takes Dovecot's `PASSWORDS`, over TLS only.
"""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

import pytest

from .dovecot import PASSWORDS
from .maildir import Maildirs
from .mailserver import MailServer, holds_files
from .namespace import in_namespace, private_id
from .process import LOOPBACK, Log, Process, free_port, listens, service_folder
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from .certificates import Certificate, CertificateAuthority

INSTALL = ".ci/services, as root (the package itself conflicts with Postfix)"

_CONFIGURATION = """
exim_path = {exim}
spool_directory = {folder}/spool
log_file_path = {folder}/logs/%s
log_selector = +received_recipients +tls_cipher
pid_file_path = {folder}/pid
primary_hostname = mx.example.com
keep_environment =
local_interfaces = {address}
daemon_smtp_ports = {port} : {smtps_port}
tls_on_connect_ports = {smtps_port}
tls_advertise_hosts = *
tls_certificate = {certificate.chain_file}
tls_privatekey = {folder}/key.pem
disable_ipv6
host_lookup =
rfc1413_hosts =
dns_again_means_nonexist = *
never_users =
message_size_limit = 64M
recipients_max = 0
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
smtp_max_unknown_commands = 1000
smtp_max_synprot_errors = 1000
smtputf8_advertise_hosts = *
chunking_advertise_hosts = *
pipelining_connect_advertise_hosts = *
dsn_advertise_hosts = *
prdr_enable
add_environment =
deliver_drop_privilege
acl_smtp_rcpt = recipients
acl_smtp_data = accept
acl_smtp_helo = accept
ignore_bounce_errors_after = 0s

begin acl
recipients:
  deny    local_parts = ^refused
          message = 5.1.1 No such mailbox here
  defer   local_parts = ^deferred
          message = 4.2.1 Mailbox busy, try again later
  deny    !domains = example.com : example.net : example.org
          message = 5.7.1 Relay access denied
  accept

begin routers
everyone:
  driver = accept
  domains = example.com : example.net : example.org
  transport = maildir

begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {maildirs}
  create_directory
  delivery_date_add
  envelope_to_add
  return_path_add

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_prompts = :
  server_condition = ${{if eq{{$auth3}}{{${{lookup{{$auth2}}lsearch{{{folder}/users}}}}}}}}
login:
  driver = plaintext
  public_name = LOGIN
  server_advertise_condition = ${{if def:tls_in_cipher}}
  server_prompts = Username:: : Password::
  server_condition = ${{if eq{{$auth2}}{{${{lookup{{$auth1}}lsearch{{{folder}/users}}}}}}}}
"""


class Exim(MailServer):
    """An Exim below `folder`; a context manager: running inside, ended outside."""

    def __init__(self, folder: Path, *, certificate: Certificate) -> None:
        self.port = free_port()
        self.smtps_port = free_port()
        self.maildirs = Maildirs(folder / "mail")
        self.log = Log(folder / "logs" / "main")
        self._folder = folder
        self._spool = folder / "spool"
        for new in (self._spool, folder / "logs", self.maildirs.root):
            new.mkdir()
            os.chown(new, private_id(0), private_id(0))
        os.chown(shutil.copy(certificate.key_file, folder / "key.pem"), private_id(0), private_id(0))
        self._exim = require("exim4", install=INSTALL, root=True)
        (folder / "users").write_text("".join(f"{user}: {word}\n" for user, word in PASSWORDS.items()))
        (folder / "exim.conf").write_text(
            _CONFIGURATION.format(
                exim=self._exim,
                folder=folder,
                address=LOOPBACK,
                port=self.port,
                smtps_port=self.smtps_port,
                certificate=certificate,
                maildirs=self.maildirs.root,
            ).lstrip("\n")
        )

    def __enter__(self) -> Self:
        command: list[str | Path] = [self._exim, "-C", self._folder / "exim.conf", "-bdf", "-q10m"]
        self._process = Process(
            "Exim", in_namespace(command, self._folder, users=["Debian-exim"]), Log(self._folder / "output")
        )
        self._process.wait_until(lambda: listens(self.port), f"Exim listens on port {self.port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()

    def sendmail(self) -> Path:
        """Return a program that is called as sendmail and gives its mail to this Exim."""
        program = self._folder / "sendmail"
        command = in_namespace(
            [self._exim, "-C", self._folder / "exim.conf"], self._folder, users=["Debian-exim"]
        )
        *words, script = command
        script += ' "$@"'  # sh -ec SCRIPT NAME ARGUMENT …
        program.write_text(f'#!/bin/sh\nexec {shlex.join([*words, script, "sendmail"])} "$@"\n')
        program.chmod(0o755)
        return program

    def has_queued(self) -> bool:
        """Whether anything that was taken is not delivered yet."""
        return holds_files(self._spool / "input", ending="-H")


@pytest.fixture(scope="session")
def running_exim(certificate_authority: CertificateAuthority) -> Iterator[Exim]:
    """The session's Exim, with whatever earlier tests sent to it: tests take `exim`."""
    with (
        service_folder("exim") as folder,
        Exim(folder, certificate=certificate_authority.issue()) as server,
    ):
        yield server


@pytest.fixture
def exim(running_exim: Exim) -> Exim:
    """An Exim with STARTTLS, implicit TLS on `smtps_port`, and AUTH over TLS; its maildirs are empty."""
    running_exim.renew()
    return running_exim
