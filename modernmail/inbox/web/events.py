"""Live updates: server-sent events that say "look again", with the numbers for the title."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request
    from starlette.responses import Response

    from .app import Inbox

_BEAT = 15.0  # seconds between signs of life, so that a dead connection is noticed


async def events(request: Request) -> Response:
    """Stream `change` whenever the store changed, and `blocked` when a preview was kept from loading."""
    inbox: Inbox = request.app.state.inbox
    return StreamingResponse(_stream(inbox), media_type="text/event-stream")


async def _stream(inbox: Inbox) -> AsyncIterator[str]:
    async with inbox.watch.listen() as queue:
        yield f"retry: 1000\n{await _change(inbox)}"
        while True:
            try:
                event = await asyncio.wait_for(queue.get(), _BEAT)
            except TimeoutError:
                yield ": alive\n\n"
                continue
            if event is None:
                return
            if event.startswith("blocked "):
                yield _event("blocked", {"id": event.removeprefix("blocked ")})
            else:
                yield await _change(inbox)


async def _change(inbox: Inbox) -> str:
    def numbers() -> dict[str, Any]:
        return {"total": len(inbox.store), "unread": inbox.store.count("is:unread"), "last": inbox.store.last}

    return _event("change", await asyncio.to_thread(numbers))


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
