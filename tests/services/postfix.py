"""Postfix with its own queue, configuration and log: takes any mail for example.com, .net and .org.

What it delivers, a file per recipient, is in `delivered()`. `refused…@example.com` gets a 550, `deferred…` a
450, any other domain a 554 (relay access denied). Nothing is ever relayed, no header is added, dropped or
rewritten below the trace, and a bare LF is refused, so that what arrives is what the client sent.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from .maildir import Delivered, Maildirs
from .process import LOOPBACK, Log, ServiceFailed, end, free_port, listens, service_folder, wait_until
from .programs import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from .certificates import Certificate, CertificateAuthority
    from .dovecot import Dovecot

INSTALL = "apt-get install postfix"
DOMAINS = ("example.com", "example.net", "example.org")

_NOBODY = 65534  # owns the maildirs: any user that is not root would do

_RECIPIENTS = r"""
/^refused[^@]*@/   550 5.1.1 No such mailbox here
/^deferred[^@]*@/  450 4.2.1 Mailbox busy, try again later
"""

_SERVICES = """
{smtp}
{smtps}
pickup     unix        n - n 60 1   pickup
cleanup    unix        n - n -  0   cleanup
qmgr       unix        n - n 300 1  qmgr
tlsmgr     unix        - - n 1000? 1 tlsmgr
rewrite    unix        - - n -  -   trivial-rewrite
bounce     unix        - - n -  0   bounce
defer      unix        - - n -  0   bounce
trace      unix        - - n -  0   bounce
verify     unix        - - n -  1   verify
flush      unix        n - n 1000? 0 flush
proxymap   unix        - - n -  -   proxymap
proxywrite unix        - - n -  1   proxymap
showq      unix        n - n -  -   showq
error      unix        - - n -  -   error
retry      unix        - - n -  -   error
discard    unix        - - n -  -   discard
virtual    unix        - n n -  -   virtual
anvil      unix        - - n -  1   anvil
scache     unix        - - n -  1   scache
postlog    unix-dgram  n - n -  1   postlogd
"""


class Postfix:
    """A Postfix below `folder`; a context manager: running inside, ended and asserted gone outside.

    `certificate` turns on STARTTLS on `port` and implicit TLS on `smtps_port`; `sasl_socket` (Dovecot's)
    turns on AUTH, over TLS only; `message_size_limit` is in octets; `parameters` (lines of main.cf) win.
    """

    def __init__(
        self,
        folder: Path,
        *,
        certificate: Certificate | None = None,
        sasl_socket: Path | None = None,
        message_size_limit: int = 64 * 1024 * 1024,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.smtps_port = free_port() if certificate else None
        self.configuration = folder / "config"
        self.maildirs = Maildirs(folder / "mail")
        self.log = Log(folder / "log")
        self._queue = folder / "queue"
        for new in (self.configuration, self._queue):
            new.mkdir()
        data = folder / "data"
        data.mkdir()
        _give(data, "postfix")
        self.maildirs.root.mkdir()
        _give(self.maildirs.root, str(_NOBODY))

        settings = {
            "compatibility_level": "3.6",
            "queue_directory": self._queue,
            "data_directory": data,
            "maillog_file": self.log.path,
            "maillog_file_prefixes": folder,
            "inet_interfaces": LOOPBACK,
            "inet_protocols": "ipv4",
            "myhostname": "mx.example.com",
            "mydestination": "",
            "mynetworks": "",
            "alias_maps": "",
            "alias_database": "",
            "enable_long_queue_ids": "yes",
            "smtputf8_enable": "yes",
            "message_size_limit": message_size_limit,
            "virtual_mailbox_limit": 0,
            # whatever would leave this machine is an error, and DNS is never asked
            "relay_domains": "",
            "default_transport": "error:5.7.1 nothing leaves this server",
            "relay_transport": "error:5.7.1 nothing leaves this server",
            "disable_dns_lookups": "yes",
            "smtpd_peername_lookup": "no",
            "smtpd_relay_restrictions": "reject_unauth_destination",
            "smtpd_recipient_restrictions": f"check_recipient_access regexp:{self.configuration}/recipients",
            # the content arrives as it was sent: no header dropped (Bcc by default), added or rewritten
            "message_drop_headers": "",
            "local_header_rewrite_clients": "",
            "remote_header_rewrite_domain": "",
            "smtpd_forbid_bare_newline": "reject",
            "smtpd_forbid_bare_newline_exclusions": "",
            # faults are tested on purpose: no penalty for making them
            "smtpd_error_sleep_time": 0,
            "smtpd_soft_error_limit": 100_000,
            "smtpd_hard_error_limit": 100_000,
            "smtpd_junk_command_limit": 100_000,
            "smtpd_client_connection_count_limit": 0,
            "smtpd_client_connection_rate_limit": 0,
            "in_flow_delay": 0,
            "notify_classes": "",
            "virtual_mailbox_domains": " ".join(DOMAINS),
            "virtual_mailbox_base": self.maildirs.root,
            "virtual_mailbox_maps": "static:all/",
            "virtual_uid_maps": f"static:{_NOBODY}",
            "virtual_gid_maps": f"static:{_NOBODY}",
        }
        if certificate:
            settings |= {
                "smtpd_tls_security_level": "may",
                "smtpd_tls_cert_file": certificate.chain_file,
                "smtpd_tls_key_file": certificate.key_file,
                "smtpd_tls_loglevel": 1,
                "smtpd_tls_received_header": "yes",
            }
        if sasl_socket:
            settings |= {
                "smtpd_sasl_auth_enable": "yes",
                "smtpd_sasl_type": "dovecot",
                "smtpd_sasl_path": sasl_socket,
                "smtpd_tls_auth_only": "yes",
            }
        settings |= parameters or {}
        self._write("main.cf", "".join(f"{name} = {value}\n" for name, value in settings.items()))
        smtps = f"{LOOPBACK}:{self.smtps_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes"
        smtp = f"{LOOPBACK}:{self.port} inet n - n - - smtpd"
        self._write("master.cf", _SERVICES.format(smtp=smtp, smtps=smtps if certificate else ""))
        self._write("recipients", _RECIPIENTS)

    def _write(self, name: str, text: str) -> None:
        (self.configuration / name).write_text(text.lstrip("\n"))

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

    def settle(self) -> None:
        """Return once the queue is empty: all that Postfix took is delivered."""
        wait_until(lambda: not self._queued(), "Postfix's queue is empty", timeout=60)

    def _queued(self) -> bool:
        return any(
            path.is_file()
            for name in ("maildrop", "incoming", "active", "deferred")
            for path in (self._queue / name).rglob("*")
        )

    def delivered(self) -> list[Delivered]:
        """Return every delivered message, oldest first, after the queue has emptied."""
        self.settle()
        return list(self.maildirs)

    def clear(self) -> None:
        """Forget what was delivered."""
        self.settle()
        self.maildirs.clear()

    @property
    def url(self) -> str:
        """The address of the plain port, as a mailer takes it."""
        return f"smtp://{LOOPBACK}:{self.port}"


def _give(folder: Path, user: str) -> None:
    subprocess.run(["chown", user, folder], check=True)


@pytest.fixture(scope="session")
def running_postfix() -> Iterator[Postfix]:
    """The session's Postfix, with whatever earlier tests sent to it: tests take `postfix`."""
    require("postfix", install=INSTALL, root=True)
    with service_folder("postfix") as folder, Postfix(folder) as server:
        yield server


@pytest.fixture
def postfix(running_postfix: Postfix) -> Postfix:
    """A Postfix that speaks plain SMTP, with empty maildirs."""
    running_postfix.clear()
    running_postfix.log.mark()
    return running_postfix


@pytest.fixture(scope="session")
def running_postfix_tls(
    certificate_authority: CertificateAuthority, running_dovecot: Dovecot
) -> Iterator[Postfix]:
    """The session's Postfix with TLS and AUTH: tests take `postfix_tls`."""
    require("postfix", install=INSTALL, root=True)
    with (
        service_folder("postfix") as folder,
        Postfix(
            folder,
            certificate=certificate_authority.issue(),
            sasl_socket=running_dovecot.auth_socket,
        ) as server,
    ):
        yield server


@pytest.fixture
def postfix_tls(running_postfix_tls: Postfix) -> Postfix:
    """A Postfix with STARTTLS, implicit TLS on `smtps_port`, and AUTH over TLS; its maildirs are empty."""
    running_postfix_tls.clear()
    running_postfix_tls.log.mark()
    return running_postfix_tls
