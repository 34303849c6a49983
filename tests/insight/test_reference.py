"""The reference of events, log and metrics says what the code has, name by name."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import get_args

import pytest

from modernmail import Mailer
from modernmail.contrib.opentelemetry import METRICS
from modernmail.insight import events

from .test_events import hello
from .test_opentelemetry import Telemetry

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "events.md"
COMMON = ("at", "sending", "position", "message_id")


def table(heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading of the page."""
    _, _, below = PAGE.read_text("utf-8").partition(f"\n## {heading}\n")
    section = below.partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def names(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def test_the_page_has_every_event_and_every_field() -> None:
    """No event is missing, none is invented, and each has the fields that the page says, in order."""
    told = {names(row[0])[0]: names(row[2]) for row in table("Events")}
    kinds = {kind.__name__: kind for kind in get_args(events.Event)}
    assert set(told) == set(kinds)
    for name, kind in kinds.items():
        common = COMMON if "position" in kind._fields else ("at",)
        assert kind._fields == (*common, *told[name]), name


def test_the_page_has_every_attribute_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A record has the attributes that the page says, and no others of ours."""
    with caplog.at_level(logging.INFO, "modernmail"):
        Mailer("memory:").send(hello())
    (record,) = caplog.records
    usual = set(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
    assert set(vars(record)) - usual == {names(row[0])[0] for row in table("The log")}


def test_the_page_has_every_metric() -> None:
    """Its instrument, its unit and its words."""
    told = {names(row[0])[0]: (row[1], names(row[2])[0], row[3]) for row in table("Metrics")}
    assert told == {name: tuple(metric) for name, metric in METRICS.items()}


def test_the_page_has_every_attribute_of_metrics_and_spans() -> None:
    """All that a span or a metric's point can carry is named."""
    telemetry = Telemetry()
    with telemetry.instrument() as subscription:
        Mailer("memory:").send(hello())
        made = [
            events.ConnectionFailed(1.0, "h:25", False, 0.1, "ConnectFailed", None, True),
            events.Connected(1.0, "h:25", True, False, 0.1),
            events.Queued(1.0, "1", "<1@x>", "default", 1),
            events.GivenUp(1.0, "1", "<1@x>", "default", "expired", 1, ("a@example.com",)),
        ]
        for event in made:
            subscription.tell(event)
    of_spans = {names(row[0])[0] for row in table("Spans") if "modernmail" in row[0] or "." in row[0]}
    for span in telemetry.exporter.get_finished_spans():
        assert set(span.attributes or ()) <= of_spans
    of_metrics = {names(row[0])[0]: set(names(row[4])) for row in table("Metrics")}
    for name, points in telemetry.metrics().items():
        for attributes, _ in points:
            assert set(attributes) <= of_metrics[name], name
    telemetry.tracers.shutdown()
    telemetry.meters.shutdown()


@pytest.mark.parametrize("page", ["how-to/watch.md", "how-to/production-checklist.md"])
def test_pages_name_metrics_that_exist(page: str) -> None:
    """A metric in a how-to is one that there is."""
    text = (PAGE.parents[1] / page).read_text("utf-8")
    known = {
        *METRICS,
        "modernmail.insight",
        "modernmail.tasks",
        "modernmail.insight.Sending",
        "modernmail.Sending",
    }
    for name in re.findall(r"`((?:modernmail|messaging)\.[a-z_.A-Z]+)`", text):
        assert name in known, name
