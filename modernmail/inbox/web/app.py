"""The ASGI application of the inbox: pages, API and live updates over one store."""

from __future__ import annotations

import json
from collections import deque
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from modernmail.csp import CSP, Policy
from modernmail.csp.asgi import CSPMiddleware, ReportCollector

from .actions import Actions
from .api import API
from .blocked import Blocked
from .events import events
from .guard import Guard
from .mail_content import MailContent
from .mailpit import Mailpit
from .pages import Pages
from .release import Release
from .watch import Watch

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from modernmail.csp import Report
    from modernmail.inbox.mail import CapturedMail
    from modernmail.inbox.store import Store
    from modernmail.receipt import Receipt

    from .previews import Previews

# The page itself: its own script and style, its own frame, nothing else; no script may make markup but by one
# policy.
PAGE_POLICY = Policy(
    {
        "default-src": [CSP.NONE],
        "script-src": [CSP.NONCE],
        "style-src": [CSP.NONCE],
        "img-src": [CSP.SELF],
        "connect-src": [CSP.SELF],
        "frame-src": [CSP.SELF],
        "form-action": [CSP.SELF],
        "base-uri": [CSP.NONE],
        "frame-ancestors": [CSP.NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["inbox"],
        "report-uri": ["/violations"],
    }
)


class Inbox:
    """What pages and API share: the store, what was blocked, who waits, where mail may be released to.

    `smtp_url` is where to send and `asks_login` whether that takes a user and a password (shown on the empty
    page), `violations` what the page's own policy was broken by.
    """

    def __init__(
        self,
        store: Store,
        *,
        smtp_url: str = "",
        asks_login: bool = False,
        release: Release | None = None,
        previews: Previews | None = None,
    ) -> None:
        self.store = store
        self.smtp_url = smtp_url
        self.smtp_host, self.smtp_port = _host_and_port(smtp_url)
        self.asks_login = asks_login
        self.releasing = release
        self.previews = previews
        self.blocked = Blocked()
        self.watch = Watch(store)
        self.violations: deque[Report] = deque(maxlen=100)

    async def release(self, mail: CapturedMail, recipients: list[str]) -> Receipt:
        """Send a caught mail to real recipients."""
        return await (self.releasing or Release(None)).send(mail, recipients)


def create_app(
    inbox: Inbox | Store,
    *,
    hostnames: frozenset[str] = frozenset(),
    credentials: tuple[str, str] | None = None,
) -> Starlette:
    """Return the application for `inbox`, or for a bare store.

    `hostnames` are further names that a browser may reach it by; `credentials` are a user and a password to
    ask for.
    """
    shared = inbox if isinstance(inbox, Inbox) else Inbox(inbox)
    pages = Pages(shared)
    app = Starlette(
        routes=[
            *pages.routes(),
            *MailContent(shared).routes(),
            *Actions(shared).routes(),
            *API(shared).routes(),
            *Mailpit(shared).routes(),
            *(shared.previews.routes(pages) if shared.previews else ()),
            Route("/events", events),
            Route("/violations", ReportCollector(shared.violations.append), methods=["POST"]),
        ],
        middleware=[
            Middleware(Guard, hostnames=hostnames, credentials=credentials),
            Middleware(CSPMiddleware, policy=PAGE_POLICY),
        ],
        exception_handlers={HTTPException: _refused},
    )
    app.state.inbox = shared
    return app


def _host_and_port(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 25


async def _refused(request: Request, error: HTTPException | Exception) -> Response:
    status, detail = getattr(error, "status_code", 500), getattr(error, "detail", "")
    if request.url.path.startswith("/api/"):
        body = json.dumps({"error": detail})
        return PlainTextResponse(body, status, media_type="application/json")
    return PlainTextResponse(f"{status} {detail}\n", status)
