"""Tasks and mail on procrastinate (PostgreSQL): `ProcrastinateBackend(app)`, or
`procrastinate:package.module:app`.

Call it where the app is made, so that its workers know the job too::

    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo="postgresql://…"))
    modernmail.tasks.configure(ProcrastinateBackend(app))

What is enqueued with `connection=` (an open psycopg connection) belongs to its transaction. A job whose
worker died is given back by a periodic task, which procrastinate does not do by itself. Records (results, the
state of mails, idempotency keys) are in a table of our own beside procrastinate's, `modernmail_record`.
"""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from modernmail.errors import ConfigurationError, IdempotencyConflict, InvalidTask, QueueUnavailable
from modernmail.tasks.engine import EngineBackend

from .celery import find_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from procrastinate import App

    from modernmail.tasks.schedule import Schedule
    from modernmail.tasks.slip import Slip
    from modernmail.tasks.url import TaskBackendURL

logger = logging.getLogger("modernmail.tasks")

JOB = "modernmail.perform"
RESCUE = "modernmail.rescue"
SILENCE = 30.0  # seconds: procrastinate's own default
ROUND = "* * * * * */10"  # when to look for jobs of dead workers: every ten seconds

_TABLE = """CREATE TABLE IF NOT EXISTS modernmail_record (
    id text PRIMARY KEY, slip text NOT NULL, key text UNIQUE, digest text,
    at timestamptz NOT NULL DEFAULT now())"""
_KEEP = """INSERT INTO modernmail_record (id, slip) VALUES (%(id)s, %(slip)s)
    ON CONFLICT (id) DO UPDATE SET slip = excluded.slip, at = now()"""
_KEEP_FIRST = """INSERT INTO modernmail_record (id, slip) VALUES (%(id)s, %(slip)s)
    ON CONFLICT (id) DO UPDATE SET slip = excluded.slip, at = now() WHERE modernmail_record.slip = '' RETURNING id"""
_ADVANCE = "UPDATE modernmail_record SET slip = %(slip)s, at = now() WHERE id = %(id)s AND slip = %(before)s RETURNING id"
_NOW = "SELECT clock_timestamp() AS now"
_FIND = "SELECT slip FROM modernmail_record WHERE id = %(id)s"
_TAKE = """INSERT INTO modernmail_record (id, slip, key, digest) VALUES (%(id)s, '', %(key)s, %(digest)s)
    ON CONFLICT (key) DO NOTHING"""
_HOLDER = "SELECT id, digest FROM modernmail_record WHERE key = %(key)s"


class ProcrastinateBackend(EngineBackend):
    """Hands tasks and mail to a procrastinate app; its workers run them.

    A worker without a heartbeat for `silence` seconds counts as dead (procrastinate's send one every ten),
    and what it had is given back. With `rescue=False` no periodic task is registered: somebody else must see
    to that.
    """

    scheme = "procrastinate"
    supports_get_result = True
    supports_priority = True
    supports_transaction = True
    supports_idempotency = True
    longest_wait = float("inf")  # a job waits in its table, however long

    def __init__(
        self,
        app: App,
        alias: str = "default",
        *,
        schedule: Schedule | None = None,
        rescue: bool = True,
        silence: float = SILENCE,
    ) -> None:
        super().__init__(alias, schedule=schedule)
        self.app = app
        self.silence = silence
        self._has_table = False
        self._lock = threading.Lock()
        if JOB not in app.tasks:
            app.task(self._deliver, name=JOB)
        if rescue and RESCUE not in app.tasks:
            app.periodic(cron=ROUND)(app.task(self._rescue, name=RESCUE, queueing_lock=RESCUE))

    def put(self, slip: Slip, *, wait: float, connection: Any = None, key: str | None = None) -> None:
        """Defer a job that carries the slip."""
        from procrastinate.exceptions import AlreadyEnqueued

        at = None
        if wait:
            # By the clock that decides what is due: by one of ours that is behind it, the job would come at once, over and over.
            at = self._run(_NOW, connection)[0]["now"] + timedelta(seconds=wait)
        with self._explained(connection):
            job = self.app.configure_task(
                JOB,
                queue=slip.queue,
                priority=slip.priority,
                schedule_at=at,
                queueing_lock=None if key is None else f"modernmail:{key}",
                connection=connection,
            )
            try:
                job.defer(slip=slip.to_text())
            except AlreadyEnqueued:
                # Under a key that this slip has taken, a job with the key is this slip's: it was handed over meanwhile.
                logger.info("%s: the mail with the idempotency key %r is in the queue already", self, key)

    def keep(self, slip: Slip, connection: Any = None) -> None:
        """Write the record."""
        self._run(_KEEP, connection, id=slip.id, slip=slip.to_text())

    def advance(self, slip: Slip, before: str | None, connection: Any = None) -> bool:
        """Write the record if it still is as it was: a worker that was thought dead sends nothing that another has now."""
        if before is None:
            return bool(self._run(_KEEP_FIRST, connection, id=slip.id, slip=slip.to_text()))
        return bool(self._run(_ADVANCE, connection, id=slip.id, slip=slip.to_text(), before=before))

    def submit(self, slip: Slip, *, connection: Any = None, key: str | None = None) -> None:
        """Hand a slip over, then record it: whoever repeats an enqueue that failed half-way finds no record, and hands it
        over himself."""
        self.hand(slip, connection=connection, key=key)
        self.advance(slip, None, connection)  # unless a quick worker has recorded more

    def look_up(self, slip_id: str, connection: Any = None) -> str | None:
        """Read the record."""
        rows = self._run(_FIND, connection, id=slip_id)
        return rows[0]["slip"] or None if rows else None

    def take_key(self, slip_id: str, key: str, digest: str, connection: Any = None) -> str:
        """Reserve an idempotency key, and return the id of the job that has it: ours, or an earlier one.

        Raises `IdempotencyConflict` when the earlier one says something else.
        """
        self._run(_TAKE, connection, id=slip_id, key=key, digest=digest)
        (holder,) = self._run(_HOLDER, connection, key=key)
        if holder["digest"] != digest:
            raise IdempotencyConflict(f"the idempotency key {key!r} is taken by a mail with other content")
        found: str = holder["id"]
        return found

    def _deliver(self, slip: str) -> None:
        self.perform(slip)

    async def _rescue(self, timestamp: int) -> None:
        manager = self.app.job_manager
        for job in await manager.get_stalled_jobs(task_name=JOB, seconds_since_heartbeat=self.silence):
            logger.warning("job %s of a dead worker, queued at %s, is given back", job.id, timestamp)
            await manager.retry_job(job)

    def _run(self, query: str, connection: Any = None, **arguments: Any) -> list[dict[str, Any]]:
        from procrastinate.exceptions import ConnectorException

        with self._explained(connection):
            connector: Any = self.app.connector.get_sync_connector()
            if not self._has_table:
                with self._lock:
                    # IF NOT EXISTS fails when another makes the table at the same moment; said again, it is there.
                    try:
                        connector.execute_query(_TABLE)
                    except ConnectorException:
                        connector.execute_query(_TABLE)
                    self._has_table = True
            if connection is not None:
                from psycopg.rows import dict_row

                with connection.cursor(row_factory=dict_row) as cursor:  # whatever its owner has it read
                    cursor.execute(query, arguments)
                    return cursor.fetchall() if cursor.description else []
            if query.startswith("SELECT") or query.endswith("RETURNING id"):
                return connector.execute_query_all(query, **arguments)  # type: ignore[no-any-return]
            connector.execute_query(query, **arguments)
            return []

    @contextmanager
    def _explained(self, connection: Any) -> Iterator[None]:
        """Map the errors of procrastinate to ours; those of the caller's own connection are the caller's."""
        from procrastinate.exceptions import AppNotOpen, ConnectorException

        if connection is not None:
            import psycopg

            if not isinstance(connection, psycopg.Connection):
                raise InvalidTask("connection", connection, "must be an open psycopg.Connection")
        try:
            yield
        except AppNotOpen as error:
            raise QueueUnavailable(
                f"{self}: the procrastinate app is not open: call app.open() first"
            ) from error
        except ConnectorException as error:
            raise QueueUnavailable(f"{self}: {error.__cause__ or error}") from error


def from_url(alias: str, url: TaskBackendURL) -> ProcrastinateBackend:
    """Return the backend for `procrastinate:package.module:app`."""
    from procrastinate import App

    app = find_app(url, "procrastinate:package.module:app")
    if not isinstance(app, App):
        raise ConfigurationError(
            f"procrastinate: {url.rest!r} is {type(app).__name__}, not a procrastinate App"
        )
    return ProcrastinateBackend(app, alias)
