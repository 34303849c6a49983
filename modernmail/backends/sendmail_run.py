"""One run of a sendmail program: the mail in, and what its exit code means.

Called by `SendmailBackend`, in threads under asyncio.

Rules of the file: the end of the input is the end of the mail, so a program that is stopped before it has read that end has
sent nothing.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from contextlib import suppress

from ..errors import ConnectFailed, ContentRefused, RecipientsRefused
from ..grammar.characters import printable
from ..outcome import Outcome
from ..receipt import Receipt
from .backend import accepted, unknown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..parcel import Parcel

_NOT_PASSED_ON = "delivery-status notifications were asked for; a sendmail program is told with dsn=on only"
_SHOWN = 500  # characters of what the program said

# sysexits.h: what may be better later, and what will not be; the other codes say that the program itself is in trouble
_LATER = frozenset((69, 70, 71, 73, 74, 75))  # UNAVAILABLE SOFTWARE OSERR CANTCREAT IOERR TEMPFAIL
_NEVER = {
    64: "EX_USAGE", 65: "EX_DATAERR", 67: "EX_NOUSER", 68: "EX_NOHOST", 76: "EX_PROTOCOL", 77: "EX_NOPERM", 78: "EX_CONFIG",
}  # fmt: skip


class Run:
    """One run of the program, of `timeout` seconds at the most.

    `passes_wishes` says that delivery-status wishes are among its arguments.
    """

    def __init__(self, arguments: list[str], parcel: Parcel, *, timeout: float, passes_wishes: bool) -> None:
        self._arguments = arguments
        self._program = arguments[0]
        self._parcel = parcel
        self._timeout = timeout
        self._passes_wishes = passes_wishes
        self._process: subprocess.Popen[bytes] | None = None
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by stop(); a pipe could fill up and block both
        self._watch: threading.Timer | None = None
        self._is_late = False
        # Under asyncio a thread may be about to start what a cancellation has stopped.
        self._lock = threading.Lock()
        self._is_stopped = False

    def write(self) -> None:
        """Start the program and give it the mail, except the end of its input."""
        program = self._program
        with self._lock:
            if self._is_stopped:
                raise ConnectFailed(f"stopped before {program} was run", is_transient=True)
            try:
                process = self._process = subprocess.Popen(  # noqa: S603  # no shell; what it is given is checked
                    self._arguments,
                    stdin=subprocess.PIPE,
                    stdout=self._said,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise ConnectFailed(
                    f"{program} cannot be run: {error.strerror}", is_transient=True
                ) from error
            self._watch = threading.Timer(self._timeout, self._too_late)
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
                    f"{program} took no more data for {self._timeout:g} s", is_transient=True
                ) from error

    def _too_late(self) -> None:
        self._is_late = True
        assert self._process is not None
        self._process.kill()

    def finish(self) -> Receipt:
        """End the input, wait, and tell what the exit code means."""
        process, parcel, program = self._process, self._parcel, self._program
        assert process is not None
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        code = process.wait()
        self._said.seek(0)
        said = printable(" ".join(self._said.read(_SHOWN).decode("utf-8", "replace").split()))
        if code == 0:
            receipt = accepted(parcel, f"given to {program}")
            if parcel.envelope.dsn is None or self._passes_wishes:
                return receipt
            return receipt.replace(notes=(_NOT_PASSED_ON,))
        if code < 0:
            late = f"did not end within {self._timeout:g} s"
            return unknown(parcel, f"{program} {late if self._is_late else f'was ended by signal {-code}'}")
        why = f"{program} ended with {_NEVER.get(code, code)}{': ' + said if said else ''}"
        if code in _NEVER:
            return refused(parcel, why)
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


def _unix_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the octets with LF for CRLF, wherever the chunks are cut."""
    held = b""
    for chunk in chunks:
        data = held + chunk
        held = b"\r" if data.endswith(b"\r") else b""
        yield data[: len(data) - len(held)].replace(b"\r\n", b"\n")
    if held:
        yield held


def refused(parcel: Parcel, why: str) -> Receipt:
    """Return the receipt of a mail that this program will never take."""
    outcome = Outcome("rejected", reason=why, phase="done")
    return Receipt(parcel.message_id, parcel.envelope, outcome, error=ContentRefused(why))
