"""The subscriber that makes spans and metrics of events: `Telemetry`.

Rules of the file: no address of a recipient is told unless asked for, and none is ever an attribute of a metric; spans that
are open are kept by mail, so that any number of mails may be on their way at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from modernmail.errors import ConfigurationError
from modernmail.insight import events

from .metrics import BUCKETS, METRICS

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Span, TracerProvider


_SYSTEM = {"messaging.system": "email", "messaging.operation.name": "send"}


class Telemetry:
    """The subscriber that `instrument` installs."""

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        recipients: bool = False,
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                "OpenTelemetry is not installed: pip install 'modernmail[opentelemetry]'"
            ) from error
        self._trace = trace
        self._tracer = trace.get_tracer("modernmail", tracer_provider=tracer_provider)
        meter = metrics.get_meter("modernmail", meter_provider=meter_provider)
        self._metrics: dict[str, Any] = {}
        for name, metric in METRICS.items():
            create = getattr(meter, f"create_{metric.instrument}")
            more = {"explicit_bucket_boundaries_advisory": BUCKETS} if metric.unit == "s" else {}
            self._metrics[name] = create(name, unit=metric.unit, description=metric.description, **more)
        self._recipients = recipients
        self._mails: dict[tuple[int, int], _Mail] = {}
        self._tellers: dict[type, Callable[[Any], None]] = {
            events.Sending: self._sending,
            events.Sent: self._ended,
            events.Failed: self._ended,
            events.Unknown: self._ended,
            events.RecipientRefused: self._recipient,
            events.RecipientDeferred: self._recipient,
            events.RecipientUnknown: self._recipient,
            events.Stopped: self._stopped,
            events.Redirected: self._redirected,
            events.Held: self._held,
            events.Retrying: self._retrying,
            events.FailedOver: self._failed_over,
            events.Connected: self._connected,
            events.ConnectionFailed: self._connected,
            events.ConnectionClosed: self._closed,
            events.Queued: self._queued,
            events.GivenUp: self._given_up,
        }

    def __call__(self, event: events.Event) -> None:
        """Take an event."""
        self._tellers[type(event)](event)

    def _count(self, name: str, number: int = 1, **attributes: Any) -> None:
        self._metrics[name].add(number, {f"modernmail.{key}": value for key, value in attributes.items()})

    # -- one mail ----------------------------------------------------------------------------------------------

    def _mail(self, event: Any) -> _Mail:
        """Return what is known of a mail; its span begins with its first event."""
        key = (event.sending, event.position)
        mail = self._mails.get(key)
        if mail is None:
            attributes = {**_SYSTEM, "messaging.operation.type": "send"}
            if event.message_id is not None:
                attributes["messaging.message.id"] = event.message_id
            span = self._tracer.start_span(
                "send mail",
                kind=self._trace.SpanKind.CLIENT,
                start_time=_nanoseconds(event.at),
                attributes=attributes,
            )
            mail = self._mails[key] = _Mail(span, event.at)
        return mail

    def _happened(self, event: Any, name: str, **attributes: Any) -> None:
        found = {f"modernmail.{key}": value for key, value in attributes.items() if value is not None}
        self._mail(event).span.add_event(name, found, timestamp=_nanoseconds(event.at))

    def _sending(self, event: events.Sending) -> None:
        mail = self._mail(event)
        mail.attempts = event.attempt
        if event.attempt > 1:
            self._happened(event, "attempt", attempt=event.attempt)
            return
        mail.server = event.hosts[0] if len(event.hosts) == 1 else None
        mail.span.set_attributes(
            {
                "messaging.message.envelope.size": event.size,
                "modernmail.recipients": event.recipients,
                "modernmail.backend": event.backend,
            }
        )
        if mail.server is not None:
            mail.span.set_attribute("server.address", mail.server)

    def _ended(self, event: events.Sent | events.Failed | events.Unknown) -> None:
        mail = self._mail(event)
        del self._mails[event.sending, event.position]
        receipt, span = event.receipt, mail.span
        counts = {status: receipt.count(status) for status in ("accepted", "deferred", "rejected", "unknown")}
        outcome = type(event).__name__.lower()
        if outcome == "sent" and not receipt.is_complete:
            outcome = "partial"
        told: dict[str, Any] = dict(_SYSTEM)
        if mail.server is not None:
            told["server.address"] = mail.server
        if outcome in ("failed", "unknown"):
            error = type(receipt.error).__name__ if receipt.error is not None else "Failed"
            told["error.type"] = error
            span.set_attribute("error.type", error)
            span.set_status(self._trace.StatusCode.ERROR, error)
        span.set_attributes({f"modernmail.{status}": number for status, number in counts.items()})
        span.set_attributes({"modernmail.outcome": outcome, "modernmail.attempts": mail.attempts})
        span.end(_nanoseconds(event.at))
        self._metrics["messaging.client.operation.duration"].record(max(event.at - mail.began, 0.0), told)
        self._metrics["messaging.client.sent.messages"].add(1, {**told, "modernmail.outcome": outcome})
        for status, number in counts.items():
            if number:
                self._metrics["modernmail.recipients"].add(number, {"modernmail.status": status})

    def _recipient(
        self, event: events.RecipientRefused | events.RecipientDeferred | events.RecipientUnknown
    ) -> None:
        outcome = event.outcome
        self._happened(
            event,
            f"recipient {outcome.status}",
            recipient=event.recipient if self._recipients else None,
            phase=outcome.phase,
            code=None if outcome.reply is None else outcome.reply.code,
            enhanced=None if outcome.reply is None else outcome.reply.enhanced,
        )

    def _stopped(self, event: events.Stopped) -> None:
        self._happened(
            event,
            "stopped",
            number=len(event.recipients),
            status=event.status,
            **self._named(event.recipients),
        )
        self._count("modernmail.stopped", len(event.recipients), status=event.status)

    def _redirected(self, event: events.Redirected) -> None:
        self._happened(event, "redirected", number=len(event.meant), **self._named(event.recipients))
        self._count("modernmail.redirected")

    def _held(self, event: events.Held) -> None:
        self._happened(event, "held", delay=event.delay)
        self._count("modernmail.held")

    def _retrying(self, event: events.Retrying) -> None:
        self._happened(
            event, "retrying", attempt=event.attempt, delay=event.delay, **self._named(event.recipients)
        )
        self._count("modernmail.retries")

    def _failed_over(self, event: events.FailedOver) -> None:
        self._happened(event, "failed over", left=event.left, backend=event.backend)
        self._count("modernmail.failovers")

    def _named(self, recipients: tuple[str, ...]) -> dict[str, Any]:
        return {"recipients": recipients} if self._recipients else {}

    # -- connections and the queue -----------------------------------------------------------------------------

    def _connected(self, event: events.Connected | events.ConnectionFailed) -> None:
        told: dict[str, Any] = {"server.address": event.host}
        span = self._tracer.start_span(
            "connect",
            kind=self._trace.SpanKind.CLIENT,
            start_time=_nanoseconds(event.at - event.seconds),
            attributes={**told, "modernmail.is_async": event.is_async},
        )
        if isinstance(event, events.Connected):
            span.set_attribute("modernmail.is_tls", event.is_tls)
            self._metrics["modernmail.connections.open"].add(1, told)
        else:
            told["error.type"] = event.error
            span.set_attribute("error.type", event.error)
            if event.reply is not None:
                span.set_attribute("modernmail.code", event.reply.code)
            span.set_status(self._trace.StatusCode.ERROR, event.error)
        span.end(_nanoseconds(event.at))
        self._metrics["modernmail.connections"].add(1, told)
        self._metrics["modernmail.connect.duration"].record(event.seconds, told)

    def _closed(self, event: events.ConnectionClosed) -> None:
        self._metrics["modernmail.connections.open"].add(-1, {"server.address": event.host})

    def _queued(self, event: events.Queued) -> None:
        self._count("modernmail.queued", mailer=event.mailer)

    def _given_up(self, event: events.GivenUp) -> None:
        self._count("modernmail.given_up", mailer=event.mailer, phase=event.phase)


class _Mail:
    """A mail whose span is open."""

    __slots__ = ("attempts", "began", "server", "span")

    def __init__(self, span: Span, began: float) -> None:
        self.span = span
        self.began = began
        self.server: str | None = None
        self.attempts = 0


def _nanoseconds(seconds: float) -> int:
    return int(seconds * 1e9)
