"""Debian's Chromium, for pages and for the isolation of mail in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .programs import require

if TYPE_CHECKING:
    from pathlib import Path

FLAGS = (
    "--no-sandbox",  # CI runs as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> Path:
    """The path of the browser, to be started with `FLAGS`."""
    return require("chromium", install="apt-get install chromium")
