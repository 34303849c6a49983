"""What the server remembers: sessions, the steps in them, transactions, and what was committed.

The session threads write, the test's thread reads; every change happens inside `with ledger:`, which wakes
all who wait in `Ledger.wait_for`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_KEPT = 64 * 1024  # bytes of what the server said that a step remembers


@dataclass(slots=True)
class Step:
    """One command (or connection, or end of content) and what was said to it.

    `line` is the raw command with its line end, `tls` whether it came under TLS, `offset` how many bytes of
    the client had been taken when it was read, `sent` the first 64 KiB that the server answered.
    """

    name: str
    line: bytes
    tls: bool
    offset: int
    sent: bytes = b""

    def note(self, data: bytes) -> None:
        """Remember that `data` was said."""
        if len(self.sent) < _KEPT:
            self.sent = (self.sent + data)[:_KEPT]


@dataclass(slots=True)
class Transaction:
    """One MAIL and what followed: addresses as the client wrote them, parameters with upper-case names.

    `recipients` are those the server took, `refused` those it did not. `raw` is the content as it came,
    without the final dot; `complete` says that the dot (or LAST) came; `committed` that the server took
    responsibility.
    """

    sender: str
    parameters: dict[str, str] = field(default_factory=dict)
    recipients: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    recipient_parameters: dict[str, dict[str, str]] = field(default_factory=dict)
    raw: bytes = b""
    chunked: bool = False
    complete: bool = False
    committed: bool = False

    @property
    def content(self) -> bytes:
        """The content as the author wrote it: dot-stuffing undone (RFC 5321 4.5.2); BDAT has none."""
        return self.raw if self.chunked else unstuffed(self.raw)


@dataclass(frozen=True, slots=True)
class Commit:
    """A mail the server took responsibility for: the truth by which a client's receipts are judged."""

    session: int
    sender: str
    recipients: tuple[str, ...]
    content: bytes


@dataclass(slots=True)
class Session:
    """One connection, from the greeting to its end.

    `end` is None while it lasts, then `quit`, `eof` (the client closed), `reset` (it broke), `closed` or
    `rst` (the script did), `tls` (the handshake failed: `tls_error`) or `stopped` (the server was, or its
    lifetime was over). `received` and `sent` count bytes, `sent` (TLS included) is known at the end.
    `violations` names what a strict server would mind. `discarded` is plaintext that came behind STARTTLS,
    `ignored` the first 64 KiB of what came after the server stopped listening. `user` is who authenticated.
    """

    number: int
    steps: list[Step] = field(default_factory=list)
    transactions: list[Transaction] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    received: int = 0
    sent: int = 0
    tls: str | None = None
    tls_error: str | None = None
    user: str | None = None
    discarded: bytes = b""
    ignored: bytes = b""
    end: str | None = None

    @property
    def commands(self) -> list[bytes]:
        """The raw command lines, in order."""
        return [step.line for step in self.steps if step.name not in {"CONNECT", "TLS", "BODY"}]

    def step(self, name: str, nth: int = 1) -> Step:
        """Return the `nth` step of that name; LookupError when it was not reached."""
        found = [step for step in self.steps if step.name == name]
        if len(found) < nth:
            raise LookupError(f"session {self.number} reached {name} {len(found)} times, not {nth}")
        return found[nth - 1]

    def received_after(self, name: str, nth: int = 1) -> int:
        """Return how many bytes the client sent after that step's command."""
        return self.received - self.step(name, nth).offset

    def transcript(self) -> str:
        """Return the conversation as text: `C:` what the client said, `S:` what the server answered."""
        lines = []
        for step in self.steps:
            if step.line:
                lines.append(f"C: {step.line!r}{' (TLS)' if step.tls else ''}")
            lines.extend(f"S: {line!r}" for line in step.sent.splitlines(keepends=True))
        lines.append(f"-- {self.end or 'open'}")
        return "\n".join(lines)


class Ledger:
    """Sessions and commits, guarded by one condition."""

    def __init__(self) -> None:
        self.sessions: list[Session] = []
        self.commits: list[Commit] = []
        self.failures: list[BaseException] = []
        self.released: set[str] = set()
        self._changed = threading.Condition()

    def __enter__(self) -> Ledger:
        self._changed.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._changed.notify_all()
        self._changed.release()

    def wait_for(self, predicate: Callable[[], object], timeout: float) -> bool:
        """Wait until `predicate()` is true, judged again at every change; return whether it became so."""
        with self._changed:
            return bool(self._changed.wait_for(predicate, timeout))


def unstuffed(raw: bytes) -> bytes:
    r"""Return content with the dots that SMTP added at line starts taken away.

    >>> unstuffed(b"..a\r\n...\r\nb..\r\n")
    b'.a\r\n..\r\nb..\r\n'
    """
    if raw.startswith(b"."):
        raw = raw[1:]
    return raw.replace(b"\r\n.", b"\r\n")
