"""Signed jobs: with MODERNMAIL_QUEUE_KEY set, what was not enqueued by a holder of the key is not run.

Who can write the queue's file can otherwise have a worker call any task with any argument, and send any mail.
"""

from __future__ import annotations

import hmac
import os

from modernmail.errors import ConfigurationError, PayloadRejected

VARIABLE = "MODERNMAIL_QUEUE_KEY"
SHORTEST = 16  # bytes


def queue_key() -> str | None:
    """Return the key that jobs are signed with here, None when there is none; `ConfigurationError` when it is too short."""
    key = os.environ.get(VARIABLE)
    if not key:
        return None
    if (length := len(key.encode("utf-8", "surrogateescape"))) < SHORTEST:
        raise ConfigurationError(
            f"{VARIABLE} has {length} bytes, and could be guessed: it must have {SHORTEST} or more; make one with "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    return key


def sign(key: str | None, *parts: str | bytes) -> str | None:
    """Return a signature over the parts, or None without a key."""
    return None if key is None else _signature(key, parts)


def verify(key: str | None, signature: str | None, *parts: str | bytes) -> None:
    """Raise `PayloadRejected` unless the signature fits the parts; without a key nothing is checked."""
    if key is None:
        return
    if signature is None:
        raise PayloadRejected(f"the job has no signature, and {VARIABLE} is set here: it is not run")
    # As bytes: of text `hmac` compares ASCII only, and what stands in a file that others wrote may be anything.
    if not hmac.compare_digest(str(signature).encode("utf-8", "replace"), _signature(key, parts).encode()):
        raise PayloadRejected(
            f"the job's signature is wrong: it was changed, or enqueued with another {VARIABLE}"
        )


def _signature(key: str, parts: tuple[str | bytes, ...]) -> str:
    # The lengths go in first: no two lists of parts give the same bytes.
    data = [part if isinstance(part, bytes) else part.encode() for part in parts]
    lengths = ",".join(str(len(part)) for part in data).encode()
    return (
        "1:"
        + hmac.digest(key.encode("utf-8", "surrogateescape"), b"|".join([lengths, *data]), "sha256").hex()
    )
