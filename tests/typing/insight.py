"""What a type checker knows of events: nothing here runs."""

from __future__ import annotations

from typing import assert_type

from modernmail import Mailer, Outcome, Receipt
from modernmail.insight import Event, Failed, Held, RecipientRefused, Sent, Subscription, Unknown, subscribe


def watch(event: Event) -> None:
    """A match narrows the event to its kind."""
    match event:
        case Sent(receipt=receipt) | Failed(receipt=receipt) | Unknown(receipt=receipt):
            assert_type(receipt, Receipt)
        case RecipientRefused():
            assert_type(event.recipient, str)
            assert_type(event.outcome, Outcome)
        case Held(delay=delay):
            assert_type(delay, float)
        case _:
            assert_type(event.at, float)


def subscribing(mailer: Mailer) -> None:
    """Both ways return a subscription."""
    assert_type(subscribe(watch), Subscription)
    with mailer.subscribe(watch) as subscription:
        assert_type(subscription, Subscription)
    told: list[Event] = []
    subscribe(told.append)
