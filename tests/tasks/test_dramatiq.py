"""The Dramatiq adapter: what it sets on a broker of the user's own, and what it leaves alone."""

from __future__ import annotations

import pytest

pytest.importorskip("dramatiq", reason="pip install dramatiq[redis]")

from dramatiq.brokers.redis import RedisBroker

from modernmail.contrib.dramatiq import DramatiqBackend

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def test_a_dead_workers_jobs_are_looked_for_often() -> None:
    """With Dramatiq's own chance an idle queue takes minutes to miss a worker; a chosen one stays."""
    broker = RedisBroker(url="redis://127.0.0.1:1")
    DramatiqBackend(broker)
    assert broker.maintenance_chance == 100_000
    broker = RedisBroker(url="redis://127.0.0.1:1", maintenance_chance=20)
    DramatiqBackend(broker)
    assert broker.maintenance_chance == 20
