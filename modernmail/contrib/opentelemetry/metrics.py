"""Every metric of mail: `METRICS`, by name."""

from __future__ import annotations

from typing import NamedTuple


class Metric(NamedTuple):
    """One metric: its instrument, its unit, and what it counts."""

    instrument: str
    unit: str
    description: str


METRICS = {
    "messaging.client.sent.messages": Metric("counter", "{message}", "mails that came to their end"),
    "messaging.client.operation.duration": Metric(
        "histogram", "s", "time from a mail's beginning to its end"
    ),
    "modernmail.recipients": Metric(
        "counter", "{recipient}", "recipients of these mails, by what became of them"
    ),
    "modernmail.stopped": Metric("counter", "{recipient}", "recipients that a layer kept a mail from"),
    "modernmail.redirected": Metric("counter", "{message}", "mails that a layer sent elsewhere"),
    "modernmail.held": Metric("counter", "{message}", "mails that a layer, such as a rate limit, let wait"),
    "modernmail.retries": Metric("counter", "{attempt}", "further attempts at a mail"),
    "modernmail.failovers": Metric("counter", "{message}", "mails that were taken to another backend"),
    "modernmail.connections": Metric(
        "counter", "{connection}", "connections that were opened, or could not be"
    ),
    "modernmail.connections.open": Metric("up_down_counter", "{connection}", "connections that are open"),
    "modernmail.connect.duration": Metric("histogram", "s", "time to connect, secure and log in, or to fail"),
    "modernmail.queued": Metric("counter", "{message}", "mails that the outbox took"),
    "modernmail.given_up": Metric("counter", "{message}", "mails that the outbox tries no more"),
}

# seconds: those of the semantic conventions, and longer ones, since a server may be slow to take a mail
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300)
