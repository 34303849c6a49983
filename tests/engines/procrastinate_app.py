"""The procrastinate app of the tests: its database comes from the environment."""

from __future__ import annotations

import os

import procrastinate

from modernmail import tasks
from modernmail.contrib.procrastinate import ProcrastinateBackend

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["TEST_BROKER"]))
tasks.configure(ProcrastinateBackend(app))
