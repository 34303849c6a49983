"""The Celery app of the tests, as a team would have one: broker and results come from the environment."""

from __future__ import annotations

import os

from celery import Celery

import modernmail
from modernmail import tasks
from modernmail.contrib.celery import CeleryBackend
from modernmail.tasks import Schedule

app = Celery("tests", broker=os.environ["TEST_BROKER"], backend=os.environ["TEST_RESULTS"])
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 5} if "redis" in os.environ["TEST_BROKER"] else {},
    task_default_queue="mail",
    worker_hijack_root_logger=False,
)
schedule = Schedule.from_text(os.environ.get("TEST_RETRY", "60"), patience=3600)
tasks.configure(CeleryBackend(app, schedule=schedule))
if "TEST_SMTP" in os.environ:
    modernmail.configure({"default": {"url": os.environ["TEST_SMTP"], "from_email": "shop@example.com"}})
