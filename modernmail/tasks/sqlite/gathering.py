"""Coroutines that enqueue at the same time: `Gathering` stores what they bring in one thread, with one commit.

While a commit waits for the disk, the loop runs on, and what comes in meanwhile is the next commit's. A coroutine alone
waits for nobody.

Rules of the file: nobody's await returns before the commit that holds his job; an error is raised to whom it concerns.
"""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .intake import Intake
    from .job import NewJob


class Gathering:
    """The way into one intake, for the coroutines of each event loop."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Round] = (
            weakref.WeakKeyDictionary()
        )

    async def put(self, job: NewJob) -> int:
        """Store a job and return its id."""
        loop = asyncio.get_running_loop()
        here = self._loops.get(loop)
        if here is None:
            here = self._loops[loop] = _Round(self._intake)
        return await here.put(job)


class _Round:
    """What the coroutines of one loop have brought."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._brought: list[tuple[NewJob, asyncio.Future[int]]] = []
        self._storing: asyncio.Task[None] | None = None

    def put(self, job: NewJob) -> asyncio.Future[int]:
        """Return the future id of a job, and see that it is stored."""
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._brought.append((job, future))
        if self._storing is None:
            self._storing = asyncio.create_task(self._store())
        return future

    async def _store(self) -> None:
        brought: list[tuple[NewJob, asyncio.Future[int]]] = []
        try:
            while self._brought:
                brought, self._brought = self._brought, []
                jobs = [job for job, _ in brought]
                found: Sequence[int | Exception]
                try:
                    found = await asyncio.to_thread(self._intake.put_all, jobs)
                except Exception as error:  # noqa: BLE001 - it is raised to each of them
                    found = [error] * len(jobs)
                for (_, future), what in zip(brought, found, strict=True):
                    if future.done():
                        continue  # who waited for it was cancelled: the job is stored
                    if isinstance(what, int):
                        future.set_result(what)
                    else:
                        future.set_exception(what)
        finally:
            self._storing = None
            for _, future in (*brought, *self._brought):
                future.cancel()  # the loop ends; nothing, for those that are done
            self._brought = []
