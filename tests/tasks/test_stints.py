"""How long a worker's hand is at what it took: it waits for no rate when it is to stop, and holds nothing for too long."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import modernmail
from modernmail import Message, tasks
from modernmail.layers import RateLimit
from modernmail.tasks.worker import Worker

if TYPE_CHECKING:
    import pytest

    from modernmail.tasks.sqlite import SQLiteBackend


def mail() -> Message:
    """Return a message to somebody."""
    return Message("Hello", "Text", to=["you@example.com"])


def test_a_stop_waits_for_no_rate(backend: SQLiteBackend) -> None:
    """A hand that a rate has wait for half an hour gives its mail back, uncounted, when the worker is told to stop."""
    layers = [RateLimit("2/h")]
    modernmail.configure({"default": {"url": "memory:", "from_email": "shop@example.com", "layers": layers}})
    tickets = tasks.enqueue_many(mail() for _ in range(5))
    was_sent = threading.Event()
    worker = Worker(backend, concurrency=1, report=lambda line: was_sent.set())
    running = threading.Thread(target=worker.run)
    running.start()
    assert was_sent.wait(20)
    worker.stop()
    running.join(20)
    assert not running.is_alive()
    states = [
        (tasks.get_ticket(ticket.id).status, tasks.get_ticket(ticket.id).attempts) for ticket in tickets
    ]
    assert states == [("accepted", 1)] + [("queued", 0)] * 4


def test_a_hand_that_took_too_much_gives_the_rest_back(
    backend: SQLiteBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes longer than the first mail let hope does not wait behind the others of its claim, where a mail of a higher
    priority comes meanwhile."""
    monkeypatch.setattr("modernmail.tasks.dispatch.LONG_STINT", 0.0)
    tasks.enqueue_many(mail() for _ in range(30))
    urgent: list[str] = []
    order: list[str] = []

    def report(line: dict[str, Any]) -> None:
        order.append(line["id"])
        if len(order) == 5:
            urgent.append(mail().enqueue(priority=100).id)

    Worker(backend, until_empty=True, concurrency=1, report=report).run()
    assert len(order) == 31
    assert order.index(urgent[0]) < 10
