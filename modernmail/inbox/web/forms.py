"""What was posted, form or JSON, never more than it may be; and the way back to the list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LARGEST_FORM = 64 * 1024  # octets
LARGEST_JSON = 1024 * 1024


async def posted(request: Request, name: str) -> str:
    """Return a field of the form that was posted."""
    body = await _body(request, LARGEST_FORM)
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).get(name, [""])[0].strip()


async def posted_json(request: Request) -> dict[str, Any]:
    """Return the JSON object that was sent; nothing is an empty one."""
    text = await _body(request, LARGEST_JSON)
    try:
        body = json.loads(text) if text else {}
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "the body is no JSON") from error
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is no JSON object")
    return body


async def _body(request: Request, most: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"a body of more than {most} octets")
    return bytes(body)


def back(request: Request) -> Response:
    """Return the redirect to the list, with the search that it showed."""
    query = request.query_params.get("q", "")
    return RedirectResponse("/?" + urlencode({"q": query}) if query else "/", 303)
