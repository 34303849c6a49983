"""Tasks and mail on Celery (RabbitMQ or Redis): `CeleryBackend(app)`, or the URL `celery:package.module:app`.

Call it where the app is made, so that its workers know the job too::

    app = Celery("shop", broker="amqp://…", backend="redis://…")
    modernmail.tasks.configure(CeleryBackend(app))

It sets what Celery gets wrong for mail: a job is acknowledged when it is done and goes back when its worker
dies (`acks_late`, `reject_on_worker_lost`); the app's own time limits are not ours, for Celery takes a job that it killed for
done; no wait that the broker holds is longer than half its visibility
timeout on Redis, after which Redis would deliver it twice, or ten minutes on RabbitMQ, which gives up after
thirty; RabbitMQ confirms what is published to it (`confirm_publish`), or it would be gone with a broker that goes down or
finds it too large; and on Redis what a dead worker held is looked for often enough to come back within the visibility
timeout.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modernmail.errors import ConfigurationError, QueueUnavailable
from modernmail.tasks.engine import LONGEST_JOB, EngineBackend
from modernmail.tasks.modulepath import resolve
from modernmail.tasks.rescue import rescue
from modernmail.tasks.turn import turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from celery import Celery

    from modernmail.tasks.schedule import Schedule
    from modernmail.tasks.slip import Slip
    from modernmail.tasks.url import TaskBackendURL

logger = logging.getLogger("modernmail.tasks")

JOB = "modernmail.perform"
REDIS_VISIBILITY = 3600.0  # seconds: Celery's default


class CeleryBackend(EngineBackend):
    """Hands tasks and mail to a Celery app; its workers run them.

    Results are kept in the app's result backend, when it has one that others can read (`rpc://` cannot be).
    `async def` tasks run on a loop of their own. Priorities need a queue that has them, so they are refused.
    """

    scheme = "celery"

    def __init__(self, app: Celery, alias: str = "default", *, schedule: Schedule | None = None) -> None:
        from celery.exceptions import Reject

        super().__init__(alias, schedule=schedule)
        self.app = app
        kind = type(app.backend).__name__
        self.supports_get_result = kind not in ("DisabledBackend", "RPCBackend")
        transport = app.connection_for_write().transport.driver_type
        self.is_redis = transport == "redis"
        # To give a job back to a Redis that is full ends Celery's worker.
        self.takes_back = transport == "amqp"
        if transport == "amqp":
            app.conf.broker_transport_options = {
                "confirm_publish": True, **(app.conf.broker_transport_options or {})
            }  # fmt: skip
        if self.is_redis:
            options = app.conf.broker_transport_options or {}
            self.visibility = float(options.get("visibility_timeout", REDIS_VISIBILITY))
            self.longest_wait = min(self.longest_wait, self.visibility / 2)

        def perform(slip: str) -> None:
            try:
                self.perform(slip)
            except QueueUnavailable as error:
                raise Reject(error, requeue=True) from error  # Celery would take any other error for an end

        known = app.tasks.get(JOB)
        self._job = known or app.task(
            perform,
            name=JOB,
            shared=False,  # or an app made later would have this app's job
            acks_late=True,
            reject_on_worker_lost=True,
            ignore_result=True,
            max_retries=None,
            soft_time_limit=LONGEST_JOB,
            time_limit=LONGEST_JOB + 60,  # it can put itself off in a minute more
        )
        if self.is_redis and known is None:
            from celery.signals import worker_ready

            worker_ready.connect(self._watch, weak=False)

    def put(self, slip: Slip, *, wait: float, connection: Any = None, key: str | None = None) -> None:
        """Publish a slip, with a countdown when it has to wait."""
        if wait and self.app.conf.task_always_eager:
            # Celery would run it now, and again, and again.
            said = "%s: %s %s has to wait, and nothing does under task_always_eager: it is not run"
            logger.warning(said, self, slip.kind, slip.id)
            return
        queue = None if slip.queue == "default" else slip.queue
        name = repr((slip.id,))  # what Celery's events and log show; a slip may hold a whole mail
        with self.broker_explained():
            self._job.apply_async((slip.to_text(),), countdown=wait or None, queue=queue, argsrepr=name)

    def keep(self, slip: Slip, connection: Any = None) -> None:
        """Store the record in the app's result backend."""
        if self.supports_get_result:
            with self.results_explained():
                # A state of our own: Celery never replaces what is stored as SUCCESS.
                self.app.backend.store_result(slip.id, slip.to_text(), "RECORD")

    def look_up(self, slip_id: str, connection: Any = None) -> str | None:
        """Return the record from the app's result backend."""
        if not self.supports_get_result:
            return None
        with self.results_explained():
            # Celery would remember the first record it saw, and ours change.
            text = self.app.backend.get_task_meta(slip_id, cache=False).get("result")
        return text if isinstance(text, str) else None

    @contextmanager
    def turn(self, slip_id: str) -> Iterator[None]:
        """Be alone with a record, in a result backend on Redis."""
        with self.results_explained(), turn(getattr(self.app.backend, "client", None), slip_id):
            yield

    def _watch(self, sender: Any = None, **_: Any) -> None:
        """In a worker on Redis: give back what dead workers held, ten times in each visibility timeout.

        Celery looks for it by itself only every hundred seconds or so.
        """
        if getattr(sender, "app", self.app) is self.app:
            rescue(self._look, self.visibility, self._worker)

    def _look(self) -> None:
        with self.app.connection_for_write() as connection, connection.channel() as channel:
            channel.qos.restore_visible(num=1000, interval=1)


def from_url(alias: str, url: TaskBackendURL) -> CeleryBackend:
    """Return the backend for `celery:package.module:app`."""
    from celery import Celery

    app = find_app(url, "celery:package.module:app")
    if not isinstance(app, Celery):
        raise ConfigurationError(f"celery: {url.rest!r} is {type(app).__name__}, not a Celery app")
    return CeleryBackend(app, alias)


def find_app(url: TaskBackendURL, form: str) -> object:
    """Return what `scheme:package.module:name` names."""
    path = url.rest.replace(":", ".")
    if not path:
        raise ConfigurationError(f"{url.scheme}: wants a path, as in {form}")
    try:
        return resolve(path)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(f"{url.scheme}: {url.rest!r} cannot be found: {error}") from error
