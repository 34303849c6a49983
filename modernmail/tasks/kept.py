"""The results that a backend in this process keeps: `KeptResults`."""

from __future__ import annotations

from collections import OrderedDict
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
        self._by_id: OrderedDict[str, TaskResult[Any]] = OrderedDict()

    def keep(self, result: TaskResult[Any]) -> None:
        """Keep a result, which changes as its task runs; the oldest one goes when there are too many."""
        self._by_id[result.id] = result
        if len(self._by_id) > self._number:
            self._by_id.popitem(last=False)

    def find(self, result_id: str) -> TaskResult[Any]:
        """Return the result with this id; `TaskResultDoesNotExist` when it is not among those that are kept."""
        try:
            return self._by_id[result_id]
        except KeyError:
            raise TaskResultDoesNotExist(
                f"{self._whose} keeps no result {result_id!r} (it keeps the last {self._number})"
            ) from None
