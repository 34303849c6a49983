"""The pages: the list, and a mail beside it.

Rules of the file: every page works without the script, which only asks for pieces of the same pages (the
header `X-Fragment`) and puts them in place; nothing is changed by a GET but that an opened mail was read.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from modernmail.errors import InvalidSearch
from modernmail.inbox.search import term

from . import assets, shown, wording
from .api import fetch
from .mail_content import SHOWN_AS_IMAGE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from modernmail.inbox.mail import CapturedMail
    from modernmail.inbox.summary import Summary

    from .app import Inbox

log = logging.getLogger("modernmail.inbox")

PAGE = 50  # mails in a list
# Above a mail, at once and unfolded: attachments, of which the view of the headers has more, and recipients of a kind.
FEW_FILES, MOST_FILES = 6, 30
FEW_PEOPLE, MOST_PEOPLE = 10, 50
MOST_TAGS = 12  # above the list
MOST_ROWS = 500  # lines of a table in the view of the headers


class Gone(NamedTuple):
    """What stands in the place of a mail that cannot be shown; `id` is empty when it is not there."""

    title: str
    reason: str
    id: str = ""


def _environment() -> Environment:
    templates = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(loader=templates, autoescape=True, undefined=StrictUndefined, trim_blocks=True,
                              lstrip_blocks=True)  # fmt: skip
    environment.filters.update(moment=wording.moment, full_moment=wording.full_moment, size=wording.size)
    environment.filters.update(initial=wording.initial, hue=wording.hue)
    environment.globals.update(
        asset=assets.address,
        shown_as_image=SHOWN_AS_IMAGE,
        few_files=FEW_FILES,
        most_files=MOST_FILES,
        gone=None,
        few_people=FEW_PEOPLE,
        most_people=MOST_PEOPLE,
        most_rows=MOST_ROWS,
    )
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
            Route("/messages/{id}/blocked", self.blocked),
            Route("/static/{name}", assets.serve),
            Route("/favicon.ico", assets.icon),
        ]

    async def front(self, request: Request) -> Response:
        """The list, and beside it a word of welcome."""
        return await self.page(request, None)

    async def message(self, request: Request) -> Response:
        """A mail beside the list; opening it marks it as read."""
        try:
            summary, mail = await fetch(self.inbox, request.path_params["id"])
        except HTTPException:
            return await self._gone(request, Gone("This mail is gone", "It was deleted, or made room."), 404)
        if summary.unseen:
            try:
                await asyncio.to_thread(self.store.mark, term("id", mail.id))
            except OSError as error:  # a full disk: the mail can be read all the same, and stays unread
                log.warning("the mail %s could not be marked as read: %s", mail.id, error)
        try:
            return await self.page(request, await asyncio.to_thread(shown.ShownMail, summary, mail))
        except HTTPException:
            raise
        except Exception as error:
            # A fault of ours, which a strange mail brought to light: it says so, and the mail can be had raw.
            log.exception("the mail %s cannot be shown", mail.id)
            reason = f"{type(error).__name__}: {error}"[:500]
            return await self._gone(request, Gone("This mail cannot be shown", reason, mail.id), 500)

    async def _gone(self, request: Request, gone: Gone, status: int) -> Response:
        if request.headers.get("x-fragment"):
            return Response(gone.title, status)
        page = await self.page(request, None, {"gone": gone})
        page.status_code = status
        return page

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
            "at": "",  # where the views of a preview are, beginning with its parameters
            **(more or {}),
        }
        if wanted != "message":
            values |= await asyncio.to_thread(self._listed, request)
        if mail is not None and wanted != "list":
            values |= await asyncio.to_thread(self._opened, mail, request)
        name = {"list": "list.html", "message": "pane.html"}.get(wanted, "page.html")
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
            values["problem"] = f"{str(error.value).rstrip(':')}: {error.reason}."
        except OSError as error:
            values["problem"] = f"The inbox cannot search for words now: {error.strerror or error}."
        values["last"] = self.store.last
        total = values["count"] if not query else self.store.count()
        return {
            **values,
            "total": total,
            "unread": self.store.count("is:unread"),
            "tags": _shown_tags(self.store.tags()),
        }

    def _opened(self, mail: shown.ShownMail, request: Request) -> dict[str, Any]:
        wanted = request.query_params.get("view", "")
        query = request.query_params.get("q", "").strip()
        try:
            newer, older = self.store.neighbours(mail.summary, query)
        except (InvalidSearch, OSError):  # the list says why
            newer = older = None
        return {
            "views": mail.views,
            "view": wanted if wanted in mail.views else mail.views[0],
            "newer": newer,
            "older": older,
            "released": request.query_params.get("released", ""),
            "failed": request.query_params.get("failed", ""),
            **self._blocked(mail, request),
        }

    def _blocked(self, mail: shown.ShownMail, request: Request) -> dict[str, Any]:
        query = request.query_params.get("q", "").strip()
        found = {reference.url: reference.how for reference in mail.remote}
        for directive, url in self.inbox.blocked.of(mail.id):
            found.setdefault(url, directive)
        return {
            "blocked": [(how, url) for url, how in found.items()],
            "remote_shown": request.query_params.get("remote") == "1",
            "carry": urlencode({"q": query}) if query else "",
        }

    async def blocked(self, request: Request) -> Response:
        """The line about what was blocked, anew."""
        summary, mail = await fetch(self.inbox, request.path_params["id"])
        opened = await asyncio.to_thread(shown.ShownMail, summary, mail)
        values = {"mail": opened, **await asyncio.to_thread(self._blocked, opened, request)}
        return HTMLResponse(self.templates.get_template("blocked.html").render(values))

    @staticmethod
    def opened(summary: Summary, mail: CapturedMail) -> shown.ShownMail:
        """Return what the page shows of a mail."""
        return shown.ShownMail(summary, mail)


def _shown_tags(counts: dict[str, int]) -> list[str]:
    """Return the tags above the list: of very many those of the most mails, and none that a single mail has."""
    if len(counts) <= MOST_TAGS:
        return list(counts)
    shared = sorted((tag for tag, mails in counts.items() if mails > 1), key=lambda tag: -counts[tag])
    return sorted(shared[:MOST_TAGS])


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "0")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
