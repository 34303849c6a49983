"""A browser for the inbox's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from services.chromium import FLAGS

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
