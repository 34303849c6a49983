"""What a worker of a foreign engine does with each slip that it is given: `Performer`.

Rules of the file: an engine may deliver a slip twice, and after its worker died; so whatever has ended is not
run again, as far as the record tells. What cannot be run ends FAILED with its error in the record; it is never
handed back for ever. No fault of ours, and none of the store of records, lets a slip vanish: it is put off, by a new slip
with all that is known; a broker that takes nothing is waited for, since an engine would take the job for failed.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from modernmail.errors import PayloadRejected, QueueUnavailable
from modernmail.runtime import run_blocking

from .attempt import attempt, call_here
from .enginemail import PAUSE, Taken, give_back, pause_after, perform_mail
from .slip import Slip
from .trouble import Trouble

if TYPE_CHECKING:
    from .engine import EngineBackend

logger = logging.getLogger("modernmail.tasks")

SORRY = 5.0  # seconds between two tries to hand a slip on to a broker that is away


class Performer:
    """The worker called `worker` of an engine's backend."""

    def __init__(self, backend: EngineBackend, worker: str) -> None:
        self._backend = backend
        self._worker = worker
        self._trouble = Trouble(worker)

    def perform(self, text: str) -> None:
        """Run the slip in the text, hand it on for later, or drop it; see `EngineBackend.perform`."""
        try:
            slip = Slip.from_text(text)
        except PayloadRejected as error:
            logger.error("%s delivered a job that is refused, and not run: %s", self._backend, error)
            raise
        if slip.not_before is not None and slip.not_before > time.time():
            self._hand_on(slip)
            return
        try:
            self._perform(slip)
        except PayloadRejected:
            raise  # its record was changed by others: the engine keeps it as failed
        except Taken as taken:
            logger.warning("%s: %s", self._backend, taken)
            self._put_off(slip, PAUSE)
        except Exception:
            if time.time() - slip.enqueued_at > self._backend.schedule.patience:
                raise  # it is never put off for ever: the engine keeps it as failed
            # The engine would take it for done. What was found out counts before what could not be recorded.
            slip.progress["faults"] = faults = slip.progress.get("faults", 0) + 1
            wait = pause_after(faults)
            logger.exception("%s: %s %s is put off for %.0f s", self._backend, slip.kind, slip.id, wait)
            give_back(slip)
            self._put_off(slip, wait)

    def _perform(self, slip: Slip) -> None:
        text = self._backend.look_up(slip.id)
        record = None if text is None else Slip.of_record(slip.id, text)
        if record is not None:
            if record.is_finished:
                logger.info("%s delivered %s again, which has ended: dropped", self._backend, slip.id)
                return
            if record.progress and record.progress.get("faults", 0) >= slip.progress.get("faults", 0):
                slip.progress = record.progress
        if slip.is_finished:  # only its record could not be written
            self._backend.keep(slip)
            return
        delay = self._perform_task(slip) if slip.kind == "task" else perform_mail(self._backend, slip, text)
        if delay is not None:
            slip.not_before = time.time() + delay
            self._backend.keep(slip)
            self._backend.hand(slip)
        else:
            self._backend.keep(slip)

    def _put_off(self, slip: Slip, wait: float) -> None:
        slip.not_before = max(slip.not_before or 0.0, time.time() + wait)
        self._hand_on(slip)

    def _hand_on(self, slip: Slip) -> None:
        """Hand a slip to the engine again; one that would take this job for failed is tried until it has it."""
        while True:
            try:
                self._backend.hand(slip)
            except QueueUnavailable as error:
                self._trouble.tell("hand a job on", error, SORRY)
                time.sleep(SORRY)
                if self._backend.takes_back:
                    raise
            else:
                self._trouble.passed("hand a job on")
                return

    def _perform_task(self, slip: Slip) -> float | None:
        try:
            result = slip.result(self._backend.alias)
        except Exception as error:
            logger.exception("task %s cannot be run", slip.name)
            slip.fail(error, time.time())
            return None
        slip.progress = {**slip.progress, "workers": [*result.worker_ids, self._worker], "status": "RUNNING"}
        self._backend.keep(slip)
        delay = run_blocking(attempt(result, type(self._backend), self._worker, call_here))
        slip.note(result)
        return delay
