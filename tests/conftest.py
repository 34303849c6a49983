"""How much hypothesis may search."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# Cores are shared: an example that took long says nothing. `fuzz` is for `nox -s fuzz`.
settings.register_profile("default", deadline=None)
settings.register_profile(
    "fuzz", deadline=None, max_examples=20_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("default")
