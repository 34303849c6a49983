"""A server with `start` and `aclose`, run in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server(Protocol):
    """What can be run."""

    async def start(self) -> None:
        """Listen, on the running loop."""

    async def aclose(self) -> None:
        """End every connection."""


@contextlib.contextmanager
def in_thread(server: Server, name: str) -> Iterator[None]:
    """Run `server` in a thread named `name`; its start's error is raised here; leaving ends and joins it."""
    started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        leave = asyncio.Event()
        try:
            await server.start()
        except BaseException as error:  # noqa: BLE001 - handed to the caller, whose error it is
            started.set_exception(error)
            return
        started.set_result((asyncio.get_running_loop(), leave))
        await leave.wait()
        await server.aclose()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name=name, daemon=True)
    thread.start()
    try:
        loop, leave = started.result()
        try:
            yield
        finally:
            loop.call_soon_threadsafe(leave.set)
    finally:
        thread.join()
