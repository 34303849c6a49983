"""The Celery adapter in an app with settings of its own; no broker but Celery's in memory."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("celery", reason="pip install celery[redis]")

from celery import Celery

import modernmail
from modernmail import Message
from modernmail.contrib.celery import JOB, CeleryBackend
from modernmail.errors import PayloadRejected
from modernmail.tasks import task_backends
from modernmail.testing import Rule, ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.once, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture
def app() -> Iterator[Celery]:
    """An app as teams have them: JSON alone, tight limits, a queue of its own."""
    app = Celery("shop", broker="memory://", set_as_current=False)
    app.conf.update(
        accept_content=["json"], task_default_queue="shop", task_time_limit=3, task_soft_time_limit=2
    )
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com"}})
    yield app
    modernmail.configure({})
    app.close()


def published(app: Celery) -> Any:
    """Return the message that waits in the app's queue."""
    with app.connection_for_read() as connection, connection.channel() as channel:
        return channel.basic_get("shop", no_ack=True)


def test_limits_of_the_app_do_not_cut_a_mail_off(app: Celery) -> None:
    """A job killed by a time limit counts as done, so the app's own limits are not our job's."""
    task_backends.configure(CeleryBackend(app))
    Message("Hello", "Text", to="zoe@example.com").enqueue()
    hard, soft = published(app).headers["timelimit"]
    assert hard > soft >= 3600


def test_what_celery_shows_of_a_job_is_no_content(app: Celery) -> None:
    """Events, logs and Flower name the mail; they used to show the beginning of it."""
    task_backends.configure(CeleryBackend(app))
    ticket = Message("Hello", "Text", to="zoe@example.com").enqueue()
    message = published(app)
    assert ticket.id in message.headers["argsrepr"]
    assert "zoe@example.com" not in str(message.headers)


def test_nothing_waits_in_an_eager_app(app: Celery, caplog: pytest.LogCaptureFixture) -> None:
    """Under `task_always_eager` a mail goes at once; what has to wait is left and told, and not run for ever."""
    app.conf.task_always_eager = True
    task_backends.configure(CeleryBackend(app))
    with ScriptedSMTPServer([Rule("RCPT", contains="later@").reply("450 4.2.0 greylisted")]) as server:
        modernmail.configure({"default": {"url": server.url(), "from_email": "shop@example.com"}})
        Message("Hello", "Text", to="zoe@example.com").enqueue()
        assert len(server.commits) == 1
        waits = Message("Hello", "Text", to="later@example.com").enqueue()
        Message("Hello", "Text", to="zoe@example.com").enqueue(run_after=timedelta(hours=1))
        assert len(server.commits) == 1
    told = [text for text in caplog.messages if "task_always_eager" in text]
    assert len(told) == 2
    assert waits.id in told[0]


def test_each_app_has_its_own_job(app: Celery, caplog: pytest.LogCaptureFixture) -> None:
    """Celery shares tasks with apps that are made later: the job there was the first app's, with its records."""
    CeleryBackend(app, "first")
    app.finalize()
    other = Celery("other", broker="memory://", set_as_current=False)
    CeleryBackend(other, "second")
    with pytest.raises(PayloadRejected):
        other.tasks[JOB]("no slip at all")
    assert "'second'" in caplog.text
    assert "'first'" not in caplog.text
    other.close()
