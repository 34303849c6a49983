"""ScriptedSMTPServer: listens on 127.0.0.1, gives every client a thread and a conversation, ends them all."""

from __future__ import annotations

import contextlib
import selectors
import socket
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote, urlencode

from modernmail.errors import InvalidValue

from .alarm import Alarm
from .authentication import MECHANISMS
from .certificates import Certificate, authority
from .channel import DELIVERIES, Channel
from .conversation import Conversation
from .offer import Offer
from .protocol import Protocol
from .record import Commit, Ledger, Session
from .scene import Scene, Stage
from .script import Rule

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

CAPABILITIES = ("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 67108864")


class ScriptedSMTPServer:
    """A real SMTP server for one test: it does what `script` says, and all else as a good server would.

    `script` is any number of `Rule`s, or of JSON objects (see `Rule.from_json`). `capabilities` are the
    lines of its EHLO reply; PIPELINING, CHUNKING, SIZE n, 8BITMIME, SMTPUTF8, DSN and REQUIRETLS are also
    lived up to. `tls` is None, `"starttls"` or `"implicit"`; `certificate` is a kind (`trusted`,
    `untrusted`, `self-signed`, `expired`, `not-yet-valid`, `wrong-host`) or a `(certificate file, key
    file)` pair. `credentials` maps users to passwords or tokens and offers AUTH with `mechanisms`.
    `lmtp` speaks LMTP (RFC 2033) instead. `delivery` says how replies reach the client: `whole`, by `line`,
    or by `byte`. `time_scale` multiplies the script's seconds. After `lifetime` seconds everything ends by itself.

    Use it as a context manager, from a sync or an async test: it runs in threads of its own, never in your
    event loop. On leaving, its threads and sockets are gone, and a fault of the script itself is raised.

    >>> import smtplib
    >>> with ScriptedSMTPServer([Rule("RCPT", contains="bob@").reply("550 5.1.1 no such user")]) as server:
    ...     with smtplib.SMTP("127.0.0.1", server.port) as client:
    ...         client.sendmail("me@example.com", ["ann@example.com", "bob@example.com"], "Hi")
    {'bob@example.com': (550, b'5.1.1 no such user')}
    >>> server.commits[0].recipients
    ('ann@example.com',)
    """

    def __init__(
        self,
        script: Iterable[Rule | Mapping[str, object]] = (),
        *,
        capabilities: Iterable[str] = CAPABILITIES,
        tls: str | None = None,
        certificate: str | tuple[str | Path, str | Path] = "trusted",
        credentials: Mapping[str, str] | None = None,
        mechanisms: Iterable[str] = ("PLAIN", "LOGIN"),
        require_tls: bool = False,
        require_auth: bool = False,
        lmtp: bool = False,
        delivery: str = "whole",
        time_scale: float = 1.0,
        lifetime: float = 300.0,
        hostname: str = "scripted.test",
    ) -> None:
        if delivery not in DELIVERIES:
            raise InvalidValue("delivery", delivery, f"one of {', '.join(DELIVERIES)} is expected")
        if tls not in {None, "starttls", "implicit"}:
            raise InvalidValue("tls", tls, "None, 'starttls' or 'implicit' is expected")
        names = tuple(name.upper() for name in mechanisms) if credentials is not None else ()
        if unknown := set(names) - set(MECHANISMS):
            raise InvalidValue("mechanisms", sorted(unknown), f"there are {', '.join(MECHANISMS)}")
        self._rules = tuple(rule if isinstance(rule, Rule) else Rule.from_json(rule) for rule in script)
        self._offer = Offer(
            hostname,
            tuple(capabilities),
            credentials or {},
            names,
            starttls=tls == "starttls",
            require_tls=require_tls,
            require_auth=require_auth,
            lmtp=lmtp,
        )
        self._tls, self._certificate = tls, certificate
        self._delivery, self._time_scale, self._lifetime = delivery, time_scale, lifetime
        self._ledger = Ledger()
        self._threads: list[threading.Thread] = []
        self._closing = contextlib.ExitStack()
        self.port = 0
        self.ca_file: Path | None = None

    # -- what happened

    @property
    def sessions(self) -> list[Session]:
        """Every connection so far, in the order they came; the first has number 1."""
        return self._ledger.sessions

    @property
    def commits(self) -> list[Commit]:
        """Every mail the server took responsibility for, in order."""
        return self._ledger.commits

    def url(self, *, username: str | None = None, password: str | None = None, **options: object) -> str:
        """Return the URL for a `Mailer`, `options` in its query; with TLS, `tls` and `ca` are there already.

        An option given as None is left out.
        """
        login = "" if username is None else f"{quote(username, safe='')}:{quote(password or '', safe='')}@"
        query: dict[str, object] = {}
        if self._tls is not None:
            query["ca"] = self.ca_file
        if self._tls == "starttls":
            query["tls"] = "required"
        query = {name: value for name, value in (query | options).items() if value is not None}
        scheme = "lmtp" if self._offer.lmtp else "smtps" if self._tls == "implicit" else "smtp"
        return f"{scheme}://{login}127.0.0.1:{self.port}{'?' if query else ''}{urlencode(query)}"

    def wait_for(self, predicate: Callable[[ScriptedSMTPServer], object], timeout: float = 10.0) -> None:
        """Wait until `predicate(server)` is true; TimeoutError, with the conversations, if it never is."""
        if not self._ledger.wait_for(lambda: predicate(self), timeout):
            told = "\n".join(session.transcript() for session in self.sessions)
            raise TimeoutError(f"it did not happen within {timeout:g} s; the conversations were:\n{told}")

    def wait_for_step(self, name: str, nth: int = 1, *, session: int = 1, timeout: float = 10.0) -> None:
        """Wait until that session has reached its `nth` step of that name."""
        self.wait_for(
            lambda server: (
                len(server.sessions) >= session
                and sum(step.name == name for step in server.sessions[session - 1].steps) >= nth
            ),
            timeout,
        )

    def wait_for_commits(self, count: int = 1, timeout: float = 10.0) -> None:
        """Wait until so many mails are committed."""
        self.wait_for(lambda server: len(server.commits) >= count, timeout)

    def wait_until_idle(self, timeout: float = 10.0) -> None:
        """Wait until every session that was begun has ended."""
        self.wait_for(lambda server: all(session.end is not None for session in server.sessions), timeout)

    def release(self, name: str) -> None:
        """Let every rule that holds for `name` go on."""
        with self._ledger as ledger:
            ledger.released.add(name)

    # -- life

    def start(self) -> Self:
        """Listen. `with` does it for you."""
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="scripted-smtp-")))
            stage = Stage(
                self._offer,
                self._rules,
                self._ledger,
                self._context(folder),
                self._tls == "implicit",
                self._time_scale,
            )
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            listener.setblocking(False)
            self.port = listener.getsockname()[1]
            alarm = Alarm(self._lifetime)
            stack.callback(alarm.close)
            self._start_thread(self._accept, listener, alarm, stage)
            stack.callback(self._join)
            stack.callback(self._ring, alarm)
            self._closing = stack.pop_all()
        return self

    def stop(self) -> None:
        """End all sessions, close all sockets, join all threads; raise what went wrong in the script."""
        self._closing.close()
        if self._ledger.failures:
            raise self._ledger.failures[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self.stop()
        else:
            self._closing.close()  # the test's own failure is the one to see

    def _context(self, folder: Path) -> ssl.SSLContext | None:
        if self._tls is None:
            return None
        if isinstance(self._certificate, str):
            self.ca_file = folder / "ca.pem"
            self.ca_file.write_bytes(authority().pem)
            return authority().issue(self._certificate).context(folder)
        certificate, key = map(Path, self._certificate)
        self.ca_file = certificate
        return Certificate(certificate.read_bytes(), key.read_bytes()).context(folder)

    def _start_thread(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(
            target=target, args=arguments, name=f"scripted-smtp-{self.port}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def _ring(self, alarm: Alarm) -> None:
        alarm.ring()
        with self._ledger:  # wakes those who hold
            pass

    def _join(self) -> None:
        for thread in self._threads:  # the accepting thread is the first: none is added once it ended
            thread.join()

    def _accept(self, listener: socket.socket, alarm: Alarm, stage: Stage) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(alarm.ear, selectors.EVENT_READ)
            while (left := alarm.left) > 0:
                if any(key.fileobj is alarm.ear for key, _ in selector.select(left)):
                    return
                with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
                    connection, _ = listener.accept()
                    with stage.ledger as ledger:
                        session = Session(len(ledger.sessions) + 1)
                        ledger.sessions.append(session)
                    self._start_thread(self._serve, connection, session, alarm, stage)

    def _serve(self, connection: socket.socket, session: Session, alarm: Alarm, stage: Stage) -> None:
        channel = Channel(connection, alarm, self._delivery)
        try:
            Conversation(Scene(channel, session, Protocol(stage.offer, session), stage)).run()
        except Exception as error:  # noqa: BLE001  (raised again by stop(), in the test's thread)
            with stage.ledger as ledger:
                ledger.failures.append(error)
                session.end = session.end or "closed"
        finally:
            channel.close()
