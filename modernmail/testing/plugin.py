"""The pytest plugin: fixtures `outbox`, `smtp_server` and `inbox`; no real mail from a test that forgot to ask.

pytest loads it in every run of everybody who has modernmail installed. Rules of the file: it imports nothing
but the package itself; all else is imported when a mailer sends or a fixture is asked for.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

import modernmail.registry
from modernmail.backends import interception

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from modernmail.backends.backend import Backend
    from modernmail.backends.interception import Owner
    from modernmail.tasks import Ticket

    from .expectations import Expectations
    from .outbox import Outbox
    from .servers import InboxServer, SMTPServer

    Interceptor = Callable[[Owner], Backend] | None

_before = pytest.StashKey["Interceptor"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini option."""
    parser.addini(
        "modernmail_allowed_hosts",
        "hosts besides this machine that tests may really send mail to; * and ? match anything",
        type="args",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Stand guard from now on."""
    config.stash[_before] = interception.intercept
    allowed: list[str] = config.getini("modernmail_allowed_hosts")

    def guard(owner: Owner) -> Backend:
        from .guard import Guard

        return Guard(allowed)(owner)

    interception.intercept = guard


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let things be as they were."""
    interception.intercept = config.stash[_before]


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """Every mail that the test sends, by any mailer, whatever its URL: nothing leaves.

    Where no mailer is configured there is a default one, with a sender. See `modernmail.testing.Outbox`.
    """
    from .outbox import Outbox

    found = Outbox()
    monkeypatch.setattr(interception, "intercept", lambda _: found.backend)
    with _default_mailer("memory:"), _told_of_queued(found):
        yield found


@pytest.fixture
def smtp_server() -> Iterator[SMTPServer]:
    """A real SMTP server on a free port of this machine, and the mails it catches.

    Where no mailer is configured, the default one sends to it. See `modernmail.testing.SMTPServer`.
    """
    from .servers import SMTPServer

    with SMTPServer.running() as server, _default_mailer(server.url), _told_of_queued(server):
        yield server


@pytest.fixture
def inbox() -> Iterator[InboxServer]:
    """A whole inbox: SMTP, page and HTTP API on free ports of this machine, and the mails it catches.

    Where no mailer is configured, the default one sends to it. See `modernmail.testing.InboxServer`.
    """
    from .servers import InboxServer

    with InboxServer.running() as server, _default_mailer(server.url), _told_of_queued(server):
        yield server


def _default_mailer(url: str) -> AbstractContextManager[None]:
    sender = os.environ.get("MODERNMAIL_FROM") or "default-sender@localhost.invalid"
    return modernmail.registry.mailers.unconfigured({"url": url, "from_email": sender})


@contextmanager
def _told_of_queued(outbox: Expectations) -> Iterator[None]:
    from modernmail.tasks.signals import mail_enqueued

    def note(*, ticket: Ticket, **_: object) -> None:
        outbox.add_queued(ticket)

    mail_enqueued.connect(note)
    try:
        yield
    finally:
        mail_enqueued.disconnect(note)
