"""The Dramatiq adapter: what it sets on a broker of the user's own, and what it leaves alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("dramatiq", reason="pip install dramatiq[redis]")

from dramatiq import Worker
from dramatiq.brokers.redis import RedisBroker

import modernmail
from modernmail import Message
from modernmail.contrib.dramatiq import DramatiqBackend
from modernmail.tasks import task_backends
from modernmail.tasks.signals import mail_finished

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from services.redis import Redis

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def broker_of_redis(redis: Redis) -> Iterator[Callable[[], RedisBroker]]:
    """What makes a broker as another process has it; none of them looks for dead workers by chance."""
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    made: list[RedisBroker] = []

    def make() -> RedisBroker:
        made.append(RedisBroker(url=redis.url, heartbeat_timeout=500, maintenance_chance=1))
        return made[-1]

    yield make
    modernmail.configure({})
    for broker in made:
        broker.client.connection_pool.disconnect()


def test_what_a_dead_worker_held_does_not_wait_for_chance(broker_of_redis: Callable[[], RedisBroker]) -> None:
    """A worker with nothing else to do has it soon after the heartbeat has ended."""
    dead = broker_of_redis()
    task_backends.configure(DramatiqBackend(dead))
    Message("Hello", "Text", to="zoe@example.com").enqueue()
    assert next(dead.consume("default")) is not None  # and nobody answers for it
    alive = broker_of_redis()
    DramatiqBackend(alive)
    taken = threading.Event()

    def take(**_: object) -> None:
        taken.set()

    mail_finished.connect(take)
    worker = Worker(alive, worker_threads=1, worker_timeout=100)
    worker.start()
    try:
        assert taken.wait(20)
    finally:
        worker.stop()
        mail_finished.disconnect(take)
    assert alive.maintenance_chance == 1
