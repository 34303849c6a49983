"""The style sheet, the script and the icon, served under addresses that change with their content."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.requests import Request

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@cache
def _content(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()


@cache
def _names() -> frozenset[str]:
    return frozenset(path.name for path in _FOLDER.iterdir() if path.suffix in _TYPES)


@cache
def address(name: str) -> str:
    """Return where the asset is: the address changes with its content.

    >>> address("inbox.css").startswith("/static/inbox.css?v=")
    True
    """
    return f"/static/{name}?v={hashlib.sha256(_content(name)).hexdigest()[:12]}"


async def serve(request: Request) -> Response:
    """Answer with an asset."""
    name = request.path_params["name"]
    if name not in _names():
        raise HTTPException(404, "no such asset")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(_content(name), media_type=_TYPES[Path(name).suffix], headers=headers)


async def icon(_: Request) -> Response:
    """Answer what browsers ask for unasked."""
    return RedirectResponse(address("icon.svg"), 301)
