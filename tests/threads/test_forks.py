"""What a fork leaves to its child while other threads of the parent are in the midst of something."""

from __future__ import annotations

import logging
import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from forked import forks, in_a_child
from token_endpoint import TokenEndpoint

from modernmail import Mailer, Message, configure, tasks
from modernmail.frozen import IS_FREE
from modernmail.insight import Sent
from modernmail.layers import RateLimit
from modernmail.layers.sqlitefile import SQLiteFile
from modernmail.oauth2 import OAuth2ClientCredentials
from modernmail.tasks import task_backends
from modernmail.tasks.signals import Signal
from modernmail.testing import ScriptedSMTPServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def nothing_configured() -> Iterator[None]:
    """Leave no mailer and no queue behind."""
    yield
    tasks.configure({})
    configure({})


def message(name: str = "you") -> Message:
    """Return a message to this name at example.com."""
    return Message("Hi", "Text", from_email="me@example.com", to=f"{name}@example.com")


class Midst:
    """A place in another thread's way, where it stays until the test is over."""

    def __init__(self) -> None:
        self.home = os.getpid()
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, *_: Any, **__: Any) -> None:
        """Stay here, in the parent."""
        if os.getpid() == self.home:
            self.reached.set()
            assert self.go_on.wait(20)

    @contextmanager
    def reached_by(self, act: Callable[[], object]) -> Iterator[None]:
        """Have a thread that is just here."""
        thread = threading.Thread(target=act)
        thread.start()
        try:
            assert self.reached.wait(10)
            yield
        finally:
            self.go_on.set()
            thread.join(20)


def in_time(act: Callable[[], object]) -> Callable[[], object]:
    """Return what does this, and is ended when it hangs."""

    def limited() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)
        act()

    return limited


@forks
def test_while_a_thread_asks_a_rate_limit() -> None:
    """The child's mails pass the layer, though a thread of the parent was in it."""
    midst = Midst()

    class Store:
        is_local = True

        def take(self, name: str, limit: object, cost: int) -> float:
            midst()
            return 0.0

    mailer = Mailer("memory:", layers=[RateLimit("10/s", store=Store())])
    with midst.reached_by(lambda: mailer.send(message())):
        in_a_child(in_time(lambda: mailer.send(message())))


@forks
def test_while_a_thread_writes_a_store(tmp_path: Path) -> None:
    """The child opens the file for itself, and waits for no thread that it does not have."""
    midst = Midst()
    store = SQLiteFile(tmp_path / "store.sqlite", "CREATE TABLE IF NOT EXISTS numbers (number INTEGER)")
    with midst.reached_by(lambda: store.run(midst)):
        in_a_child(in_time(lambda: store.read("SELECT number FROM numbers")))


@forks
def test_while_a_thread_begins_to_fetch_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child fetches one for itself."""
    midst = Midst()

    class Late(threading.Thread):
        def start(self) -> None:
            midst()
            super().start()

    monkeypatch.setattr("modernmail.oauth2.provider.Thread", Late)
    with TokenEndpoint() as endpoint:
        provider = OAuth2ClientCredentials(endpoint.url, "client", "s3cret", http_on_loopback=True)
        with midst.reached_by(provider):
            in_a_child(in_time(provider))


@forks
def test_while_a_thread_opens_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The child opens its own."""
    midst = Midst()
    dummy = task_backends["dummy:"]

    def slowly(*_: object) -> object:
        midst()
        return dummy

    monkeypatch.setattr("modernmail.tasks.registry.open_backend", slowly)
    tasks.configure("dummy:")
    with midst.reached_by(lambda: task_backends["default"]):
        in_a_child(in_time(lambda: task_backends["default"]))


@forks
def test_while_a_thread_disconnects_a_receiver() -> None:
    """The child connects and disconnects its own."""
    midst = Midst()

    class Receiver:
        def __call__(self, **_: object) -> None: ...

        def __eq__(self, other: object) -> bool:
            midst()
            return self is other

        __hash__ = object.__hash__

    told = Signal("something")
    told.connect(Receiver())
    with midst.reached_by(lambda: told.disconnect(print)):
        in_a_child(in_time(lambda: told.disconnect(told.connect(len))))


def in_new_threads(act: Callable[[], object]) -> None:
    """Do this in four threads that are there at the same time: one has the number of a thread that the parent had."""
    ready = threading.Barrier(4)

    def run() -> None:
        ready.wait(10)
        act()
        ready.wait(10)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)


@forks
def test_while_a_subscriber_runs() -> None:
    """Subscribers hear of every mail of the child's, also of one that is sent in a thread with the same number."""
    midst = Midst()
    mailer = Mailer("memory:")
    heard: list[object] = []

    def hear(event: object) -> None:
        if isinstance(event, Sent):
            heard.append(event)
            midst()

    def act() -> None:
        heard.clear()
        in_new_threads(lambda: mailer.send(message()))
        assert len(heard) == 4

    with mailer.subscribe(hear), midst.reached_by(lambda: mailer.send(message())):
        in_a_child(in_time(act))


@forks
def test_while_a_record_is_logged() -> None:
    """Every mail of the child's is logged, also one that is sent in a thread with the same number."""
    midst = Midst()
    mailer = Mailer("memory:")
    logged: list[object] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(record)

        def acquire(self) -> None:
            """Hold no lock: threads are stopped here."""

        def release(self) -> None:
            """Hold none."""

        def filter(self, record: logging.LogRecord) -> bool:
            midst()
            return True

    def act() -> None:
        logged.clear()
        in_new_threads(lambda: mailer.send(message()))
        assert len(logged) == 4

    logger, handler = logging.getLogger("modernmail"), Handler()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with midst.reached_by(lambda: mailer.send(message())):
            in_a_child(in_time(act))
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@forks
@pytest.mark.skipif(
    IS_FREE, reason="a lock of any object may be held for ever in a child, without the GIL: Python's own"
)
def test_while_threads_send_over_the_pool() -> None:
    """Each child sends over a connection of its own, and no mail of the parent's is lost or sent twice."""
    with (
        ScriptedSMTPServer() as server,
        Mailer(server.url(pool=2)) as mailer,
    ):
        mailer.send(
            message("first")
        )  # a module that a thread imports just then is locked for ever in a child
        stop = threading.Event()
        sent: list[str] = ["first@example.com"]

        def send(number: int) -> None:
            turn = 0
            while not stop.is_set():
                name = f"p{number}-{turn}"
                assert mailer.send(message(name)).is_complete
                sent.append(f"{name}@example.com")
                turn += 1

        threads = [threading.Thread(target=send, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        try:
            for child in range(4):
                in_a_child(in_time(lambda child=child: mailer.send(message(f"c{child}"))))
        finally:
            stop.set()
            for thread in threads:
                thread.join(20)
        came = sorted(commit.recipients[0] for commit in server.commits)
        assert came == sorted([*sent, *(f"c{child}@example.com" for child in range(4))])
