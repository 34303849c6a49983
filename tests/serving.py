"""An asyncio server of a test, ended in its own loop with all that it accepted."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def ending(server: asyncio.Server) -> AsyncIterator[None]:
    """End a server: nobody is accepted any more inside, where connections may be cut off, and all have ended outside."""
    await asyncio.sleep(0.01)  # what was accepted just now, or shakes hands, becomes a connection
    closed = asyncio.ensure_future(server.wait_closed())
    await asyncio.sleep(0)
    server.close()
    yield
    await asyncio.wait((closed,), timeout=5)
