"""Spans and metrics of mail: `instrument()`, for programs that use OpenTelemetry (the extra `opentelemetry`).

    from modernmail.contrib.opentelemetry import instrument
    instrument()                       # all mailers; instrument(mailer=…) for one

Each mail is a span named `send mail`, a child of the span that was current when it was begun, in sync and in async code;
retries, refusals and the like are events of that span. Each connection is a span named `connect`. Names follow the semantic
conventions for messaging where there is one, and begin with `modernmail.` elsewhere; `METRICS` has all metrics.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from modernmail.insight import Subscription, subscribe

from .metrics import METRICS, Metric
from .telemetry import Telemetry

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from modernmail.mailer import Mailer

__all__ = ["METRICS", "Metric", "Telemetry", "instrument"]


def instrument(
    *,
    mailer: Mailer | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    recipients: bool = False,
) -> Subscription:
    """Make spans and metrics of what happens from now on, until the subscription that it returns is given up.

    For one `mailer`, or for all of them; what the outbox tells is among the latter. The providers are the global ones
    unless others are given. `recipients=True` puts addresses into the events of spans. Raises `ConfigurationError` without
    the package opentelemetry-api.
    """
    telemetry = Telemetry(tracer_provider, meter_provider, recipients=recipients)
    return subscribe(telemetry) if mailer is None else mailer.subscribe(telemetry)
