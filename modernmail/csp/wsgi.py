"""Content Security Policy for WSGI applications (Flask, Bottle, Django's WSGI handler …)."""

from __future__ import annotations

from modernmail.errors import InvalidPolicy

from .policy import Policy
from .report import LARGEST_REPORT, parse_reports
from .response import ResponsePolicy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

    from .policy import Config
    from .report import Report


class CSPMiddleware:
    """Gives each response of `app` its Content-Security-Policy headers.

    `policy` is enforced, `report_only` only reported: dictionaries as `build_policy` takes them, checked
    here. The view finds the nonce at `environ["csp_nonce"]` (use it before the response starts) and may
    change `environ["csp"].policy` and `.report_only` for its own response; a header that it sets itself is
    left alone.

    With Flask: `app.wsgi_app = CSPMiddleware(app.wsgi_app, policy={"default-src": [CSP.SELF]})`.
    """

    def __init__(
        self,
        app: WSGIApplication,
        policy: Policy | Config | None = None,
        report_only: Policy | Config | None = None,
    ) -> None:
        self.app = app
        self.policy = Policy.of(policy)
        self.report_only = Policy.of(report_only)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on, and the headers back."""
        response = environ["csp"] = ResponsePolicy(self.policy, self.report_only)
        environ["csp_nonce"] = response.nonce

        def start_with_policy(
            status: str, headers: list[tuple[str, str]], *rest: Any
        ) -> Callable[[bytes], object]:
            present = {name.lower() for name, _ in headers}
            return start_response(status, [*headers, *response.headers(present)], *rest)

        return self.app(environ, start_with_policy)


class ReportCollector:
    """A WSGI application for the address in `report-uri`: calls `on_report(report)` for each violation.

    Answers 204; 405 to anything but POST, 411 without a length, 413 to a body over 64 KiB, 400 to what is no
    report. Reports are what anybody may post: treat every value in them as untrusted text.
    """

    def __init__(self, on_report: Callable[[Report], object]) -> None:
        self.on_report = on_report

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status = self._collect(environ) if environ["REQUEST_METHOD"] == "POST" else "405 Method Not Allowed"
        if status.startswith("204"):
            start_response(status, [])
            return []
        start_response(status, [("Allow", "POST"), ("Content-Type", "text/plain")])
        return [status.encode()]

    def _collect(self, environ: WSGIEnvironment) -> str:
        length = environ.get("CONTENT_LENGTH") or ""
        if not length.isdecimal():
            return "411 Length Required"
        if int(length[:20]) > LARGEST_REPORT:
            return "413 Content Too Large"
        try:
            reports = parse_reports(environ["wsgi.input"].read(int(length)), environ.get("CONTENT_TYPE", ""))
        except InvalidPolicy:
            return "400 Bad Request"
        for report in reports:
            self.on_report(report)
        return "204 No Content"
