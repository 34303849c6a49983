"""The shapes of Mailpit's API under `/api/v1/`, so that clients written for it find and read mails here.

https://mailpit.axllent.org/docs/api-v1/: messages, search, message, headers, raw, part, read status, delete,
tags, info, and the rendered bodies under `/view/`. As there, asking for one message marks it as read, and the
ID `latest` is the newest.
"""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from modernmail.inbox.search import term
from modernmail.reading import read

from .api import asked, fetch, name_of, number, part_of
from .files import file_response
from .forms import posted_json
from .mailpit_shapes import message_shape, summary_shape

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from modernmail.inbox.mail import CapturedMail
    from modernmail.inbox.summary import Summary

    from .app import Inbox


class Mailpit:
    """The Mailpit-shaped side of the inbox `inbox`."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.store = inbox.store

    def routes(self) -> list[BaseRoute]:
        """The addresses, as Mailpit has them."""
        return [
            Route("/api/v1/info", self.info),
            Route("/api/v1/messages", self.messages),
            Route("/api/v1/messages", self.set_read, methods=["PUT"]),
            Route("/api/v1/messages", self.delete, methods=["DELETE"]),
            Route("/api/v1/search", self.search),
            Route("/api/v1/search", self.delete_found, methods=["DELETE"]),
            Route("/api/v1/tags", self.tags),
            Route("/api/v1/message/{id}", self.message),
            Route("/api/v1/message/{id}/headers", self.headers),
            Route("/api/v1/message/{id}/raw", self.raw),
            Route("/api/v1/message/{id}/part/{part}", self.part),
            Route("/view/{id}.html", self.html),
            Route("/view/{id}.txt", self.text),
            Route("/view/{id}", self.view),
        ]

    async def info(self, _: Request) -> Response:
        """Totals."""
        from modernmail import __version__

        def ask() -> dict[str, Any]:
            return {
                "Version": f"modernmail {__version__}",
                "LatestVersion": "",
                "Database": "",
                "DatabaseSize": 0,
                "Messages": len(self.store),
                "Unread": self.store.count("is:unread"),
                "Tags": self.store.tags(),
                "RuntimeStats": {},
            }

        return JSONResponse(await asyncio.to_thread(ask))

    async def messages(self, request: Request) -> Response:
        """The newest messages."""
        return await self._listed(request, "")

    async def search(self, request: Request) -> Response:
        """The messages that a search finds."""
        return await self._listed(request, _wanted(request))

    async def _listed(self, request: Request, query: str) -> Response:
        limit, start = number(request, "limit", default=50, most=1000), number(request, "start")

        def ask() -> dict[str, Any]:
            found = self.store.find(query, limit=limit, start=start)
            count = self.store.count(query)
            return {
                "total": len(self.store),
                "unread": self.store.count("is:unread"),
                "count": len(found),
                "messages_count": count,
                "messages_unread": self.store.count(f"is:unread {query}"),
                "start": start,
                "tags": list(self.store.tags()),
                "messages": [summary_shape(summary) for summary in found],
            }

        return JSONResponse(await asked(ask))

    async def set_read(self, request: Request) -> Response:
        """Mark messages (all, without IDs) as read or unread."""
        body = await posted_json(request)
        is_read = bool(body.get("Read", False))
        for query in _queries(body):
            await asked(partial(self.store.mark, query, seen=is_read))
        return PlainTextResponse("ok")

    async def delete(self, request: Request) -> Response:
        """Delete messages (all, without IDs)."""
        for query in _queries(await posted_json(request)):
            await asked(partial(self.store.delete, query))
        return PlainTextResponse("ok")

    async def delete_found(self, request: Request) -> Response:
        """Delete what a search finds."""
        await asked(lambda: self.store.delete(_wanted(request)))
        return PlainTextResponse("ok")

    async def tags(self, _: Request) -> Response:
        """Every tag in use."""
        return JSONResponse(list(await asyncio.to_thread(self.store.tags)))

    async def message(self, request: Request) -> Response:
        """One message, which is read by being asked for."""
        summary, mail = await self._found(request)
        with contextlib.suppress(OSError):  # on a full disk it stays unread
            await asyncio.to_thread(self.store.mark, term("id", mail.id))
        return JSONResponse(await asyncio.to_thread(message_shape, summary, mail))

    async def headers(self, request: Request) -> Response:
        """The header fields by name."""
        _, mail = await self._found(request)
        fields: dict[str, list[str]] = {}
        for field in (await asyncio.to_thread(read, mail.content)).fields:
            fields.setdefault("-".join(word.capitalize() for word in field.name.split("-")), []).append(
                field.value
            )
        return JSONResponse(dict(sorted(fields.items())))

    async def raw(self, request: Request) -> Response:
        """The source."""
        _, mail = await self._found(request)
        return Response(mail.content, media_type="text/plain; charset=utf-8")

    async def part(self, request: Request) -> Response:
        """A part by its number."""
        _, mail = await self._found(request)
        part, content = await part_of(mail, request.path_params["part"])
        return file_response(content, part.media_type, name_of(part))

    async def html(self, request: Request) -> Response:
        """The HTML, under the policy of the preview."""
        _, mail = await self._found(request)
        if await asyncio.to_thread(lambda: read(mail.content).html) is None:
            raise HTTPException(404, "this message has no HTML part")
        return RedirectResponse(f"/messages/{mail.id}/html", 307)

    async def text(self, request: Request) -> Response:
        """The text."""
        _, mail = await self._found(request)
        return PlainTextResponse(await asyncio.to_thread(lambda: read(mail.content).text) or "")

    async def view(self, request: Request) -> Response:
        """The page of a message."""
        _, mail = await self._found(request)
        return RedirectResponse(f"/messages/{mail.id}", 307)

    async def _found(self, request: Request) -> tuple[Summary, CapturedMail]:
        mail_id = request.path_params["id"]
        if mail_id == "latest":
            newest = await asyncio.to_thread(self.store.find, limit=1)
            if not newest:
                raise HTTPException(404, "there are no messages")
            mail_id = newest[0].id
        return await fetch(self.inbox, mail_id)


def _wanted(request: Request) -> str:
    query = request.query_params.get("query", "").strip()
    if not query:
        raise HTTPException(400, "query: no search query")
    return query


def _queries(body: dict[str, Any]) -> list[str]:
    ids = body.get("IDs") or []
    if not isinstance(ids, list):
        raise HTTPException(400, "IDs: a list is what it takes")
    return [term("id", str(mail_id)) for mail_id in ids] if ids else [""]
