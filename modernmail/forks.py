"""What a forked child must begin anew: `after_fork`.

A child has its parent's memory, and of its threads only the one that forked. A lock that another thread held then is held
for ever, a connection is the parent's, and whoever waited is not there.

Rules of the file: nothing is kept alive by being here; the child begins things anew in the order in which they asked for it.
"""

from __future__ import annotations

import os
from weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

# A dict, and copied by `list`: each is one step for other threads, also without the GIL, which no step of a WeakSet is.
_those: dict[ref[Any], Callable[[Any], None]] = {}


def after_fork(owner: T, begin: Callable[[T], None]) -> None:
    """Call `begin(owner)` in every child that is forked as long as `owner` lives; where nothing forks, never."""
    _those[ref(owner, _forget)] = begin


def _forget(gone: ref[Any], those: dict[ref[Any], Callable[[Any], None]] = _those) -> None:
    those.pop(gone, None)


def _in_child() -> None:
    for reference, begin in list(_those.items()):
        owner = reference()
        if owner is not None:
            begin(owner)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
