"""OpenSMTPD, the honest old server: no PIPELINING, CHUNKING or SMTPUTF8, and DATA ends at a bare `LF.LF` too.

Takes any mail for example.com, .net and .org; `refused…` gets a 550, like any foreign domain. It speaks plain
SMTP only: the TLS of Debian 12's 6.8 does not work with OpenSSL 3 ("missing private key"; 7.6 and later do), and AUTH
needs TLS.
What comes from loopback it takes for a submission: it removes Bcc, completes addresses that have no domain,
and adds Date and Message-ID where they are missing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .maildir import Maildirs
from .mailserver import MailServer, holds_files
from .namespace import in_namespace, private_id
from .process import LOOPBACK, Log, Process, free_port, listens, service_folder
from .programs import UNPACKED, missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

PROGRAM = UNPACKED / "usr/sbin/smtpd"  # not from PATH: Postfix has a program of this name
INSTALL = ".ci/services, as root (the package itself conflicts with Postfix)"
USERS = ["opensmtpd", "opensmtpq", "vmail"]

_CONFIGURATION = """
smtp max-message-size "64M"
table everyone {{ "@" = "vmail" }}
table domains {{ "example.com", "example.net", "example.org" }}
table refused {{ "^refused.*" }}
listen on {address} port {port} hostname mx.example.com
action deliver maildir "{maildirs}" virtual <everyone>
match from any for rcpt-to regex <refused> reject
match from any for domain <domains> action deliver
"""


class OpenSMTPD(MailServer):
    """An OpenSMTPD below `folder`; a context manager: running inside, ended outside."""

    def __init__(self, folder: Path) -> None:
        if not PROGRAM.exists():
            missing(f"OpenSMTPD is not in {PROGRAM}: {INSTALL}")
        self.port = free_port()
        self.maildirs = Maildirs(folder / "mail")
        self.log = Log(folder / "log")
        self._folder = folder
        self._spool = folder / "spool"
        self._spool.mkdir()
        self.maildirs.root.mkdir()
        os.chown(self.maildirs.root, private_id(2), private_id(2))
        (folder / "smtpd.conf").write_text(
            _CONFIGURATION.format(address=LOOPBACK, port=self.port, maildirs=self.maildirs.root).lstrip("\n")
        )

    def __enter__(self) -> Self:
        command = in_namespace(
            [PROGRAM, "-d", "-f", self._folder / "smtpd.conf"],
            self._folder,
            users=USERS,
            empty=[Path("/var/lib"), Path("/run")],
            create=[Path("/var/lib/opensmtpd/empty")],
            over={self._spool: Path("/var/spool"), UNPACKED / "usr/libexec": Path("/usr/libexec")},
        )
        self._process = Process("OpenSMTPD", command, self.log)
        self._process.wait_until(lambda: listens(self.port), f"OpenSMTPD listens on port {self.port}")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.stop()

    def has_queued(self) -> bool:
        """Whether anything that was taken is not delivered yet."""
        return holds_files(*(self._spool / "smtpd" / name for name in ("incoming", "queue")))


@pytest.fixture(scope="session")
def running_opensmtpd() -> Iterator[OpenSMTPD]:
    """The session's OpenSMTPD, with whatever earlier tests sent to it: tests take `opensmtpd`."""
    with service_folder("opensmtpd") as folder, OpenSMTPD(folder) as server:
        yield server


@pytest.fixture
def opensmtpd(running_opensmtpd: OpenSMTPD) -> OpenSMTPD:
    """An OpenSMTPD with empty maildirs."""
    running_opensmtpd.renew()
    return running_opensmtpd
