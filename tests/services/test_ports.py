"""Ports for services."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from .process import free_port

if TYPE_CHECKING:
    import pytest


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens on the first yet when the second is wanted."""
    one, other = free_port(), free_port()
    chosen = iter([one, other, one, 20_001, 20_002, 20_003, 20_004])
    monkeypatch.setattr(secrets, "choice", lambda _: next(chosen))
    assert free_port() not in (one, other)
