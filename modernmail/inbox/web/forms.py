"""Forms: what was posted, and the way back to the list."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

LARGEST_FORM = 64 * 1024  # octets


async def posted(request: Request, name: str) -> str:
    """Return a field of the form that was posted."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            raise HTTPException(413, f"a form of more than {LARGEST_FORM} octets")
    return parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).get(name, [""])[0].strip()


def back(request: Request) -> Response:
    """Return the redirect to the list, with the search that it showed."""
    query = request.query_params.get("q", "")
    return RedirectResponse("/?" + urlencode({"q": query}) if query else "/", 303)
