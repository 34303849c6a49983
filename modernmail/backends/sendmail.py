"""`sendmail:` gives each mail to the local sendmail program, which every mail server for Unix brings.

Rules of the file: an argument list, never a shell; `--` stands before the recipients, and none is something else than an
address; the mail goes in on standard input and its end is the end of that input, so a program that is stopped before it has
read that end has sent nothing.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from contextlib import suppress

from ..errors import (
    ConfigurationError,
    ConnectFailed,
    ContentRefused,
    OutcomeUnknown,
    RecipientsRefused,
    SecurityFailed,
)
from ..outcome import Outcome
from ..receipt import Receipt
from .backend import Backend, accepted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..address import Address
    from ..errors import DeliveryError
    from ..parcel import Parcel
    from ..runtime import IO
    from .url import BackendURL

PROGRAM = "/usr/sbin/sendmail"
_NOT_PASSED_ON = "delivery-status notifications were asked for; a sendmail program is told with dsn=on only"
_SHOWN = 500  # characters of what the program said
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-+=")

# sysexits.h: what may be better later, and what will not be; the other codes say that the program itself is in trouble
_LATER = frozenset((69, 70, 71, 73, 74, 75))  # UNAVAILABLE SOFTWARE OSERR CANTCREAT IOERR TEMPFAIL
_NEVER = {
    64: "EX_USAGE", 65: "EX_DATAERR", 67: "EX_NOUSER", 68: "EX_NOHOST", 76: "EX_PROTOCOL", 77: "EX_NOPERM", 78: "EX_CONFIG",
}  # fmt: skip


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
                return _refused(parcel, f"{address.addr_spec!r} has no domain and is no plain name")
        job = _Job(self, parcel)
        try:
            await io.run(job.write)
            if io.commit_point is not None:
                await io.commit_point(parcel)
            return await io.run(job.finish)
        finally:
            job.stop()

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


class _Job:
    """One run of the program."""

    def __init__(self, backend: SendmailBackend, parcel: Parcel) -> None:
        self._backend = backend
        self._parcel = parcel
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop(); a pipe could fill up and block both
        self._watch: threading.Timer | None = None
        self._is_late = False
        self._lock = (
            threading.Lock()
        )  # under asyncio a thread may be about to start what a cancellation has stopped
        self._is_stopped = False

    def write(self) -> None:
        """Start the program and give it the mail, except the end of its input."""
        program = self._backend.program
        with self._lock:
            if self._is_stopped:
                raise ConnectFailed(f"stopped before {program} was run", is_transient=True)
            try:
                process = self._process = subprocess.Popen(  # noqa: S603  # no shell; what it is given is checked
                    self._backend.arguments(self._parcel),
                    stdin=subprocess.PIPE,
                    stdout=self._said,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise ConnectFailed(
                    f"{program} cannot be run: {error.strerror}", is_transient=True
                ) from error
            self._watch = threading.Timer(self._backend.timeout, self._too_late)
            self._watch.daemon = True
            self._watch.start()
        assert process.stdin is not None
        try:
            for chunk in _unix_lines(self._parcel.content.chunks()):
                process.stdin.write(chunk)
            process.stdin.flush()
        except BrokenPipeError as error:
            # It has ended already, without having read the end of its input: its exit code says why.
            if self._is_late:
                raise ConnectFailed(
                    f"{program} took no more data for {self._backend.timeout:g} s", is_transient=True
                ) from error

    def _too_late(self) -> None:
        self._is_late = True
        assert self._process is not None
        self._process.kill()

    def finish(self) -> Receipt:
        """End the input, wait, and tell what the exit code means."""
        process, parcel, program = self._process, self._parcel, self._backend.program
        assert process is not None
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        code = process.wait()
        self._said.seek(0)
        said = " ".join(self._said.read(_SHOWN).decode("utf-8", "replace").split())
        if code == 0:
            receipt = accepted(parcel, f"given to {program}")
            if parcel.envelope.dsn is None or self._backend.dsn:
                return receipt
            return receipt.replace(notes=(_NOT_PASSED_ON,))
        if code < 0:
            late = f"did not end within {self._backend.timeout:g} s"
            raise _unknown(parcel, f"{program} {late if self._is_late else f'was ended by signal {-code}'}")
        why = f"{program} ended with {_NEVER.get(code, code)}{': ' + said if said else ''}"
        if code in _NEVER:
            return _refused(parcel, why)
        kind = RecipientsRefused if code in _LATER else ConnectFailed
        raise kind(why, is_transient=True)

    def stop(self) -> None:
        """End the program, if it still runs, and let go of everything."""
        with self._lock:
            self._is_stopped = True
            process = self._process
            if self._watch is not None:
                self._watch.cancel()
            self._said.close()
        if process is None:
            return
        if process.poll() is None:
            process.kill()
            process.wait()  # before its input ends, which would be the end of the mail
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()


def _path(address: Address | None) -> str:
    if address is None:
        return "<>"
    return address.addr_spec if address.needs_smtputf8 else address.ascii_addr_spec


def _is_safe(address: Address) -> bool:
    return bool(address.domain) or (_PLAIN.issuperset(address.local) and not address.local.startswith("-"))


def _unix_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the octets with LF for CRLF, wherever the chunks are cut."""
    held = b""
    for chunk in chunks:
        data = held + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        yield data[: len(data) - len(held)].replace(b"\r\n", b"\n")
    if held:
        yield held


def _refused(parcel: Parcel, why: str) -> Receipt:
    outcome = Outcome("rejected", reason=why, phase="done")
    return Receipt(parcel.message_id, parcel.envelope, outcome, error=ContentRefused(why))


def _unknown(parcel: Parcel, why: str) -> DeliveryError:
    error = OutcomeUnknown(f"it is not known whether the mail was accepted: {why}")
    outcome = Outcome("unknown", reason=why, phase="content")
    error.receipt = Receipt(parcel.message_id, parcel.envelope, outcome, error=error)
    return error


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
