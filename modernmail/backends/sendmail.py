"""`sendmail:` gives each mail to the local sendmail program, which every mail server for Unix brings.

Rules of the file: an argument list, never a shell; `--` stands before the recipients, and none is something else than an
address.
"""

from __future__ import annotations

import os

from ..errors import ConfigurationError, ConnectFailed, SecurityFailed
from .backend import Backend
from .sendmail_run import Run, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..address import Address
    from ..parcel import Parcel
    from ..receipt import Receipt
    from ..runtime import IO
    from .backendurl import BackendURL

PROGRAM = "/usr/sbin/sendmail"
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=")


class SendmailBackend(Backend):
    """Runs `program` with `-i -f RETURN-PATH -- RECIPIENT …`; `timeout` is the seconds it may take.

    `dsn` passes wishes for delivery-status notifications on, by `-N`, `-R` and `-V`, which Postfix, Sendmail and OpenSMTPD
    take. It is off by default, for Exim knows `-N` too: there it means that nothing shall be delivered. The receipt of a mail
    whose wishes stay here says so.

    A recipient without a domain must be a plain name: what else stands there could be a file or a command for some of these
    programs. Line ends are those of Unix, as the program expects.

    >>> SendmailBackend("/usr/lib/sendmail")
    <SendmailBackend /usr/lib/sendmail>
    """

    def __init__(
        self, program: str | os.PathLike[str] = PROGRAM, *, timeout: float = 60.0, dsn: bool = False
    ) -> None:
        self.program = os.fspath(program)
        if not self.program.startswith("/"):
            raise ConfigurationError(f"program={self.program!r}: must be an absolute path, such as {PROGRAM}")
        if isinstance(timeout, bool) or not 0 < timeout <= 86400:
            raise ConfigurationError(f"timeout={timeout!r}: must be seconds, more than 0 and at most 86400")
        self.timeout = timeout
        self.dsn = dsn

    async def send(self, parcel: Parcel, io: IO) -> Receipt:
        """Run the program for one mail."""
        if parcel.envelope.require_tls:
            raise SecurityFailed(
                "TLS is required to the last hop (REQUIRETLS), and a sendmail program cannot be asked for that"
            )
        for address in parcel.envelope.addresses:
            if not _is_safe(address):
                return refused(parcel, f"{address.addr_spec!r} has no domain and is no plain name")
        run = Run(self.arguments(parcel), parcel, timeout=self.timeout, passes_wishes=self.dsn)
        try:
            await io.run(run.write)
            if io.commit_point is not None:
                await io.commit_point(parcel)
            return await io.run(run.finish)
        finally:
            run.stop()

    def arguments(self, parcel: Parcel) -> list[str]:
        """Return the argument list for a mail."""
        envelope = parcel.envelope
        words = [self.program, "-i", "-f", _path(envelope.sender)]
        dsn = envelope.dsn
        if dsn is not None and self.dsn:
            if dsn.notify:
                words += ["-N", ",".join(dsn.notify)]
            if dsn.ret is not None:
                words += ["-R", "full" if dsn.ret == "full" else "hdrs"]
            if dsn.envid is not None:
                words += ["-V", dsn.envid]
        return [*words, "--", *map(_path, envelope.addresses)]

    async def verify(self, io: IO) -> dict[str, Any]:
        """Make sure that the program is there and may be run."""
        if not os.access(self.program, os.X_OK):
            raise ConnectFailed(f"{self.program} is not there, or may not be run")
        return {"program": self.program}

    def __repr__(self) -> str:
        return f"<SendmailBackend {self.program}>"


def _path(address: Address | None) -> str:
    if address is None:
        return "<>"
    return address.addr_spec if address.needs_smtputf8 else address.ascii_addr_spec


def _is_safe(address: Address) -> bool:
    return bool(address.domain) or (_PLAIN.issuperset(address.local) and not address.local.startswith("-"))


def sendmail_from_url(url: BackendURL) -> SendmailBackend:
    """Return the backend of `sendmail:`, `sendmail:/usr/lib/sendmail` or `sendmail:?timeout=60&dsn=on`."""
    url.refuse_host()
    url.refuse_options(("dsn", "timeout"))
    dsn = url.options.get("dsn", "off")
    if dsn not in ("on", "off"):
        raise ConfigurationError(f"dsn={dsn!r}: must be on or off")
    text = url.options.get("timeout", "60")
    try:
        seconds = float(text)
    except ValueError:
        raise ConfigurationError(f"timeout={text!r}: must be seconds") from None
    return SendmailBackend(url.path or PROGRAM, timeout=seconds, dsn=dsn == "on")
