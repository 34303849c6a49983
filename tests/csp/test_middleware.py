"""The CSP middlewares and collectors, under Starlette and under plain WSGI."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from modernmail.csp import CSP, Report, parse_reports
from modernmail.csp.asgi import CSPMiddleware, ReportCollector
from modernmail.csp.wsgi import CSPMiddleware as WSGIMiddleware
from modernmail.csp.wsgi import ReportCollector as WSGICollector
from modernmail.errors import InvalidPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

ENFORCED, REPORTED = "content-security-policy", "content-security-policy-report-only"
POLICY = {"default-src": [CSP.SELF], "script-src": [CSP.SELF, CSP.NONCE]}
REPORT_ONLY = {"img-src": [CSP.SELF], "report-uri": "/csp"}
VIOLATION = {"csp-report": {"blocked-uri": "https://cdn.example/x.png", "effective-directive": "img-src"}}

# Each page is one behaviour, told to both kinds of application: what it does with its `csp` and its nonce,
# and the headers that it sets itself.
PAGES: dict[str, Callable[[Any, Any], tuple[str, dict[str, str]]]] = {}


def page(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Add a page under the function's name."""
    PAGES[f"/{function.__name__}"] = function
    return function


@page
def plain(csp: Any, nonce: Any) -> tuple[str, dict[str, str]]:
    """Say nothing about policies."""
    return "plain", {}


@page
def script(csp: Any, nonce: Any) -> tuple[str, dict[str, str]]:
    """Use the nonce."""
    return f"<script nonce={nonce}>", {}


@page
def own(csp: Any, nonce: Any) -> tuple[str, dict[str, str]]:
    """Set the enforced header by hand."""
    return "own", {"Content-SECURITY-Policy": "default-src 'none'"}


@page
def override(csp: Any, nonce: Any) -> tuple[str, dict[str, str]]:
    """Give this response policies of its own."""
    csp.policy = {"img-src": ["https:"]}
    csp.report_only = {"style-src": [CSP.SELF]}
    return "override", {}


@page
def none(csp: Any, nonce: Any) -> tuple[str, dict[str, str]]:
    """Do without."""
    csp.policy = None
    csp.report_only = {}
    return "none", {}


def asgi_call(
    app: Any, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[str, int, dict[str, str]]:
    """Call an ASGI application once; give the body, the status and the headers."""
    sent: list[Any] = []
    incoming = [
        {"type": "http.request", "body": body[:10], "more_body": True},
        {"type": "http.request", "body": body[10:]},
    ]
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "root_path": "",
        "query_string": b"", "headers": given, "http_version": "1.1", "scheme": "http",
        "server": ("inbox", 80), "client": ("127.0.0.1", 1), "asgi": {"version": "3.0"},
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        if incoming:
            return incoming.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(event: Any) -> None:
        sent.append(event)

    asyncio.run(app(scope, receive, send))
    text = b"".join(event.get("body", b"") for event in sent[1:]).decode()
    return text, sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def asgi_get(path: str, **policies: Any) -> tuple[str, dict[str, str]]:
    """Get a page from Starlette."""

    async def view(request: Request) -> PlainTextResponse:
        text, headers = PAGES["/" + request.path_params["page"]](
            request.scope["csp"], request.scope["csp_nonce"]
        )
        return PlainTextResponse(text, headers=headers)

    app = Starlette(routes=[Mount("/in", routes=[Route("/{page}", view)])])
    app.add_middleware(CSPMiddleware, **policies)
    text, _, headers = asgi_call(app, "/in" + path)
    return text, headers


def wsgi_call(
    app: Any, method: str = "GET", body: bytes = b"", **environ: str
) -> tuple[str, str, dict[str, str]]:
    """Call a WSGI application through wsgiref's validator."""
    started: list[Any] = []
    defaults: dict[str, Any] = {"REQUEST_METHOD": method, "QUERY_STRING": "", **environ}
    defaults["wsgi.input"] = io.BytesIO(body)
    setup_testing_defaults(defaults)
    answer = validator(app)(defaults, lambda status, headers, error=None: started.extend((status, headers)))
    try:
        text = b"".join(answer).decode()
    finally:
        answer.close()
    return text, started[0], {name.lower(): value for name, value in started[1]}


def wsgi_get(path: str, **policies: Any) -> tuple[str, dict[str, str]]:
    """Get a page from a plain WSGI application."""

    def app(environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        text, headers = PAGES[path](environ["csp"], environ["csp_nonce"])
        start("200 OK", [("Content-Type", "text/plain"), *headers.items()])
        return iter([text.encode()])

    text, _, headers = wsgi_call(WSGIMiddleware(app, **policies))
    return text, headers


@pytest.fixture(params=[asgi_get, wsgi_get])
def get(request: pytest.FixtureRequest) -> Any:
    """Get a page, under each kind of server."""
    return request.param


def test_both_policies_are_sent(get: Any) -> None:
    """Enforced and report-only policies come with every response; an unused nonce is not announced."""
    _, headers = get("/plain", policy=POLICY, report_only=REPORT_ONLY)
    assert headers[ENFORCED] == "default-src 'self'; script-src 'self'"
    assert headers[REPORTED] == "img-src 'self'; report-uri /csp"


def test_the_nonce_in_the_page_is_the_one_in_the_header(get: Any) -> None:
    """A view that uses the nonce finds it announced, and it differs from one response to the next."""
    first, headers = get("/script", policy=POLICY)
    nonce = first.removeprefix("<script nonce=").removesuffix(">")
    assert headers[ENFORCED] == f"default-src 'self'; script-src 'self' 'nonce-{nonce}'"
    assert REPORTED not in headers
    second, _ = get("/script", policy=POLICY)
    assert first != second


def test_a_header_of_the_view_is_left_alone(get: Any) -> None:
    """A view's own header stays, in any letter case, and the other one is still added."""
    _, headers = get("/own", policy=POLICY, report_only=REPORT_ONLY)
    assert headers[ENFORCED] == "default-src 'none'"
    assert REPORTED in headers


def test_a_response_can_have_its_own_policy(get: Any) -> None:
    """A view replaces the policies of its response, or does without any."""
    _, headers = get("/override", policy=POLICY)
    assert (headers[ENFORCED], headers[REPORTED]) == ("img-src https:", "style-src 'self'")
    _, headers = get("/none", policy=POLICY, report_only=REPORT_ONLY)
    assert ENFORCED not in headers
    assert REPORTED not in headers


def test_no_policy_no_header(get: Any) -> None:
    """Without a policy, or with one that says nothing, there is no header."""
    _, headers = get("/plain", policy={}, report_only={"img-src": None})
    assert ENFORCED not in headers
    assert REPORTED not in headers


@pytest.mark.parametrize("middleware", [CSPMiddleware, WSGIMiddleware])
def test_a_bad_policy_is_refused_at_the_start(middleware: Any) -> None:
    """A mistake shows when the middleware is made, not at the first request."""
    with pytest.raises(InvalidPolicy, match="did you mean 'img-src'"):
        middleware(None, policy={"imgsrc": "*"})


def test_a_nonce_used_while_streaming_is_too_late() -> None:
    """What is streamed after the start of a response cannot change its header: use the nonce before."""

    async def view(request: Request) -> StreamingResponse:
        async def body() -> Any:
            yield str(request.scope["csp_nonce"])

        return StreamingResponse(body())

    app = CSPMiddleware(Starlette(routes=[Route("/", view)]), policy=POLICY)
    text, _, headers = asgi_call(app)
    assert len(text) == 22
    assert headers[ENFORCED] == "default-src 'self'; script-src 'self'"


def test_websockets_pass() -> None:
    """A WebSocket has no policy and passes untouched."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope, send))

    scope = {"type": "websocket"}
    asyncio.run(CSPMiddleware(app, policy=POLICY)(scope, print, print))
    assert seen == [({"type": "websocket"}, print)]


def asgi_post(collector: Any, body: bytes, kind: str, method: str = "POST") -> int:
    """Post a report to the ASGI collector."""
    _, status, _ = asgi_call(collector, "/", method, body, content_type=kind)
    return status


def wsgi_post(collector: Any, body: bytes, kind: str, method: str = "POST") -> int:
    """Post a report to the WSGI collector."""
    length = str(len(body))
    _, status, _ = wsgi_call(collector, method, body, CONTENT_TYPE=kind, CONTENT_LENGTH=length)
    return int(status[:3])


@pytest.mark.parametrize(("collector", "post"), [(ReportCollector, asgi_post), (WSGICollector, wsgi_post)])
def test_reports_are_collected(collector: Any, post: Any) -> None:
    """Violations in either form reach the callable; anything else is 4xx and reaches nobody."""
    seen: list[Report] = []
    app = collector(seen.append)
    old = json.dumps(VIOLATION).encode()
    inline = {"blockedURL": "inline", "effectiveDirective": "script-src-elem", "lineNumber": 7}
    new = json.dumps([{"type": "csp-violation", "body": inline}, {"type": "crash", "body": {}}]).encode()
    assert post(app, old, "application/csp-report") == 204
    assert post(app, new, "application/reports+json; charset=utf-8") == 204
    assert [(report.directive, report.blocked_uri, report.line) for report in seen] == [
        ("img-src", "https://cdn.example/x.png", 0),
        ("script-src-elem", "inline", 7),
    ]
    assert post(app, old, "text/plain") == 400
    assert post(app, b"{", "application/csp-report") == 400
    assert post(app, b"[" * 50_000, "application/csp-report") == 400
    assert post(app, b"{}", "application/csp-report") == 400
    assert post(app, old, "application/csp-report", "PUT") == 405
    assert post(app, b"x" * 70_000, "application/csp-report") == 413
    assert len(seen) == 2


def test_a_collector_may_be_async() -> None:
    """`on_report` may be a coroutine function under ASGI."""
    seen: list[Report] = []

    async def on_report(report: Report) -> None:
        await asyncio.sleep(0)
        seen.append(report)

    assert (
        asgi_post(ReportCollector(on_report), json.dumps(VIOLATION).encode(), "application/csp-report") == 204
    )
    assert repr(seen) == "[Report(directive='img-src', blocked_uri='https://cdn.example/x.png')]"


def test_a_collector_needs_a_length_under_wsgi() -> None:
    """A WSGI request without a length is 411: its body has no end."""
    _, status, _ = wsgi_call(WSGICollector(print), "POST", CONTENT_LENGTH="")
    assert status == "411 Length Required"


def test_a_report_cut_short() -> None:
    """A client that leaves while it posts makes no report."""
    seen: list[Report] = []
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(event: Any) -> None:
        sent.append(event)

    scope = {"type": "http", "method": "POST", "headers": []}
    asyncio.run(ReportCollector(seen.append)(scope, receive, send))
    assert (seen, sent[0]["status"]) == ([], 400)


@pytest.mark.parametrize("body", [b"x" * 65_537, b"null", b"[]", b'{"csp-report": []}'])
def test_what_is_no_report_is_refused(body: bytes) -> None:
    """Too long, not an object, or without a violation: an InvalidPolicy."""
    with pytest.raises(InvalidPolicy):
        parse_reports(body, "application/csp-report")
