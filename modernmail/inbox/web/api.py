"""The HTTP API, for tests and for programs in other languages: JSON under `/api/`.

`openapi.py` describes it. Rules of the file: an answer is built from values, never from a template; an error
is `{"error": …}` that names the parameter; nothing here is marked as read by being asked for.
"""

from __future__ import annotations

import asyncio
import mimetypes
import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from modernmail.errors import InvalidSearch, MailNotFound
from modernmail.inbox.search import term
from modernmail.lint import lint
from modernmail.reading import read

from .files import file_response
from .openapi import DESCRIPTION
from .shapes import mail_json, summary_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from modernmail.inbox.mail import CapturedMail
    from modernmail.inbox.summary import Summary
    from modernmail.reading import Part

    from .app import Inbox

T = TypeVar("T")

MOST_LISTED = 1_000
LONGEST_WAIT = 60.0  # seconds

_TERMS = ("to", "from", "subject")


class API:
    """The JSON side of the inbox `inbox`."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.store = inbox.store

    def routes(self) -> list[BaseRoute]:
        """The addresses of the API."""
        return [
            Route("/api/openapi.json", self.openapi),
            Route("/api/mails", self.mails),
            Route("/api/mails", self.delete_found, methods=["DELETE"]),
            Route("/api/mails/{id}", self.one),
            Route("/api/mails/{id}", self.delete, methods=["DELETE"]),
            Route("/api/mails/{id}/raw", self.raw),
            Route("/api/mails/{id}/parts/{path}", self.part),
            Route("/api/mails/{id}/lint", self.lint),
            Route("/api/wait", self.wait),
        ]

    async def openapi(self, _: Request) -> Response:
        """The description of the API."""
        return JSONResponse(DESCRIPTION)

    async def mails(self, request: Request) -> Response:
        """The newest mails that a search finds."""
        query = query_of(request)
        limit = number(request, "limit", default=50, most=MOST_LISTED)
        start, after = number(request, "start"), number(request, "after")

        def find() -> dict[str, Any]:
            found = self.store.find(query, limit=limit, start=start, after=after)
            count, unread = self.store.count(query), self.store.count("is:unread")
            return {
                "total": len(self.store),
                "unread": unread,
                "count": count,
                "last": self.store.last,
                "mails": [summary_json(summary) for summary in found],
            }

        return JSONResponse(await asked(find))

    async def delete_found(self, request: Request) -> Response:
        """Forget what a search finds, or everything."""
        deleted = await asked(lambda: self.store.delete(query_of(request)))
        return JSONResponse({"deleted": deleted})

    async def one(self, request: Request) -> Response:
        """One mail, whole."""
        summary, mail = await self._found(request)
        return JSONResponse(await asyncio.to_thread(mail_json, summary, mail))

    async def delete(self, request: Request) -> Response:
        """Forget one mail."""
        deleted = await asked(lambda: self.store.delete(term("id", request.path_params["id"])))
        if not deleted:
            raise HTTPException(404, f"no mail {request.path_params['id']!r} in this inbox")
        return JSONResponse({"deleted": deleted})

    async def raw(self, request: Request) -> Response:
        """The bytes of one mail."""
        _, mail = await self._found(request)
        return file_response(mail.content, "message/rfc822", f"{mail.id}.eml")

    async def part(self, request: Request) -> Response:
        """The decoded bytes of one part."""
        _, mail = await self._found(request)
        part, content = await part_of(mail, request.path_params["path"])
        return file_response(content, part.media_type, name_of(part))

    async def lint(self, request: Request) -> Response:
        """The findings of the checks."""
        _, mail = await self._found(request)
        found = await asyncio.to_thread(
            lint, mail.content, return_path=mail.return_path, recipients=mail.recipients
        )
        return JSONResponse({"findings": [finding.to_dict() for finding in found]})

    async def wait(self, request: Request) -> Response:
        """The oldest mail that fits, at once or when it comes; 404 when none came in time."""
        query, since = query_of(request), request.query_params.get("since", "")
        timeout = seconds(request, "timeout", default=10, most=LONGEST_WAIT)
        after = int(since) if since.isdecimal() and len(since) < 16 else 0
        if since and not after and since != "0":
            query = f"{query} {term('after', since)}".strip()
        deadline = time.monotonic() + timeout
        async with self.inbox.watch.listen() as queue:
            while True:
                found = await asked(partial(self.store.first, query, after=after))
                if found is not None:
                    try:
                        mail = await asyncio.to_thread(self.store.get, found.id)
                    except MailNotFound:
                        after = found.seq
                        continue
                    return JSONResponse(await asyncio.to_thread(mail_json, found, mail))
                try:
                    event = await asyncio.wait_for(queue.get(), deadline - time.monotonic())
                except TimeoutError:
                    event = None
                if event is None:
                    raise HTTPException(404, f"no mail that fits {query!r} came within {timeout:g} s")

    async def _found(self, request: Request) -> tuple[Summary, CapturedMail]:
        return await fetch(self.inbox, request.path_params["id"])


async def fetch(inbox: Inbox, mail_id: str) -> tuple[Summary, CapturedMail]:
    """Return a mail with its summary, or raise the 404."""
    try:
        summary = await asyncio.to_thread(inbox.store.summary, mail_id)
        return summary, await asyncio.to_thread(inbox.store.get, mail_id)
    except MailNotFound as error:
        raise HTTPException(404, str(error)) from error


async def part_of(mail: CapturedMail, path: str) -> tuple[Part, bytes]:
    """Return the part at `path` (0: the mail itself) and its bytes, or raise the 404."""

    def find() -> tuple[Part, bytes] | None:
        part = read(mail.content).part(path.removeprefix("0"))
        return None if part is None else (part, part.content)

    found = await asyncio.to_thread(find)  # a large mail takes a while, and others wait on the loop
    if found is None:
        raise HTTPException(404, f"no part {path!r} in this mail")
    return found


def name_of(part: Part) -> str:
    """Return the name to save a part under; one without a name gets the ending of its kind."""
    return part.filename or f"part-{part.path or 1}{mimetypes.guess_extension(part.media_type) or ''}"


async def asked(question: Callable[[], T]) -> T:
    """Return what the store answers; a search that means nothing is a 400, a disk that is full a 507."""
    try:
        return await asyncio.to_thread(question)
    except InvalidSearch as error:
        raise HTTPException(400, str(error)) from error
    except OSError as error:
        raise HTTPException(507, f"the inbox has no room for that: {error.strerror or error}") from error


def query_of(request: Request) -> str:
    """Return the search of a request: `q`, and `to`, `from`, `subject` as terms of it."""
    terms = [term(name, value) for name in _TERMS if (value := request.query_params.get(name))]
    return " ".join(filter(None, (request.query_params.get("q", "").strip(), *terms)))


def number(request: Request, name: str, *, default: int = 0, most: int = 10**9) -> int:
    """Return a parameter that is a whole number of at least 0; more than `most` is `most`."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdecimal()):
        raise HTTPException(400, f"{name}: {text[:80]!r}: a whole number is what it takes")
    return min(int(text[:15]), most)


def seconds(request: Request, name: str, *, default: float, most: float) -> float:
    """Return a parameter that is a number of seconds, at least 0; more than `most` is `most`."""
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.replace(".", "", 1).isdecimal()):
        raise HTTPException(400, f"{name}: {text[:80]!r}: a number of seconds is what it takes")
    return min(float(text[:15]), most)
