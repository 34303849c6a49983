"""Where a test kit steps in between whoever sends and the backend: mailers, and layers that send copies.

Rules of the file: one function at a time is in force, for the whole process; nobody but a test kit sets it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from .backend import Backend

    class Owner(Protocol):
        """What sends by a backend of its own."""

        @property
        def backend(self) -> Backend:
            """The backend."""
            ...


intercept: Callable[[Owner], Backend] | None = None


def effective(owner: Owner) -> Backend:
    """Return the backend that a mailer, or a layer, really uses."""
    step_in = intercept  # read once: it may be taken away meanwhile
    return owner.backend if step_in is None else step_in(owner)
