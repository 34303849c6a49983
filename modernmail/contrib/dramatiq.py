"""Tasks and mail on Dramatiq (RabbitMQ or Redis): `DramatiqBackend(broker)`, or
`dramatiq:package.module:broker`.

Call it where the broker is made, in a module that the workers load::

    broker = RabbitmqBroker(url="amqp://…")
    broker.add_middleware(Results(backend=RedisBackend(url="redis://…")))   # for results, if you want them
    modernmail.tasks.configure(DramatiqBackend(broker))

Retries are ours, so Dramatiq's own are off: a task that failed is not run again behind our back. RabbitMQ confirms what is
published to it (`confirm_delivery`), or it would be gone with a broker that goes down or finds it too large. On Redis each
worker looks for what dead ones had, ten times in each `heartbeat_timeout`; Dramatiq leaves it to chance. Give the broker one of
a few seconds: its default of a minute is how long a dead worker's job waits.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from modernmail.errors import ConfigurationError
from modernmail.tasks.engine import LONGEST_JOB, EngineBackend
from modernmail.tasks.rescue import rescue
from modernmail.tasks.turn import turn

from .celery import find_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dramatiq import Broker, Message, Middleware, Worker
    from dramatiq.results.backend import ResultBackend

    from modernmail.tasks.schedule import Schedule
    from modernmail.tasks.slip import Slip
    from modernmail.tasks.url import TaskBackendURL

ACTOR = "modernmail_perform"
KEPT = 7 * 86_400_000  # milliseconds
_ALWAYS = 1_000_000  # a `maintenance_chance`: each command to Redis looks for a dead worker's jobs


class DramatiqBackend(EngineBackend):
    """Hands tasks and mail to a Dramatiq broker; its workers run them.

    Results are kept by the broker's Results middleware, when it has one. Priorities are refused: Dramatiq's
    hold within one worker only.
    """

    scheme = "dramatiq"

    def __init__(self, broker: Broker, alias: str = "default", *, schedule: Schedule | None = None) -> None:
        import dramatiq

        super().__init__(alias, schedule=schedule)
        self.broker = broker
        if hasattr(broker, "confirm_delivery"):
            broker.confirm_delivery = True
        self._results = _results_of(broker)
        self.supports_get_result = self._results is not None
        if ACTOR in broker.actors:
            self._actor = broker.actors[ACTOR]
            return
        if hasattr(broker, "maintenance_chance"):
            broker.add_middleware(_while_working(self._watch))
        # A slip is handed back only when its worker dies.
        options: dict[str, Any] = {"max_retries": 0} if _has(broker, "max_retries") else {}
        if _has(broker, "time_limit"):
            options["time_limit"] = round(LONGEST_JOB * 1000)
        self._actor = dramatiq.actor(self.perform, broker=broker, actor_name=ACTOR, **options)

    def put(self, slip: Slip, *, wait: float, connection: Any = None, key: str | None = None) -> None:
        """Publish a slip, with a delay when it has to wait."""
        message = self._actor.message(slip.to_text())
        if slip.queue != "default":
            self.broker.declare_queue(slip.queue)
            message = message.copy(queue_name=slip.queue)
        with self.broker_explained():
            self.broker.enqueue(message, delay=round(wait * 1000) or None)

    def keep(self, slip: Slip, connection: Any = None) -> None:
        """Store the record in the broker's result backend."""
        if self._results is not None:
            with self.results_explained():
                self._results.store_result(self._key(slip.id), slip.to_text(), KEPT)

    def look_up(self, slip_id: str, connection: Any = None) -> str | None:
        """Return the record from the broker's result backend."""
        from dramatiq.results import ResultMissing

        if self._results is None:
            return None
        with self.results_explained():
            try:
                text = self._results.get_result(self._key(slip_id))
            except ResultMissing:
                return None
        return text if isinstance(text, str) else None

    @contextmanager
    def turn(self, slip_id: str) -> Iterator[None]:
        """Be alone with a record, in a result backend on Redis."""
        with self.results_explained(), turn(getattr(self._results, "client", None), slip_id):
            yield

    def _watch(self, worker: Worker) -> Callable[[], None]:
        """In a worker on Redis: give back what dead workers held, ten times in each heartbeat timeout."""
        broker: Any = self.broker

        def look() -> None:
            for queue in list(worker.consumers):
                chance, broker.maintenance_chance = broker.maintenance_chance, _ALWAYS
                try:
                    broker.do_qsize(queue)  # any command will do
                finally:
                    broker.maintenance_chance = chance

        return rescue(look, broker.heartbeat_timeout / 1000, self._worker)

    def _key(self, slip_id: str) -> Message[Any]:
        """Return the message under whose name a record is kept."""
        name: Message[Any] = self._actor.message().copy(
            message_id=f"record-{slip_id}", queue_name="modernmail"
        )
        return name


def from_url(alias: str, url: TaskBackendURL) -> DramatiqBackend:
    """Return the backend for `dramatiq:package.module:broker`."""
    from dramatiq import Broker

    broker = find_app(url, "dramatiq:package.module:broker")
    if not isinstance(broker, Broker):
        raise ConfigurationError(f"dramatiq: {url.rest!r} is {type(broker).__name__}, not a Dramatiq broker")
    return DramatiqBackend(broker, alias)


def _results_of(broker: Broker) -> ResultBackend | None:
    from dramatiq.results import Results

    return next((one.backend for one in broker.middleware if isinstance(one, Results)), None)


def _while_working(begin: Callable[[Worker], Callable[[], None]]) -> Middleware:
    """Return what calls a function with each worker that begins, and what that returned when the worker ends."""
    from dramatiq import Middleware

    class WhileWorking(Middleware):  # type: ignore[misc]  # Dramatiq's types do not say what it is
        def after_worker_boot(self, broker: Broker, worker: Worker) -> None:
            self.end = begin(worker)

        def before_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
            self.end()

    return WhileWorking()


def _has(broker: Broker, option: str) -> bool:
    return option in broker.actor_options
