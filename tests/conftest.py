"""How much hypothesis may search, and that no test leaves its mailers to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from modernmail import configure

if TYPE_CHECKING:
    from collections.abc import Iterator

# Cores are shared: an example that took long says nothing. `fuzz` is for `nox -s fuzz`.
settings.register_profile("default", deadline=None)
settings.register_profile(
    "fuzz", deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _no_mailers_left() -> Iterator[None]:
    """Forget the mailers that a test configured."""
    yield
    configure({})
