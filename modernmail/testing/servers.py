"""Real servers for tests: `SMTPServer` catches mail, `InboxServer` shows it as well; both are outboxes to look into."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Self

from modernmail.envelope import Envelope
from modernmail.inbox import CapturedMail, CaptureServer, MemoryStore
from modernmail.inbox import InboxServer as Running

from .expectations import Expectations
from .sent_mail import SentMail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from modernmail.inbox.summary import Summary


class _ToldStore(MemoryStore):
    """A store that tells what came."""

    def __init__(self, told: Expectations) -> None:
        super().__init__()
        self._told = told

    def add(self, mail: CapturedMail) -> Summary:
        """Keep the mail and tell of it."""
        summary = super().add(mail)
        self._told.add(SentMail(mail.content, Envelope(mail.return_path, mail.recipients), None))
        return summary


class SMTPServer(Expectations):
    """A real SMTP server on a free port of this machine, and the mails it caught.

    `url` is where to send; `captured` are the mails as they came, with the SMTP parameters and what TLS it
    was.

    >>> from modernmail import Mailer, Message
    >>> with SMTPServer.running() as server:
    ...     receipt = Mailer(server.url).send(Message("Hi", from_email="me@example.com", to="zoe@example.com"))
    ...     server.one(to="zoe@example.com").subject
    'Hi'
    """

    def __init__(self) -> None:
        super().__init__()
        self._store = _ToldStore(self)
        self.host = self.url = ""
        self.port = 0

    @property
    def captured(self) -> list[CapturedMail]:
        """The mails as they came."""
        return list(self._store)

    def clear(self) -> None:
        """Forget every mail."""
        super().clear()
        self._store.clear()

    @classmethod
    @contextmanager
    def running(cls, **options: Any) -> Iterator[Self]:
        """Run a server; `options` are those of `CaptureServer` (`refuse`, `credentials`, `tls`, …)."""
        server = cls()
        with server._store, CaptureServer.threaded(server._store, **options) as capture:
            server.host, server.port, server.url = capture.host, capture.port, capture.url
            yield server


class InboxServer(SMTPServer):
    """A whole inbox: SMTP at `smtp_url` (also `url`), its page and HTTP API at `page_url`."""

    def __init__(self) -> None:
        super().__init__()
        self.smtp_url = self.page_url = ""

    @classmethod
    @contextmanager
    def running(cls, **options: Any) -> Iterator[Self]:
        """Run an inbox; `options` are those of `modernmail.inbox.InboxServer`."""
        server = cls()
        with server._store, Running.threaded(server._store, **options) as inbox:
            capture = inbox.capture
            server.host, server.port, server.url = capture.host, capture.port, capture.url
            server.smtp_url, server.page_url = capture.url, inbox.url
            yield server
