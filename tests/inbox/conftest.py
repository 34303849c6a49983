"""A running inbox, a client of it, and a browser."""

from __future__ import annotations

import gc
import warnings
from typing import TYPE_CHECKING, Any

import pytest
from services.chromium import FLAGS
from web import Client

from modernmail.inbox import InboxServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Any]:
    """A running Chromium; for one module, since Playwright's event loop stays in the thread while it runs."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(chromium), args=list(FLAGS))
        yield running
        running.close()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ResourceWarning
        )  # Playwright leaves its driver's process unwaited for
        gc.collect()


@pytest.fixture(scope="module")
def server() -> Iterator[InboxServer]:
    """A running inbox."""
    with InboxServer.threaded() as running:
        yield running


@pytest.fixture
def store(server: InboxServer) -> Any:
    """Its store, empty."""
    server.store.clear()
    return server.store


@pytest.fixture
def client(server: InboxServer) -> Client:
    """A client of it."""
    return Client(server)
