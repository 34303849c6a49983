"""Taking turns at the record of a job: `turn`. Redis has locks, and an engine's result backend may be one."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 10.0  # seconds: for one's turn to come, and for the turn of somebody who died in it to be over


@contextmanager
def turn(client: Any, slip_id: str) -> Iterator[None]:
    """Be the only one, of all workers, that looks at the record with this id and changes it.

    `client` is that of the store of records; one that is no Redis has no locks, and nobody is kept out. Raises whatever the
    client does when the server is away, or it is not our turn in time.
    """
    if not hasattr(client, "lock"):
        yield
        return
    with client.lock(f"modernmail:turn:{slip_id}", timeout=LONGEST, blocking_timeout=LONGEST):
        yield
