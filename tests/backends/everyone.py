"""Every backend there is, each by a URL, with what it was given to deliver: for tests that hold for all."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

from modernmail.backends.console import ConsoleBackend
from modernmail.backends.null import NullBackend
from modernmail.inbox.disk_store import DiskStore
from modernmail.registry import mailers
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import pytest

    from modernmail import Parcel, Receipt
    from modernmail.runtime import IO

BACKENDS = (
    "smtp", "smtp, a pool", "smtp, chunking", "smtps", "lmtp", "sendmail", "file", "memory", "console", "null", "inbox",
    "failover", "roundrobin",
)  # fmt: skip

_SENDMAIL = """#!/bin/sh
printf '%s\\n' "$@" -- >> {calls}
exec cat > /dev/null
"""
_FORGETFUL = {"console": ConsoleBackend, "null": NullBackend}


class Everyone:
    """One backend by its name: `url`, and `seen()`, the recipients of every envelope it was given.

    A context manager; servers run inside.
    """

    def __init__(self, name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.name = name
        self.url = ""
        self._folder = folder
        self._monkeypatch = monkeypatch
        self._servers: list[ScriptedSMTPServer] = []
        self._noted: list[str] = []
        self._closing = ExitStack()

    def __enter__(self) -> Everyone:
        self.url = self._url()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _server(self, *, tls: str | None = None, lmtp: bool = False) -> ScriptedSMTPServer:
        capabilities = (
            "PIPELINING",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "SIZE 67108864",
            "CHUNKING",
        )
        server = ScriptedSMTPServer(capabilities=capabilities, tls=tls, lmtp=lmtp)
        self._servers.append(self._closing.enter_context(server))
        return server

    def _url(self) -> str:
        folder = self._folder
        if self.name.startswith("smtp"):
            options: dict[str, object] = {
                "smtp, a pool": {"pool": 3},
                "smtp, chunking": {"chunking": "on", "window": 4},
            }.get(self.name, {})
            return self._server(tls="implicit" if self.name == "smtps" else None).url(**options)  # type: ignore[arg-type]
        if self.name == "lmtp":
            return f"lmtp://127.0.0.1:{self._server(lmtp=True).port}"
        if self.name in ("failover", "roundrobin"):
            return f"{self.name}({self._server().url()} {self._server().url(pool=2)})"
        if self.name == "sendmail":
            program = folder / "sendmail"
            program.write_text(_SENDMAIL.format(calls=folder / "calls"))
            program.chmod(0o755)
            return f"sendmail:{program}"
        if self.name in _FORGETFUL:
            self._note(_FORGETFUL[self.name])
        return {"file": f"file://{folder}/mail", "inbox": f"inbox://{folder}/inbox"}.get(
            self.name, f"{self.name}:"
        )

    def _note(self, kind: type[ConsoleBackend] | type[NullBackend]) -> None:
        """Write down what a backend that keeps nothing is given."""
        send: Callable[..., object] = kind.send

        async def noting(backend: object, parcel: Parcel, io: IO) -> Receipt:
            self._noted.extend(parcel.envelope.recipients)
            receipt: Receipt = await send(backend, parcel, io)  # type: ignore[misc]
            return receipt

        self._monkeypatch.setattr(kind, "send", noting)

    def seen(self) -> list[str]:
        """Return the recipients of every envelope, in no order."""
        return list(self._seen())

    def _seen(self) -> Iterator[str]:
        for server in self._servers:
            for session in server.sessions:
                for line in session.commands:
                    if line[:5].upper() == b"RCPT ":  # named to a server, whatever it answered
                        yield line.partition(b"<")[2].partition(b">")[0].decode()
        yield from self._noted
        calls = self._folder / "calls"
        if calls.exists():
            # -i -f SENDER -- RECIPIENT … --
            for call in calls.read_text().split("-i\n-f\n")[1:]:
                yield from call.split("\n--\n")[1].split("\n")
        for path in (self._folder / "mail").glob("*.json"):
            yield from json.loads(path.read_text())["recipients"]
        if self.name == "memory":
            for parcel in mailers["default"].backend.outbox:  # type: ignore[attr-defined]
                yield from parcel.envelope.recipients
        if self.name == "inbox":
            store = DiskStore(self._folder / "inbox")
            for mail in store:
                yield from mail.recipients
