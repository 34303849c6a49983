"""The end of the program while threads of it go on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from token_endpoint import TokenEndpoint

from modernmail import Mailer, Message
from modernmail.errors import QueueUnavailable
from modernmail.oauth2 import OAuth2ClientCredentials
from modernmail.tasks import task
from modernmail.tasks.thread import ThreadBackend
from modernmail.testing import ScriptedSMTPServer

LATE = """
import sys, threading, time
sys.path.insert(0, {tests!r})
import chores
from modernmail.tasks import task, task_backends
from modernmail.errors import QueueUnavailable

@task
def say(what):
    time.sleep(0.2)
    print(what, flush=True)

first, second = task_backends["thread:"], task_backends["thread:?workers=2"]
enqueue = lambda backend, what: backend.enqueue(say, (what,), {{}})

def after_all_others_have_drained():
    while any(thread.name == "modernmail-keeper" for thread in threading.enumerate()):
        time.sleep(0.01)
    try:
        enqueue(second, "late")
    except QueueUnavailable as error:  # Python 3.12.0 and 3.12.1 start no thread once the main one has ended
        print("late" if "can start no thread" in str(error) else error, flush=True)

enqueue(first, "first")
threading.Thread(target=after_all_others_have_drained).start()
"""


def test_what_a_thread_enqueues_after_the_main_thread_has_ended() -> None:
    """It is done, or refused by an error; it is not dropped without a word when that thread ends, too."""
    program = LATE.format(tests=str(__file__).rpartition("/threads/")[0])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["first", "late"], done.stderr
    assert done.returncode == 0


def no_thread(*_: object, **__: object) -> None:
    """Refuse to be a thread, as an interpreter that is not the main one refuses daemons."""
    raise RuntimeError("daemon threads are disabled in this (sub)interpreter")


def test_a_sync_mail_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is sent: what a thread would have asked the resolver is asked by who sends."""
    monkeypatch.setattr("modernmail.smtp.wires.resolving.Thread", no_thread)
    with ScriptedSMTPServer() as server, Mailer(server.url()) as mailer:
        assert mailer.send(
            Message("Hi", "Text", from_email="me@example.com", to="you@example.com")
        ).is_complete


def test_a_token_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is fetched by who asks for it."""
    monkeypatch.setattr("modernmail.oauth2.provider.Thread", no_thread)
    with TokenEndpoint() as endpoint:
        provider = OAuth2ClientCredentials(endpoint.url, "client", "s3cret", http_on_loopback=True)
        assert provider() == provider()
        assert asyncio.run(provider.atoken()) == provider()
        assert len(endpoint.forms) == 1


def test_a_task_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, and nothing of it is left in the queue."""
    monkeypatch.setattr("modernmail.tasks.crew.threading.Thread", no_thread)
    backend = ThreadBackend()
    with pytest.raises(QueueUnavailable, match="can start no thread: daemon threads are disabled"):
        backend.enqueue(CHORE, (), {})
    monkeypatch.undo()
    assert backend.enqueue(CHORE, (), {}).id
    backend.close()


@task
def nothing_much() -> None:
    """Do nothing."""


CHORE: Any = nothing_much
