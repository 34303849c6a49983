"""The Dramatiq broker of the tests: its address and its results come from the environment."""

from __future__ import annotations

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

import modernmail
from modernmail import tasks
from modernmail.contrib.dramatiq import DramatiqBackend
from modernmail.tasks import Schedule

address = os.environ["TEST_BROKER"]
broker: dramatiq.Broker
is_redis = address.startswith("redis:")
broker = RedisBroker(url=address, heartbeat_timeout=3000) if is_redis else RabbitmqBroker(url=address)
broker.add_middleware(Results(backend=RedisBackend(url=os.environ["TEST_RESULTS"])))
dramatiq.set_broker(broker)
schedule = Schedule.from_text(os.environ.get("TEST_RETRY", "60"), patience=3600)
tasks.configure(DramatiqBackend(broker, schedule=schedule))
if "TEST_SMTP" in os.environ:
    modernmail.configure({"default": {"url": os.environ["TEST_SMTP"], "from_email": "shop@example.com"}})
