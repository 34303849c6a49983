"""Fixtures of the tests of the test kit."""

from __future__ import annotations

import pytest

import modernmail


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mailer is configured."""
    monkeypatch.delenv("MODERNMAIL_URL", raising=False)
    monkeypatch.delenv("MODERNMAIL_FROM", raising=False)
    modernmail.configure({})
