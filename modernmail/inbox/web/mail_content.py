"""The mail itself, for frames and downloads: its HTML under a policy of its own, its bytes, its parts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from modernmail.reading import read

from .api import fetch, name_of, part_of
from .blocked import BlockedReports
from .files import file_response
from .preview import policy, preview

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from .app import Inbox

SHOWN_AS_IMAGE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})

_NOTHING = {"sandbox": True, "default-src": "'none'"}


class MailContent:
    """What the mails of the inbox `inbox` hold; nothing of it ever acts as a part of our page."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox

    def routes(self) -> list[BaseRoute]:
        """The addresses."""
        return [
            Route("/messages/{id}/html", self.html),
            Route("/messages/{id}/raw", self.raw),
            Route("/messages/{id}/download", self.download),
            Route("/messages/{id}/parts/{path}", self.part),
            Route(
                "/blocked/{id}/{token}",
                BlockedReports(self.inbox.blocked, self._tell_blocked),
                methods=["POST"],
            ),
        ]

    async def html(self, request: Request) -> Response:
        """The mail's HTML, for the frame only: under a policy of its own."""
        _, mail = await fetch(self.inbox, request.path_params["id"])
        token = self.inbox.blocked.token(mail.id)
        is_remote = request.query_params.get("remote") == "1"
        scheme = request.query_params.get("scheme", "")
        request.scope["csp"].policy = policy(f"/blocked/{mail.id}/{token}", remote=is_remote)
        html = await asyncio.to_thread(lambda: preview(read(mail.content), scheme=scheme))
        return HTMLResponse(html, headers={"Referrer-Policy": "no-referrer"})

    async def raw(self, request: Request) -> Response:
        """The mail as it came, as text."""
        _, mail = await fetch(self.inbox, request.path_params["id"])
        request.scope["csp"].policy = _NOTHING
        return Response(mail.content, media_type="text/plain; charset=utf-8")

    async def download(self, request: Request) -> Response:
        """The mail as a file."""
        summary, mail = await fetch(self.inbox, request.path_params["id"])
        return file_response(mail.content, "message/rfc822", f"{summary.subject[:80] or mail.id}.eml")

    async def part(self, request: Request) -> Response:
        """A part: images to look at (with `?show=1`), everything else as a file to save."""
        _, mail = await fetch(self.inbox, request.path_params["id"])
        part, content = await part_of(mail, request.path_params["path"])
        request.scope["csp"].policy = _NOTHING
        if request.query_params.get("show") == "1" and part.media_type in SHOWN_AS_IMAGE:
            return Response(content, media_type=part.media_type)
        return file_response(content, part.media_type, name_of(part))

    def _tell_blocked(self, mail_id: str) -> None:
        self.inbox.watch.tell(f"blocked {mail_id}")
