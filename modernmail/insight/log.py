"""The log of the library: one record for each send, on the logger `modernmail`.

The mailer, its sendings and the outbox write it.

Rules of the file: INFO when everybody accepted the mail, WARNING when somebody did not, ERROR when nobody did; what the
record says is in its attributes, too. No subject, no content and no credential is in any. A mail that a handler sends of such
a record, as Django's AdminEmailHandler does, has none: it would be mailed as well, without end. `logging` is not imported while
there is nothing to say.
"""

from __future__ import annotations

import sys
from _thread import _local
from weakref import ref

from ..errors import InvalidValue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from logging import Logger
    from typing import Any

    from ..receipt import Receipt

_INFO, _WARNING, _ERROR = 20, 30, 40  # as in logging
_NAMED = 10  # recipients that one record names
_LONGEST = 500  # characters of what became of each: a reply may have 64 KiB

_logger: Logger | None = None


class _Writing:
    """One record that is being written."""


class _Here(_local):
    """The record of ours that handlers have in this thread.

    Weak, as a signal's exception may come at any line: what it leaves behind goes with the call, and no thread is silent for
    ever. Nor is a thread of a forked child, which may have the number of one of its parent's.
    """

    record: ref[_Writing] | None = None


_here = _Here()


def logs_all() -> bool:
    """Return whether anybody reads of mails that went through entirely: INFO is on."""
    if _logger is None:
        if "logging" not in sys.modules:
            return False  # nobody can have asked for it
        return _modernmail().isEnabledFor(_INFO)
    return _logger.isEnabledFor(_INFO)


def log_receipt(receipt: Receipt, hosts: tuple[str, ...]) -> None:
    """Write the record of one send."""
    counts = {name: receipt.count(name) for name in ("accepted", "deferred", "rejected", "unknown")}
    level = _INFO if receipt.is_complete else _WARNING if counts["accepted"] else _ERROR
    here = _here
    if (here.record is not None and here.record() is not None) or not _modernmail().isEnabledFor(level):
        return
    writing = _Writing()
    try:
        here.record = ref(writing)
        _write(level, receipt, counts, hosts)
    finally:
        here.record = None
        del writing


def _write(level: int, receipt: Receipt, counts: dict[str, int], hosts: tuple[str, ...]) -> None:
    logger = _modernmail()
    error = receipt.error
    fields: dict[str, Any] = {
        "message_id": receipt.message_id,
        **counts,
        "host": ", ".join(hosts) or None,
        "seconds": round(receipt.seconds, 6),
        "attempts": receipt.attempts,
        "queue_id": receipt.queue_id,
        "error": None if error is None else type(error).__name__,
    }
    if level == _INFO:
        logger.info("%s was accepted for %d", receipt.message_id, counts["accepted"], extra=fields)
    elif not receipt.recipients:
        logger.error("no mail could be made: %s", _kind(error), extra=fields)
    else:
        logger.log(level, "%s %s", receipt.message_id, _refused(receipt, hosts), extra=fields)


def _modernmail() -> Logger:
    global _logger
    if _logger is None:
        import logging

        _logger = logging.getLogger("modernmail")
    return _logger


def _refused(receipt: Receipt, hosts: tuple[str, ...]) -> str:
    """Return who did not take the mail, whom it was for, and why; and what kind of error that is when nobody has it."""
    refused = receipt.refused
    is_unknown = all(outcome.status == "unknown" for outcome in refused.values())
    verdict = "may have been accepted" if is_unknown else "was not accepted"
    by = f" by {' or '.join(hosts)}" if hosts else ""
    named = [f"{name} ({_cut(str(outcome))})" for name, outcome in list(refused.items())[:_NAMED]]
    rest = f" and {len(refused) - _NAMED} more" if len(refused) > _NAMED else ""
    kind = f": {type(receipt.error).__name__}" if receipt.error is not None else ""
    return f"{verdict}{by} for {', '.join(named)}{rest}{kind}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"


def _kind(error: Exception | None) -> str:
    """Return what an error is about, and what it came from; its text would show the value, which may be content."""
    name = type(error).__name__
    about = f"{name} ({error.argument})" if isinstance(error, InvalidValue) else name
    cause = None if error is None else error.__cause__
    return about if cause is None else f"{about}, from {type(cause).__name__}"
