"""The pages: the list, a mail, its preview and files, and what can be done with them.

Rules of the file: every page works without the script, which only asks for pieces of the same pages (the
header `X-Fragment`) and puts them in place; what changes something is a POST that answers with a redirect.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from modernmail.errors import InvalidSearch, MailError
from modernmail.inbox.search import term
from modernmail.inbox.store import MailNotFound

from . import assets, shown, wording
from .blocked import BlockedReports
from .files import file_response
from .forms import back, posted
from .preview import policy, preview

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from modernmail.inbox.mail import CapturedMail
    from modernmail.inbox.summary import Summary

    from .app import Inbox

PAGE = 50  # mails in a list

_SHOWN_AS_IMAGE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})


def _environment() -> Environment:
    templates = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)  # fmt: skip
    environment.filters.update(moment=wording.moment, full_moment=wording.full_moment, size=wording.size)
    environment.filters.update(initial=wording.initial, hue=wording.hue)
    environment.globals.update(asset=assets.address)
    return environment


class Pages:
    """The HTML side of the inbox `inbox`."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.store = inbox.store
        self.templates = _environment()

    def routes(self) -> list[BaseRoute]:
        """The addresses of the pages."""
        return [
            Route("/", self.front),
            Route("/messages/{id}", self.message),
            Route("/messages/{id}/html", self.html),
            Route("/messages/{id}/raw", self.raw),
            Route("/messages/{id}/download", self.download),
            Route("/messages/{id}/parts/{path}", self.part),
            Route("/messages/{id}/blocked", self.blocked),
            Route("/messages/{id}/delete", self.delete, methods=["POST"]),
            Route("/messages/{id}/unread", self.unread, methods=["POST"]),
            Route("/messages/{id}/release", self.release, methods=["POST"]),
            Route("/delete", self.delete_found, methods=["POST"]),
            Route("/read", self.read_found, methods=["POST"]),
            Route(
                "/blocked/{id}/{token}",
                BlockedReports(self.inbox.blocked, self._tell_blocked),
                methods=["POST"],
            ),
            Route("/static/{name}", assets.serve),
            Route("/favicon.ico", assets.icon),
        ]

    # -- what is shown

    async def front(self, request: Request) -> Response:
        """The list, and beside it a word of welcome."""
        return await self.page(request, None)

    async def message(self, request: Request) -> Response:
        """A mail beside the list; opening it marks it as read."""
        found = await self._shown(request)
        if found.summary.unseen:
            await asyncio.to_thread(self.store.mark, term("id", found.id))
        return await self.page(request, found)

    async def page(
        self, request: Request, mail: shown.ShownMail | None, more: dict[str, Any] | None = None
    ) -> Response:
        """The whole page, or the piece that the script asks for; `more` are values for previews."""
        wanted = request.headers.get("x-fragment", "")
        if wanted not in {"", "list", "message"}:
            raise HTTPException(400, f"no fragment {wanted!r}; there are list and message")
        values: dict[str, Any] = {
            "inbox": self.inbox,
            "nonce": request.scope["csp_nonce"],
            "theme": theme if (theme := request.cookies.get("theme")) in {"light", "dark"} else "",
            "query": request.query_params.get("q", ""),
            "mail": mail,
            "fragment": wanted,
            "previews": (),
            "preview": None,
            **(more or {}),
        }
        if wanted != "message":
            values |= await asyncio.to_thread(self._listed, request)
        if mail is not None and wanted != "list":
            values |= await asyncio.to_thread(self._opened, mail, request)
        name = f"{wanted}.html" if wanted else "page.html"
        html = await asyncio.to_thread(self.templates.get_template(name).render, values)
        return HTMLResponse(html)

    def _listed(self, request: Request) -> dict[str, Any]:
        query = request.query_params.get("q", "").strip()
        start = _number(request, "start")
        values: dict[str, Any] = {"problem": "", "found": [], "count": 0, "start": start, "page": PAGE}
        try:
            values["found"] = self.store.find(query, limit=PAGE, start=start)
            values["count"] = self.store.count(query)
        except InvalidSearch as error:
            values["problem"] = f"{error.value} {error.reason}."
        values["last"] = self.store.last
        total = values["count"] if not query else self.store.count()
        return {**values, "total": total, "unread": self.store.count("is:unread"), "tags": self.store.tags()}

    def _opened(self, mail: shown.ShownMail, request: Request) -> dict[str, Any]:
        wanted = request.query_params.get("view", "")
        query = request.query_params.get("q", "").strip()
        try:
            newer, older = self.store.neighbours(mail.summary, query)
        except InvalidSearch:
            newer = older = None
        return {
            "views": mail.views,
            "view": wanted if wanted in mail.views else mail.views[0],
            "remote_shown": request.query_params.get("remote") == "1",
            "blocked": self._blocked(mail),
            "newer": newer,
            "older": older,
            "released": request.query_params.get("released", ""),
            "failed": request.query_params.get("failed", ""),
            "carry": urlencode({"q": query}) if query else "",
        }

    def _blocked(self, mail: shown.ShownMail) -> list[tuple[str, str]]:
        found = {reference.url: reference.how for reference in mail.remote}
        for directive, url in self.inbox.blocked.of(mail.id):
            found.setdefault(url, directive)
        return [(how, url) for url, how in found.items()]

    async def blocked(self, request: Request) -> Response:
        """The line about what was blocked, anew."""
        mail = await self._shown(request)
        values = {"mail": mail, "blocked": await asyncio.to_thread(self._blocked, mail), "carry": ""}
        html = self.templates.get_template("blocked.html").render(values, remote_shown=False)
        return HTMLResponse(html)

    async def html(self, request: Request) -> Response:
        """The mail's HTML, for the frame only: under a policy of its own."""
        mail = await self._shown(request)
        token = self.inbox.blocked.token(mail.id)
        is_remote = request.query_params.get("remote") == "1"
        scheme = request.query_params.get("scheme", "")
        request.scope["csp"].policy = policy(f"/blocked/{mail.id}/{token}", remote=is_remote)
        made = await asyncio.to_thread(preview, mail.read, scheme=scheme)
        return HTMLResponse(made.html, headers={"Referrer-Policy": "no-referrer"})

    async def raw(self, request: Request) -> Response:
        """The mail as it came, as text."""
        mail = await self._shown(request)
        request.scope["csp"].policy = {"sandbox": True, "default-src": "'none'"}
        return Response(mail.mail.content, media_type="text/plain; charset=utf-8")

    async def download(self, request: Request) -> Response:
        """The mail as a file."""
        mail = await self._shown(request)
        return file_response(mail.mail.content, "message/rfc822", f"{mail.subject[:80] or mail.id}.eml")

    async def part(self, request: Request) -> Response:
        """An attachment: images to look at (with `?show=1`), everything else as a file to save."""
        mail = await self._shown(request)
        part = mail.read.part(request.path_params["path"].removeprefix("0"))
        if part is None:
            raise HTTPException(404, "no such part")
        request.scope["csp"].policy = {"sandbox": True, "default-src": "'none'"}
        content = await asyncio.to_thread(lambda: part.content)
        if request.query_params.get("show") == "1" and part.media_type in _SHOWN_AS_IMAGE:
            return Response(content, media_type=part.media_type)
        return file_response(content, part.media_type, part.filename or f"part-{part.path or 1}")

    def _tell_blocked(self, mail_id: str) -> None:
        self.inbox.watch.tell(f"blocked {mail_id}")

    # -- what is done

    async def delete(self, request: Request) -> Response:
        """Forget the mail."""
        await asyncio.to_thread(self.store.delete, term("id", request.path_params["id"]))
        return back(request)

    async def delete_found(self, request: Request) -> Response:
        """Forget what a search finds, or everything."""
        await asyncio.to_thread(self.store.delete, await posted(request, "q"))
        return RedirectResponse("/", 303)

    async def read_found(self, request: Request) -> Response:
        """Mark what a search finds, or everything, as read."""
        await asyncio.to_thread(self.store.mark, await posted(request, "q"))
        return back(request)

    async def unread(self, request: Request) -> Response:
        """Mark the mail as unread again."""
        await asyncio.to_thread(self.store.mark, term("id", request.path_params["id"]), seen=False)
        return back(request)

    async def release(self, request: Request) -> Response:
        """Send the mail to real people, if that is allowed."""
        mail = await self._shown(request)
        recipients = (await posted(request, "to")).replace(",", " ").split()
        try:
            receipt = await self.inbox.release(mail.mail, recipients)
        except MailError as error:
            outcome = {"failed": str(error)}
        else:
            outcome = {"released": ", ".join(receipt.accepted)}
        return RedirectResponse(f"/messages/{mail.id}?{urlencode(outcome)}", 303)

    @staticmethod
    def opened(summary: Summary, mail: CapturedMail) -> shown.ShownMail:
        """Return what the page shows of a mail."""
        return shown.ShownMail(summary, mail)

    async def _shown(self, request: Request) -> shown.ShownMail:
        mail_id = request.path_params["id"]
        try:
            summary = await asyncio.to_thread(self.store.summary, mail_id)
            mail = await asyncio.to_thread(self.store.get, mail_id)
        except MailNotFound as error:
            raise HTTPException(404, str(error)) from error
        return await asyncio.to_thread(shown.ShownMail, summary, mail)


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
