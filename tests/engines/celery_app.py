"""The Celery app of the tests, as a team would have one: broker and results come from the environment."""

from __future__ import annotations

import os

from celery import Celery

from modernmail import tasks
from modernmail.contrib.celery import CeleryBackend

app = Celery("tests", broker=os.environ["TEST_BROKER"], backend=os.environ["TEST_RESULTS"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 5} if "redis" in os.environ["TEST_BROKER"] else {},
    task_default_queue="mail",
    worker_hijack_root_logger=False,
)
tasks.configure(CeleryBackend(app))
