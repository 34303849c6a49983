"""Content Security Policy for ASGI applications (Starlette, FastAPI, Quart, Django's ASGI handler …)."""

from __future__ import annotations

from modernmail.errors import InvalidPolicy

from .policy import Policy
from .report import LARGEST_REPORT, parse_reports
from .response import ResponsePolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping
    from typing import Any

    from .policy import Config
    from .report import Report

    Scope = MutableMapping[str, Any]
    Event = MutableMapping[str, Any]
    Receive = Callable[[], Awaitable[Event]]
    Send = Callable[[Event], Awaitable[None]]
    Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class CSPMiddleware:
    """Gives each HTTP response of `app` its Content-Security-Policy headers.

    `policy` is enforced, `report_only` only reported: dictionaries as `build_policy` takes them, checked
    here. The view finds the nonce at `scope["csp_nonce"]` (use it before the response starts) and may change
    `scope["csp"].policy` and `.report_only` for its own response; a header that it sets itself is left alone.

    With Starlette: `app.add_middleware(CSPMiddleware, policy={"default-src": [CSP.SELF]})`.
    """

    def __init__(
        self,
        app: Application,
        policy: Policy | Config | None = None,
        report_only: Policy | Config | None = None,
    ) -> None:
        self.app = app
        self.policy = Policy.of(policy)
        self.report_only = Policy.of(report_only)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and the headers back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        response = scope["csp"] = ResponsePolicy(self.policy, self.report_only)
        scope["csp_nonce"] = response.nonce

        async def send_with_policy(event: Event) -> None:
            if event["type"] == "http.response.start":
                given = list(event.get("headers", ()))
                present = {bytes(name).lower().decode("latin-1") for name, _ in given}
                added = [(name.lower().encode(), value.encode()) for name, value in response.headers(present)]
                event = {**event, "headers": [*given, *added]}
            await send(event)

        await self.app(scope, receive, send_with_policy)


class ReportCollector:
    """An ASGI application for the address in `report-uri`: calls `on_report(report)` for each violation.

    `on_report` may be `async`. Answers 204; 405 to anything but POST, 413 to a body over 64 KiB, 400 to what
    is no report. Reports are what anybody may post: treat every value in them as untrusted text.
    """

    def __init__(self, on_report: Callable[[Report], object]) -> None:
        self.on_report = on_report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        status = await self._collect(scope, receive) if scope["method"] == "POST" else 405
        await send({"type": "http.response.start", "status": status, "headers": [(b"allow", b"POST")]})
        await send({"type": "http.response.body", "body": b""})

    async def _collect(self, scope: Scope, receive: Receive) -> int:
        body, more = b"", True
        while more:
            event = await receive()
            if event["type"] == "http.disconnect":
                return 400
            body += event.get("body", b"")
            more = event.get("more_body", False)
            if len(body) > LARGEST_REPORT:
                return 413
        kind = next(
            (value for name, value in scope["headers"] if bytes(name).lower() == b"content-type"), b""
        )
        try:
            reports = parse_reports(body, bytes(kind).decode("latin-1"))
        except InvalidPolicy:
            return 400
        for report in reports:
            pending = self.on_report(report)
            if hasattr(pending, "__await__"):
                await pending
        return 204
