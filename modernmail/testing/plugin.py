"""The pytest plugin: the fixture `outbox`, and no real mail from a test that forgot to ask for it.

pytest loads it in every run of everybody who has modernmail installed. Rules of the file: it imports nothing but the
package itself; all else is imported when a mailer sends or a fixture is asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import modernmail.mailer
import modernmail.registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from modernmail.backends.backend import Backend
    from modernmail.mailer import Mailer

    from .outbox import Outbox

    Interceptor = Callable[[Mailer], Backend] | None

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
    config.stash[_before] = modernmail.mailer.intercept
    allowed: list[str] = config.getini("modernmail_allowed_hosts")

    def guard(mailer: Mailer) -> Backend:
        from .guard import Guard

        return Guard(allowed)(mailer)

    modernmail.mailer.intercept = guard


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let things be as they were."""
    modernmail.mailer.intercept = config.stash[_before]


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Outbox]:
    """Every mail that the test sends, by any mailer, whatever its URL: nothing leaves.

    Where no mailer is configured there is a default one, with a sender. See `modernmail.testing.Outbox`.
    """
    from .outbox import Outbox

    found = Outbox()
    monkeypatch.setattr(modernmail.mailer, "intercept", lambda _: found.backend)
    sender = os.environ.get("MODERNMAIL_FROM") or "default-sender@localhost.invalid"
    with modernmail.registry.mailers.unconfigured({"url": "memory:", "from_email": sender}):
        yield found
