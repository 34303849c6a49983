"""OpenTelemetry: the spans and metrics of mail, by the in-memory exporters of its SDK."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from modernmail import Mailer, Message
from modernmail.contrib.opentelemetry import METRICS, instrument
from modernmail.errors import ConfigurationError, ConnectFailed, DeliveryError
from modernmail.insight import events
from modernmail.layers import Redirect, Retry
from modernmail.outcome import Outcome
from modernmail.reply import Reply
from modernmail.testing import Rule, ScriptedSMTPServer

from .test_events import Scripted, hello, sent_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan


class Telemetry:
    """Providers whose exporters keep everything in memory."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def instrument(self, **options: Any) -> Any:
        """Instrument with these providers."""
        return instrument(tracer_provider=self.tracers, meter_provider=self.meters, **options)

    def spans(self, name: str = "send mail") -> list[ReadableSpan]:
        """Return the ended spans of a name."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def metrics(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """Return each metric's points: attributes and value (of a histogram: the count)."""
        data = self.reader.get_metrics_data()
        return {
            metric.name: [
                (dict(point.attributes or {}), getattr(point, "value", getattr(point, "count", None)))
                for point in metric.data.data_points
            ]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Providers of our own, shut down at the end."""
    made = Telemetry()
    yield made
    made.tracers.shutdown()
    made.meters.shutdown()


both = pytest.mark.parametrize("mode", ["sync", "async"])


@both
def test_a_mail_is_a_span(telemetry: Telemetry, mode: str) -> None:
    """Its name, kind, identity, size and outcome; and it is counted and timed."""
    with telemetry.instrument():
        sent_by(Mailer("memory:"), [hello("a@example.com", "b@example.com")], mode)
    (span,) = telemetry.spans()
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    found = dict(span.attributes or {})
    assert found.pop("messaging.message.id")
    assert found.pop("messaging.message.envelope.size") > 100
    assert found == {
        "messaging.system": "email",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "modernmail.backend": "MemoryBackend",
        "modernmail.recipients": 2,
        "modernmail.accepted": 2,
        "modernmail.deferred": 0,
        "modernmail.rejected": 0,
        "modernmail.unknown": 0,
        "modernmail.outcome": "sent",
        "modernmail.attempts": 1,
    }
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time >= span.start_time
    metrics = telemetry.metrics()
    system = {"messaging.system": "email", "messaging.operation.name": "send"}
    assert metrics["messaging.client.sent.messages"] == [({**system, "modernmail.outcome": "sent"}, 1)]
    assert metrics["messaging.client.operation.duration"] == [(system, 1)]
    assert metrics["modernmail.recipients"] == [({"modernmail.status": "accepted"}, 2)]


def test_the_span_is_a_child_of_the_callers(telemetry: Telemetry) -> None:
    """Sync: the span that is current where `send` is called is the parent, in each thread its own."""
    tracer = telemetry.tracers.get_tracer("test")
    with telemetry.instrument(), tracer.start_as_current_span("request") as parent:
        Mailer("memory:").send(hello())
    (span,) = telemetry.spans()
    assert span.parent is not None
    assert span.parent.span_id == parent.get_span_context().span_id
    assert span.context is not None
    assert span.context.trace_id == parent.get_span_context().trace_id


def test_tasks_at_once_keep_their_parents(telemetry: Telemetry) -> None:
    """Under asyncio each task's mail belongs to that task's span, over several connections too."""
    tracer = telemetry.tracers.get_tracer("test")
    parents: dict[str, int] = {}

    async def request(mailer: Mailer, number: int) -> None:
        with tracer.start_as_current_span("request") as parent:
            receipt = await mailer.asend(hello(f"p{number}@example.com"))
            parents[receipt.message_id or ""] = parent.get_span_context().span_id

    async def run(url: str) -> None:
        async with Mailer(url) as mailer:
            await asyncio.gather(*(request(mailer, number) for number in range(8)))
            with tracer.start_as_current_span("many") as parent:
                async for receipt in mailer.asend_many([hello() for _ in range(8)]):
                    parents[receipt.message_id or ""] = parent.get_span_context().span_id

    with ScriptedSMTPServer() as server, telemetry.instrument():
        asyncio.run(run(server.url(pool=3)))
    spans = telemetry.spans()
    assert len(spans) == 16
    for span in spans:
        assert span.parent is not None
        assert span.parent.span_id == parents[str((span.attributes or {})["messaging.message.id"])]


@both
def test_what_happens_on_the_way_are_events_of_the_span(telemetry: Telemetry, mode: str) -> None:
    """A retry, the further attempt and a refusal; no address in them unless asked for."""
    backend = Scripted(
        Outcome("deferred", reply=Reply(451, ["4.3.0 busy"])),
        Outcome("rejected", reply=Reply(550, ["5.1.1 no"]), phase="rcpt"),
    )
    with telemetry.instrument():
        sent_by(Mailer(backend, layers=[Retry(3, delay=0.001)]), [hello("somebody@example.com")], mode)
    (span,) = telemetry.spans()
    assert [event.name for event in span.events] == ["retrying", "attempt", "recipient rejected"]
    assert dict(span.events[2].attributes or {}) == {
        "modernmail.phase": "rcpt",
        "modernmail.code": 550,
        "modernmail.enhanced": "5.1.1",
    }
    assert "somebody" not in span.to_json()
    assert (span.attributes or {})["modernmail.attempts"] == 2
    assert telemetry.metrics()["modernmail.retries"] == [({}, 1)]


def test_addresses_are_told_when_asked_for(telemetry: Telemetry) -> None:
    """`recipients=True` names them in the events of spans, and never in metrics."""
    with telemetry.instrument(recipients=True):
        Mailer("memory:", layers=[Redirect(allow=["a@example.com"])]).send(
            hello("a@example.com", "b@example.com")
        )
    (span,) = telemetry.spans()
    assert [event.name for event in span.events] == ["stopped", "recipient rejected"]
    assert (span.events[0].attributes or {})["modernmail.recipients"] == ("b@example.com",)
    assert (span.events[1].attributes or {})["modernmail.recipient"] == "b@example.com"
    assert (span.attributes or {})["modernmail.outcome"] == "partial"
    assert "example.com" not in repr(telemetry.metrics())
    assert telemetry.metrics()["modernmail.stopped"] == [({"modernmail.status": "rejected"}, 1)]


@pytest.mark.parametrize(
    ("outcome", "kind", "error"),
    [
        (Outcome("rejected", reply=Reply(550, ["no"]), phase="rcpt"), "failed", "Failed"),
        (Outcome("unknown", reason="it broke"), "unknown", "Failed"),
        (ConnectFailed("no way"), "failed", "ConnectFailed"),
    ],
    ids=["rejected", "unknown", "no connection"],
)
def test_a_failure_is_the_spans_status(
    telemetry: Telemetry, outcome: Outcome | DeliveryError, kind: str, error: str
) -> None:
    """Nobody was accepted: an error, with its type in the span and in the metrics."""
    with telemetry.instrument(), pytest.raises(DeliveryError):
        Mailer(Scripted(outcome)).send(hello())
    (span,) = telemetry.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["modernmail.outcome"] == kind
    assert (span.attributes or {})["error.type"] == error
    ((attributes, count),) = telemetry.metrics()["messaging.client.sent.messages"]
    assert (attributes["error.type"], attributes["modernmail.outcome"], count) == (error, kind, 1)


def test_no_span_stays_open(telemetry: Telemetry) -> None:
    """Invalid messages, mails that layers stop, and sendings that are closed half-way: each span ends."""
    with telemetry.instrument() as subscription:
        mailer = Mailer("memory:")
        mailer.send_many([Message("No recipient", "x", from_email="me@example.com")]).finish()
        Mailer("memory:", layers=[Redirect(allow=[])]).send_many([hello()]).finish()
        with mailer.send_many([hello(), hello()]) as sending:
            next(sending)
        assert subscription._call._mails == {}
    assert len(telemetry.spans()) >= 3


def test_one_mailer(telemetry: Telemetry) -> None:
    """`mailer=` limits it to one."""
    mailer, other = Mailer("memory:"), Mailer("memory:")
    with telemetry.instrument(mailer=mailer):
        mailer.send(hello())
        other.send(hello())
    assert len(telemetry.spans()) == 1


def test_every_event_is_understood(telemetry: Telemetry) -> None:
    """Each kind of event has its place here: a new one cannot be forgotten."""
    with telemetry.instrument() as subscription:
        assert set(subscription._call._tellers) == set(events.Event.__args__)


def test_the_queue_is_counted(telemetry: Telemetry) -> None:
    """Mails that are queued and given up, by mailer and phase."""
    with telemetry.instrument() as subscription:
        subscription.tell(events.Queued(1.0, "1", "<1@x>", "default", 3))
        subscription.tell(events.GivenUp(1.0, "1", "<1@x>", "default", "expired", 5, ("a@example.com",)))
    metrics = telemetry.metrics()
    assert metrics["modernmail.queued"] == [({"modernmail.mailer": "default"}, 1)]
    assert metrics["modernmail.given_up"] == [
        ({"modernmail.mailer": "default", "modernmail.phase": "expired"}, 1)
    ]


def test_all_metrics_have_units_and_words(telemetry: Telemetry) -> None:
    """What `METRICS` says is what is made."""
    with telemetry.instrument() as subscription:
        made = subscription._call._metrics
    assert set(made) == set(METRICS)
    for metric in METRICS.values():
        assert metric.instrument in ("counter", "histogram", "up_down_counter")
        assert metric.unit
        assert metric.description


def test_without_opentelemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra is named."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'modernmail\[opentelemetry\]'"):
        instrument()


@both
def test_connections_are_spans(telemetry: Telemetry, mode: str) -> None:
    """Opening one, and failing to; how many are open is known at any time."""
    with ScriptedSMTPServer() as server, telemetry.instrument():
        if mode == "sync":
            with Mailer(server.url()) as mailer:
                mailer.send(hello())
                host = f"127.0.0.1:{server.port}"
                assert telemetry.metrics()["modernmail.connections.open"] == [({"server.address": host}, 1)]
        else:

            async def run() -> None:
                async with Mailer(server.url()) as mailer:
                    await mailer.asend(hello())

            asyncio.run(run())
            host = f"127.0.0.1:{server.port}"
    (span,) = telemetry.spans("connect")
    found = dict(span.attributes or {})
    assert found == {
        "server.address": host,
        "modernmail.is_async": mode == "async",
        "modernmail.is_tls": False,
    }
    metrics = telemetry.metrics()
    assert metrics["modernmail.connections"] == [({"server.address": host}, 1)]
    assert metrics["modernmail.connections.open"] == [({"server.address": host}, 0)]
    assert metrics["modernmail.connect.duration"] == [({"server.address": host}, 1)]


def test_a_connection_that_fails_is_a_span(telemetry: Telemetry) -> None:
    """The greeting is 554: the span has the error and the code."""
    with (
        ScriptedSMTPServer([Rule("CONNECT").reply("554 5.7.1 go away").close()]) as server,
        telemetry.instrument(),
        pytest.raises(ConnectFailed),
    ):
        Mailer(server.url()).send(hello())
    (span,) = telemetry.spans("connect")
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ConnectFailed"
    assert (span.attributes or {})["modernmail.code"] == 554
