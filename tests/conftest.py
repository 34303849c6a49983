"""How much and how long hypothesis may search, and that no test leaves its mailers to the next."""

from __future__ import annotations

import os
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from modernmail import configure

if TYPE_CHECKING:
    from collections.abc import Iterator

# Cores are shared: an example that took long says nothing. `fuzz` is for `nox -s fuzz`.
settings.register_profile("default", deadline=None)
settings.register_profile(
    "fuzz", deadline=None, max_examples=500, suppress_health_check=[HealthCheck.too_slow]
)
FUZZ_SECONDS = float(os.environ.get("FUZZ_SECONDS", "30"))  # for each property in `nox -s fuzz`
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _no_mailers_left() -> Iterator[None]:
    """Forget the mailers that a test configured."""
    yield
    configure({})


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Search again, from other seeds, until the time of a property is used up."""
    if not getattr(pyfuncitem.obj, "is_hypothesis_test", False) or not pyfuncitem.get_closest_marker("fuzz"):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    end = monotonic() + FUZZ_SECONDS
    while True:
        pyfuncitem.obj(**arguments)
        if monotonic() >= end:
            return True
