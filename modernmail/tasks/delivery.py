"""A worker's hand with mail in it: `Delivery` sends claimed mails of one mailer.

The mails go through the mailer as one `Stream`, so they share a warm connection and its pipeline. What becomes of each is the
matter of a `Settlement`, and stands in a `Ledger`.

Rules of the file: a fault of the mailer pauses it and gives its mail back uncounted, but for the one that found its server
down; a fault of one mail ends that mail alone.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from modernmail.errors import AuthenticationFailed, ConfigurationError, QueueUnavailable, SecurityFailed

from .ahead import Ahead
from .ledger import Ledger
from .mailjob import LANE
from .patience import Stopped
from .settlement import Settlement
from .stream import NotOurs, Stream
from .unreached import Unreached

if TYPE_CHECKING:
    from collections.abc import Callable

    from modernmail.mailer import Mailer

    from .schedule import Schedule
    from .settlement import Told
    from .sqlite.job import Job
    from .sqlite.lease import Lease
    from .sqlite.queue import Queue

logger = logging.getLogger("modernmail.tasks")


class Paused(Exception):
    """The mailer itself is at fault: `reason` says how, `is_brief` that its server could not be reached just now."""

    def __init__(self, reason: str, *, is_brief: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_brief = is_brief


class Delivery:
    """The sending of some claimed mails of one lane.

    `mailer` gives the mailer by name; `contents` the stored contents, `signing_key` what they were signed with; `store`
    keeps marks until they are stored;
    `is_stopping` says that no further mail is to be begun, `wait` waits for so many seconds and says that it is time to stop;
    `told` is called with the phase that each mail came to,
    `connected` when the first of them has come to its commit point.
    """

    def __init__(
        self,
        lease: Lease,
        schedule: Schedule,
        *,
        mailer: Callable[[str], Mailer],
        contents: Queue,
        signing_key: str | None,
        store: Callable[..., None],
        is_stopping: Callable[[], bool],
        wait: Callable[[float], bool],
        told: Told,
        connected: Callable[[], None],
    ) -> None:
        self._mailer = mailer
        self._ahead = Ahead(contents, signing_key)
        self._ledger = Ledger(lease, store)
        self._settlement = Settlement(self._ledger, schedule, told)
        self._is_stopping = is_stopping
        self._wait = wait
        self._connected = connected
        self._stream: Stream | None = None  # the last one

    @property
    def settled(self) -> int:
        """How many of them have come to something."""
        return self._ledger.settled

    @property
    def was_answered(self) -> bool:
        """True when a server has said something: the mailer can connect and log in."""
        return self._settlement.was_answered

    def run(self, jobs: list[Job]) -> None:
        """Send these mails; raises `Paused` when the mailer cannot send. `close` comes after it in any case."""
        name = jobs[0].lane.removeprefix(LANE)
        left = list(jobs)
        try:
            mailer = self._mailer(name)
            self._settlement.resends_unknown = getattr(mailer, "on_unknown", "park") == "resend"
            while left and not self._is_stopping():
                # Two mails with one Message-ID could not be told apart at the commit point: one flow after
                # the other.
                flow_jobs, left = _with_distinct_names(left)
                self._flow(mailer, flow_jobs)
        except ConfigurationError as error:
            raise Paused(
                f"{error} (a worker has MODERNMAIL_URL, and what --import MODULE configures)"
            ) from error
        except Stopped:
            return
        except (QueueUnavailable, Paused):
            raise
        except BaseException as error:
            # Whatever it is (a layer of somebody's), trying it again at once would be for ever.
            logger.exception("mailer %r failed in a way that nobody foresaw", name)
            raise Paused(f"{type(error).__name__}: {error}") from error

    def close(self, jobs: list[Job]) -> None:
        """Store what came of these mails, and give back those that were not sent."""
        try:
            if self._stream is not None:
                self._stream.take_in()
        finally:
            self._ledger.close(jobs)

    def _flow(self, mailer: Mailer, jobs: list[Job]) -> None:
        """Send jobs until all are settled, beginning a new stream after one that was broken off."""
        self._ahead.begin(jobs)
        while True:
            self._stream = Stream(
                self._ahead,
                self._ledger,
                self._settlement,
                is_stopping=self._is_stopping,
                wait=self._wait,
                connected=self._connected,
            )
            try:
                self._stream.run(mailer)
            except NotOurs as error:
                # The rest goes on with a fresh one.
                logger.warning("%s", error)
            except Unreached as error:
                raise Paused(str(error), is_brief=error.is_brief) from error
            except (AuthenticationFailed, SecurityFailed, ConfigurationError) as error:
                raise Paused(f"{type(error).__name__}: {error}") from error
            else:
                return


def _with_distinct_names(jobs: list[Job]) -> tuple[list[Job], list[Job]]:
    first: dict[str, Job] = {}
    rest: list[Job] = []
    for job in jobs:
        if job.name in first:
            rest.append(job)
        else:
            first[job.name] = job
    return list(first.values()), rest
