"""The procrastinate app of the tests: its database comes from the environment."""

from __future__ import annotations

import os

import procrastinate

import modernmail
from modernmail import tasks
from modernmail.contrib.procrastinate import ProcrastinateBackend
from modernmail.tasks import Schedule

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["TEST_BROKER"]))
schedule = Schedule.from_text(os.environ.get("TEST_RETRY", "60"), patience=3600)
tasks.configure(ProcrastinateBackend(app, schedule=schedule, silence=12))
if "TEST_SMTP" in os.environ:
    modernmail.configure({"default": {"url": os.environ["TEST_SMTP"], "from_email": "shop@example.com"}})
