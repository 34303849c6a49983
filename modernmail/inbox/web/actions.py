"""What can be done on the pages: delete, mark, release. Each is a POST that answers with a redirect."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.responses import RedirectResponse
from starlette.routing import Route

from modernmail.errors import MailError
from modernmail.inbox.search import term

from .api import asked, fetch
from .forms import back, posted

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from modernmail.receipt import Receipt

    from .app import Inbox


class Actions:
    """What changes the inbox `inbox`."""

    def __init__(self, inbox: Inbox) -> None:
        self.inbox = inbox
        self.store = inbox.store

    def routes(self) -> list[BaseRoute]:
        """The addresses to post to."""
        return [
            Route("/messages/{id}/delete", self.delete, methods=["POST"]),
            Route("/messages/{id}/unread", self.unread, methods=["POST"]),
            Route("/messages/{id}/release", self.release, methods=["POST"]),
            Route("/delete", self.delete_found, methods=["POST"]),
            Route("/read", self.read_found, methods=["POST"]),
        ]

    async def delete(self, request: Request) -> Response:
        """Forget the mail."""
        await asked(lambda: self.store.delete(term("id", request.path_params["id"])))
        return back(request)

    async def delete_found(self, request: Request) -> Response:
        """Forget what a search finds, or everything."""
        query = await posted(request, "q")
        await asked(lambda: self.store.delete(query))
        return RedirectResponse("/", 303)

    async def read_found(self, request: Request) -> Response:
        """Mark what a search finds, or everything, as read."""
        query = await posted(request, "q")
        await asked(lambda: self.store.mark(query))
        return back(request)

    async def unread(self, request: Request) -> Response:
        """Mark the mail as unread again."""
        await asked(lambda: self.store.mark(term("id", request.path_params["id"]), seen=False))
        return back(request)

    async def release(self, request: Request) -> Response:
        """Send the mail to real people, if that is allowed."""
        _, mail = await fetch(self.inbox, request.path_params["id"])
        recipients = (await posted(request, "to")).replace(",", " ").split()
        try:
            receipt = await self.inbox.release(mail, recipients)
        except MailError as error:
            outcome = {"failed": str(error)}
        else:
            outcome = _outcome(receipt)
        return RedirectResponse(f"/messages/{mail.id}?{urlencode(outcome)}", 303)


def _outcome(receipt: Receipt) -> dict[str, str]:
    """Return who got the mail, and who did not and why."""
    refused = ", ".join(f"{recipient} ({outcome})" for recipient, outcome in receipt.refused.items())
    return {"released": ", ".join(receipt.accepted), **({"failed": refused} if refused else {})}
