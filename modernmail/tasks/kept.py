"""The results that a backend in this process keeps: `KeptResults`."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from modernmail.errors import TaskResultDoesNotExist

if TYPE_CHECKING:
    from .backend import TaskBackend
    from .result import TaskResult


class KeptResults:
    """The last `number` results of a backend, by their ids."""

    def __init__(self, backend: TaskBackend, number: int) -> None:
        self._whose = str(backend)
        self._number = number
        # Not an OrderedDict: threads that change one at the same time crash a Python 3.13 without the GIL.
        self._by_id: dict[str, TaskResult[Any]] = {}
        self._order: deque[str] = deque()

    def keep(self, result: TaskResult[Any]) -> None:
        """Keep a result, which changes as its task runs; the oldest one goes when there are too many."""
        self._by_id[result.id] = result
        self._order.append(result.id)
        # Each thread removes one at most for the one that it added, and each id is given to one of them only.
        if len(self._order) > self._number:
            self._by_id.pop(self._order.popleft(), None)

    def find(self, result_id: str) -> TaskResult[Any]:
        """Return the result with this id; `TaskResultDoesNotExist` when it is not among those that are kept."""
        try:
            return self._by_id[result_id]
        except KeyError:
            raise TaskResultDoesNotExist(
                f"{self._whose} keeps no result {result_id!r} (it keeps the last {self._number})"
            ) from None
