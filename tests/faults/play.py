"""Plays a row: a scripted server on one side, a Mailer on the other, and a note of what each of them saw."""

from __future__ import annotations

import asyncio
import socket
import time
from dataclasses import dataclass, field

from modernmail import Mailer, Message
from modernmail.errors import DeliveryError
from modernmail.testing import Rule
from modernmail.testing.scripted import Commit, ScriptedSMTPServer, Session
from modernmail.testing.scripted.server import CAPABILITIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from faults.row import Row
    from modernmail.receipt import Receipt

PATIENT = 10.0  # seconds of timeout where nothing should time out
IMPATIENT = 0.5  # where something must
CORPUS_TIMEOUT = 2.0  # the timeout that max_s and the seconds of the scripts are written for


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to run a row."""

    face: str  # "sync" or "async": send one after the other; "sync-many" or "async-many": as one stream
    pipelining: bool
    delivery: str
    tls: str | None = None  # "implicit": over TLS, though the row is not about it

    def __str__(self) -> str:
        words = [self.face, "pipelined" if self.pipelining else "stepwise", self.delivery]
        return "-".join(words if self.tls is None else [*words, self.tls])


def modes_of(row: Row) -> list[Mode]:
    """Return every mode that means something for the row."""
    return [
        Mode(face, pipelining, delivery)
        for face in (row.faces if len(row.sends) > 1 else ("sync", "async"))
        for pipelining in (True, False)
        for delivery in row.deliveries
    ]


@dataclass(slots=True)
class Sent:
    """What the client said of one message: a receipt, and the error when nobody was accepted."""

    message: Message
    receipt: Receipt | None = None
    error: BaseException | None = None


@dataclass(slots=True)
class Played:
    """What came of a row."""

    sent: list[Sent]
    seconds: float = 0.0
    limit: float = 0.0
    sessions: list[Session] = field(default_factory=list)
    commits: list[Commit] = field(default_factory=list)
    is_left_open: bool = False

    def transcript(self) -> str:
        """Return all sessions as text."""
        told = [f"# session {one.number}\n{one.transcript()[:4000]}" for one in self.sessions]
        errors = [f"# error: {one.error!r}" for one in self.sent if one.error is not None]
        return "\n".join([*told, *errors])


def messages_of(row: Row) -> list[Message]:
    """Return the messages that the row sends, each with a Message-ID and a Date of its own."""
    body = "A dot:\n.\n..\nand more\n"
    body += ("x" * 70 + "\n") * (row.size // 71)
    return [
        Message(
            subject=f"Fault {row.id}",
            text=body,
            from_email="me@example.com",
            to=list(row.rcpts),
            headers={
                "Message-ID": f"<{row.id}-{index}@example.com>",
                "Date": "Mon, 02 Nov 2026 10:00:00 +0000",
            },
        )
        for index in range(len(row.sends))
    ]


def play(row: Row, mode: Mode, impatient: float = IMPATIENT) -> Played:
    """Send the row's messages, and return what client and server made of it."""
    played = Played([Sent(message) for message in messages_of(row)])
    timeout = impatient if row.waits else PATIENT
    scale = timeout / CORPUS_TIMEOUT if row.waits else 0.1
    played.limit = row.max_s * scale + 2.0 if row.waits else row.max_s
    capabilities = CAPABILITIES if row.capabilities is None else row.capabilities
    server = ScriptedSMTPServer(
        [*row.script, *_greeted(row, mode)],
        capabilities=[line for line in capabilities if mode.pipelining or not _is_pipelining(line)],
        tls=mode.tls or row.tls,
        certificate=row.certificate,
        credentials=row.credentials,
        mechanisms=row.mechanisms,
        delivery=mode.delivery,
        time_scale=scale,
        lifetime=60,
    )
    with server:
        url, login = _url(server, row, mode, timeout), _token(row)
        began = time.monotonic()
        match mode.face:
            case "sync":
                _send(url, login, played.sent)
            case "async":
                asyncio.run(_asend(url, login, played.sent))
            case "sync-many":
                _send_many(url, login, played.sent)
            case _:
                asyncio.run(_asend_many(url, login, played.sent))
        played.seconds = time.monotonic() - began
        if not any(action[0] in {"stall", "sleep"} for action in row.actions):
            try:
                server.wait_until_idle(5)
            except TimeoutError:
                played.is_left_open = True
    played.sessions, played.commits = server.sessions, server.commits
    return played


def _greeted(row: Row, mode: Mode) -> list[Rule]:
    """Return what is said to EHLO, where a row has the words of it."""
    if row.ehlo is None:
        return []
    lines = [line for line in row.ehlo if mode.pipelining or not _is_pipelining(line)]
    return [Rule("EHLO").reply("\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]))]


def _is_pipelining(line: str) -> bool:
    return line.strip().upper() == "PIPELINING"


def _token(row: Row) -> dict[str, Any]:
    """Return what a mailer is given beside its URL."""
    token = row.client.get("token")
    return {} if token is None else {"username": row.client["username"], "token": lambda: token}


def _url(server: ScriptedSMTPServer, row: Row, mode: Mode, timeout: float) -> str:
    client = dict(row.client) if mode.tls is None else {**row.client, "tls": mode.tls}
    scheme = "smtps" if client.get("tls") == "implicit" else "smtp"
    options: dict[str, object] = {
        "timeout": PATIENT if row.waits_for_the_final_reply else timeout,
        "final_timeout": timeout,
        "tls": None,
        "ca": server.ca_file,
    }
    if scheme == "smtp" and "tls" in client:
        options["tls"] = client["tls"]
    options |= {name: client[name] for name in ("chunking", "auth", "ignore") if name in client}
    if row.server == "absent":
        with socket.create_server(("127.0.0.1", 0)) as listener:
            free = listener.getsockname()[1]
        return f"smtp://127.0.0.1:{free}?timeout={timeout}"
    username = None if "token" in client else client.get("username")
    url = server.url(username=username, password=client.get("password"), **options)
    return url.replace(url.partition(":")[0], scheme, 1)


def _send(url: str, login: dict[str, Any], sent: list[Sent]) -> None:
    with Mailer(url, **login) as mailer:
        for one in sent:
            try:
                one.receipt = mailer.send(one.message)
            except DeliveryError as error:
                one.receipt, one.error = error.receipt, error


async def _asend(url: str, login: dict[str, Any], sent: list[Sent]) -> None:
    async with Mailer(url, **login) as mailer:
        for one in sent:
            try:
                one.receipt = await mailer.asend(one.message)
            except DeliveryError as error:
                one.receipt, one.error = error.receipt, error


def _send_many(url: str, login: dict[str, Any], sent: list[Sent]) -> None:
    with Mailer(url, **login) as mailer, mailer.send_many(one.message for one in sent) as sending:
        for one, receipt in zip(sent, sending, strict=True):
            one.receipt, one.error = receipt, receipt.error


async def _asend_many(url: str, login: dict[str, Any], sent: list[Sent]) -> None:
    async with Mailer(url, **login) as mailer, mailer.asend_many(one.message for one in sent) as sending:
        left = iter(sent)
        async for receipt in sending:
            one = next(left)
            one.receipt, one.error = receipt, receipt.error
